"""The house stands as it was drawn: who imports whom, what an Action is made of, what a function loads.

Every rule runs on this checkout, and on copies of it that break it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from functions.endpoint import dispatch
from kit import architecture as house
from kit import architecture_actions as actions
from kit import architecture_errors as errors
from tenantkms import names as spelling

ROOT = Path(__file__).parent.parent.parent
LAYER, EVENTS = house.LAYER, house.EVENTS


RULES = (*house.RULES, *actions.RULES, *errors.RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps(rule: house.Rule) -> None:
    broken = list(rule(ROOT))
    assert not broken, "\n" + "\n".join(broken)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source that a test may break."""
    for folder in house.OURS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


ENCRYPT = "functions/encrypt/handler.py"
ERRORS, ALIAS = f"{LAYER}/errors.py", f"{LAYER}/model/alias.py"
BREAKS = [
    # (rule, file, text to append, what the rule then names)
    (house.imports_go_one_way, ERRORS, "from tenantkms.model.key import Key", "imports tenantkms.model.key"),
    (house.imports_go_one_way, ALIAS, "from tenantkms.access import policy", "imports tenantkms.access.policy"),
    (house.imports_go_one_way, f"{LAYER}/audit/line.py", "def f():\n    import tenantkms.action", "tenantkms.action"),
    (house.imports_go_one_way, ALIAS, "if TYPE_CHECKING:\n    from ..action import scope", "tenantkms.action.scope"),
    (
        house.imports_go_one_way,
        f"{LAYER}/store/sqlite.py",
        "from ..keys.keyring import Keyring",
        "tenantkms.keys.keyring",
    ),
    (house.imports_go_one_way, f"{LAYER}/wire/http.py", "from tenantkms.runtime import assemble", "tenantkms.runtime"),
    (house.imports_go_one_way, f"{LAYER}/attic.py", "from tenantkms import errors", "attic has no place"),
    (
        house.imports_go_one_way,
        f"{EVENTS}/names.py",
        "from tenantkms_events import actions",
        "tenantkms_events.actions",
    ),
    (errors.errors_are_let_go_of, ALIAS, "def f(e: OSError):\n    raise e", "keeps an error"),
    (errors.errors_are_let_go_of, ALIAS, "def f():\n    a = OSError()\n    raise a or None", "keeps an error"),
    (
        errors.errors_are_let_go_of,
        ALIAS,
        "def f():\n    try:\n        g()\n    except OSError as e:\n        kept = e",
        "keeps an error",
    ),
    (house.events_stand_apart, ENCRYPT, "def f():\n    from tenantkms_events import names", "tenantkms_events.names"),
    (house.events_stand_apart, f"{LAYER}/wire/http.py", "import aws_lambda_powertools", "aws_lambda_powertools"),
    (house.events_stand_apart, f"{EVENTS}/actions.py", "from tenantkms.keys.deps import Deps", "through the Actions"),
    (
        house.no_room_has_a_circle,
        f"{LAYER}/wire/http.py",
        "from tenantkms.wire import codecs",
        "a circle: tenantkms.wire",
    ),
    (house.no_room_has_a_circle, ALIAS, "def f():\n    from tenantkms.model import alias", "a circle: tenantkms.model"),
    (house.no_room_has_a_circle, "tkms/snippets.py", "from tkms import snippet_commands", "a circle: tkms"),
    (
        house.no_room_has_a_circle,
        f"{LAYER}/wire/dialects/alibaba/fields.py",
        "def f():\n    from tenantkms.wire.dialects.alibaba import operations",
        "a circle: tenantkms.wire.dialects.alibaba",
    ),
    (
        house.no_room_has_a_circle,
        "functions/endpoint/dispatch.py",
        "def f():\n    from functions.endpoint import handler",
        "a circle: functions.endpoint",
    ),
    (
        house.imports_are_plain_to_see,
        f"{LAYER}/crypto/context.py",
        "import importlib\nimportlib.import_module('x')",
        "by importlib",
    ),
    (house.imports_are_plain_to_see, ENCRYPT, "__import__('functions.decrypt.handler')", "imports by __import__"),
    (house.imports_are_plain_to_see, ALIAS, "import tenantkms", "imports tenantkms as a whole"),
    (
        house.actions_know_only_the_domain,
        ENCRYPT,
        "from tenantkms.runtime.assemble import Settings",
        "runtime.assemble",
    ),
    (house.every_room_has_a_place, f"{LAYER}/attic.py", "", "attic: not in the order"),
    (house.every_room_has_a_place, f"{EVENTS}/attic.py", "", "attic: not in the order"),
    (house.every_room_has_a_place, f"{LAYER}/wire/attic/__init__.py", "", "wire/attic has one file"),
    (house.docstring_says_the_order, f"{LAYER}/__init__.py", None, "the order is errors, names"),
    (
        house.packages_say_nothing,
        f"{LAYER}/model/__init__.py",
        "from tenantkms.model.key import Key",
        "model/__init__.py",
    ),
    (house.tests_stand_in_rooms, "tests/test_lost.py", "", "tests/test_lost.py stands in no room"),
    (house.tests_stand_in_rooms, "tests/kit/test_lost.py", "", "tests/kit/test_lost.py stands in no room"),
    (house.tests_stand_in_rooms, "tests/wire/helper.py", "", "tests/wire/helper.py is no test"),
    (
        house.layer_knows_no_function,
        f"{LAYER}/action/scope.py",
        "import functions.encrypt.handler",
        "functions.encrypt",
    ),
    (house.layer_knows_no_function, f"{LAYER}/wire/http.py", "def f():\n    from tkms import cli", "tkms.cli"),
    (house.wire_is_the_endpoint_s, ENCRYPT, "from tenantkms.wire.http import Request", "tenantkms.wire.http"),
    (house.wire_is_the_endpoint_s, f"{LAYER}/runtime/assemble.py", "from tenantkms import wire", "tenantkms.wire"),
    (house.actions_know_only_the_domain, ENCRYPT, "from tenantkms.wire import codecs", "tenantkms.wire.codecs"),
    (house.actions_know_only_the_domain, ENCRYPT, "def f():\n    import boto3", "imports boto3"),
    (house.actions_know_only_the_domain, ENCRYPT, "from botocore.exceptions import ClientError", "botocore"),
    (house.actions_know_only_the_domain, ENCRYPT, "import urllib.request", "imports urllib.request"),
    (house.actions_know_only_the_domain, ENCRYPT, "from http import client", "imports http"),
    (house.actions_know_only_the_domain, ENCRYPT, "from functions.decrypt.handler import decrypt", "functions.decrypt"),
    (house.actions_know_only_the_domain, ENCRYPT, "from functions import decrypt", "functions.decrypt"),
    (house.actions_know_only_the_domain, ENCRYPT, "from ..decrypt import handler", "functions.decrypt"),
    (house.aws_is_loaded_late, f"{LAYER}/parent/aws_kms.py", "import boto3", "imports boto3 when it is loaded"),
    (house.aws_is_loaded_late, f"{LAYER}/runtime/assemble.py", "import botocore.session", "when it is loaded"),
    (house.aws_is_loaded_late, f"{LAYER}/keys/keyring.py", "def f():\n    import boto3", "only runtime.assemble"),
    (
        house.aws_is_loaded_late,
        "tkms/places.py",
        "from botocore.exceptions import ClientError",
        "only runtime.assemble",
    ),
    (house.errors_know_no_vendor, ERRORS, "# as Alibaba says it", "says Alibaba"),
    (house.errors_know_no_vendor, ERRORS, "status = 404", "has the status 404"),
    (house.files_are_short, f"{LAYER}/access/policy.py", "\n" * 320, "policy.py has"),
    (actions.functions_have_one_shape, "functions/encrypt/helper.py", "", "functions/encrypt has"),
    (actions.functions_have_one_shape, "functions/hash_key/__init__.py", "", "functions/hash_key has __init__.py"),
    (actions.functions_have_one_shape, ENCRYPT, "@action('Sign')\ndef sign(params, scope): ...", "('sign', 'Sign')"),
    (actions.handlers_ask_the_scope, ENCRYPT, "def f(scope):\n    deps = scope.deps", "reaches for scope.deps"),
    (actions.handlers_ask_the_scope, ENCRYPT, "def f(scope):\n    store = scope.keyring.store", "scope.keyring.store"),
    (actions.keys_tell_their_state_now, ENCRYPT, "def f(key):\n    return key.state", "reads key.state"),
    (actions.keys_tell_their_state_now, f"{LAYER}/keys/views.py", "def f(key):\n    return key.state", "key.state"),
]


def names(value: object) -> str:
    return value.__name__ if callable(value) else str(value).rpartition("/")[2][:30]


@pytest.mark.parametrize(("rule", "file", "text", "named"), BREAKS, ids=names)
def test_a_break_is_named(rule: house.Rule, file: str, text: str | None, named: str, copy: Path) -> None:
    path = copy / file
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text("utf-8") if path.exists() else ""
    after = before.replace("errors    ", "failures  ") if text is None else f"{before}\n{text}\n"
    known = set(rule(ROOT))
    path.write_text(after, "utf-8")
    new = [line for line in rule(copy) if line not in known]
    assert any(named in line for line in new), new


REPLACES = [
    # (rule, file, old text, new text, what the rule then names)
    (actions.functions_have_one_shape, ENCRYPT, '@action("Encrypt"', '@action("Encode"', "('encrypt', 'Encode')"),
    (actions.functions_have_one_shape, ENCRYPT, "handler = entry(encrypt)", "", "no `handler = entry(encrypt)`"),
    (actions.actions_say_whether_they_use_keys, ENCRYPT, "needs=BLOBS", "needs=NO_KEY", "refuses USE, needs NO_KEY"),
    (
        actions.actions_say_whether_they_use_keys,
        "functions/generate_data_key/handler.py",
        "refuses=USE, needs=BLOBS",
        "refuses=NO_KEY, needs=NO_KEY",
        "uses a key, but GenerateDataKey says NO_KEY",
    ),
    (
        actions.dialects_name_actions_that_exist,
        f"{LAYER}/wire/dialects/tencent_v2/operations.py",
        'Operation("SetKeyAlias"',
        'Operation("RenameKey"',
        "tencent-v2 SetKeyAttributes is served by RenameKey",
    ),
]


@pytest.mark.parametrize(("rule", "file", "old", "new", "named"), REPLACES, ids=names)
def test_a_change_is_named(rule: house.Rule, file: str, old: str, new: str, named: str, copy: Path) -> None:
    path = copy / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    broken = list(rule(copy))
    assert any(named in line for line in broken), broken


def test_every_rule_has_a_break() -> None:
    assert {rule for rule, *_ in (*BREAKS, *REPLACES)} == set(RULES)


def test_folders_are_named_as_the_dispatcher_names_them() -> None:
    for name, tree in actions.handlers(ROOT):
        for _, action in actions.actions_of(tree):
            assert spelling.folder(action) == actions.folder(action) == name
            assert dispatch.load(action).name == action


def loaded(*modules: str) -> set[str]:
    """What a fresh interpreter has loaded after importing these."""
    program = f"import json, sys, {', '.join(modules)}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


# Besides what is slow to load: a function that can load a network library has one to talk with.
FOREIGN = (
    "boto3",
    "botocore",
    "uvicorn",
    "uvloop",
    "httptools",
    "asyncio",
    "http.client",
    "ssl",
    "sqlite3",
    "tenantkms.wire",
    "tenantkms.store.sqlite",
    "tenantkms.store.dynamodb",
    "tenantkms.store.dynamodb_table",
    "tenantkms.crypto.asymmetric",
    "functions.endpoint",
    "tkms",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.serialization",
    "cryptography.x509",
)


@pytest.mark.parametrize("name", ["encrypt", "decrypt", "generate_data_key"])
def test_a_data_plane_function_loads_only_what_it_uses(name: str) -> None:
    modules = loaded(f"functions.{name}.handler")
    foreign = {module for module in modules for prefix in FOREIGN if f"{module}.".startswith(f"{prefix}.")}
    assert not foreign
    others = {m for m in modules if m.startswith("functions.")} - {f"functions.{name}", f"functions.{name}.handler"}
    assert not others


def test_the_names_of_foreign_modules_are_real() -> None:
    """A module that was renamed would never be found among the loaded ones."""
    modules = loaded(*FOREIGN)
    assert set(FOREIGN) <= modules
