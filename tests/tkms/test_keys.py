"""`tkms key` on a data directory, and on a stack whose functions are in this process: one Action for each verb."""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from functions.endpoint.dispatch import InlineDispatcher, load
from kit.support import Kms, new_directory
from tenantkms.model.states import KeyState
from tenantkms.names import AWS, folder
from tenantkms.runtime.assemble import Settings
from tkms.cli import main
from tkms.machine.directory import Directory, call
from tkms.output import UsageError, confirm
from tkms.stack.stack import Stack

NAME = "tkms-acme"
PLACES = ("directory", "stack")


class Functions:
    """AWS Lambda as the command asks it: calls and answers travel as JSON."""

    def __init__(self, settings: Settings) -> None:
        self._dispatch = InlineDispatcher(settings.deps)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        call = msgspec.json.decode(Payload)
        assert FunctionName == f"{NAME}-{folder(call['action'])}"
        return {"Payload": io.BytesIO(msgspec.json.encode(self._dispatch(call)))}


class Deployed(Stack):
    """A stack that needs no AWS."""

    def __init__(self, settings: Settings) -> None:
        self.outputs = {"FunctionPrefix": f"{NAME}-"}
        self.url = "https://kms.example.test"
        self.__dict__["settings"] = settings
        self._functions = Functions(settings)

    def client(self, service: str, **config: Any) -> Any:
        assert service == "lambda"
        return self._functions


class Ran(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert (self.status, self.err) == (0, ""), self
        return json.loads(self.out)

    def says(self, status: int, text: str) -> None:
        assert (self.status, self.out) == (status, ""), self
        assert text in self.err


class Tkms:
    """Runs commands in this process. `settings` are of what they work on."""

    def __init__(self, data: Directory, place: str, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, self.settings = data.path, data.open()
        self._where = ["--data-dir", str(data.path)] if place == "directory" else ["--stack", NAME]
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *args: str, stdin: bytes = b"", terminal: bool = False) -> Ran:
        text = io.TextIOWrapper(io.BytesIO(stdin))
        self._monkeypatch.setattr(text, "isatty", lambda: terminal)
        self._monkeypatch.setattr("sys.stdin", text)
        try:
            status = main([*args, *self._where])
        except SystemExit as e:
            status = int(e.code or 0)
        return Ran(status, *self._capsys.readouterr())

    def key(self, *args: str) -> str:
        """The id of a new key."""
        return str(self("key", "create", "--json", *args).json["id"])

    def described(self, key: str) -> Any:
        return self("key", "describe", key, "--json").json

    def lines(self) -> list[Any]:
        """Of the audit log."""
        return [json.loads(line) for line in (self.data / "audit.jsonl").read_text().splitlines()]


@pytest.fixture(params=PLACES)
def tkms(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Tkms:
    made = Tkms(new_directory(tmp_path / "data"), request.param, capsys, monkeypatch)
    monkeypatch.setattr("tkms.stack.stack.Stack", lambda _name: Deployed(made.settings))
    return made


# -- one Action for each verb ----------------------------------------------------------------------------

ALLOW = '{"Version":"1","Statement":[{"Effect":"Allow","Principal":{"RAM":["*"]},"Action":["kms:*"],"Resource":["*"]}]}'
VERBS: Mapping[str, tuple[list[str], str]] = {
    # what is typed, with a key where {} stands: the Action
    "disable": (["disable", "{}"], "DisableKey"),
    "enable": (["enable", "{}"], "EnableKey"),
    "rotate": (["rotate", "{}"], "CreateKeyVersion"),
    "schedule-deletion": (["schedule-deletion", "{}", "--yes"], "ScheduleKeyDeletion"),
    "cancel-deletion": (["cancel-deletion", "{}"], "CancelKeyDeletion"),
    "alias add": (["alias", "add", "new-name", "{}"], "CreateAlias"),
    "alias move": (["alias", "move", "other-name", "{}"], "UpdateAlias"),
    "alias remove": (["alias", "remove", "own-name", "--yes"], "DeleteAlias"),
    "tag add": (["tag", "add", "{}", "team=red"], "TagResources"),
    "tag remove": (["tag", "remove", "{}", "old"], "UntagResources"),
    "policy show": (["policy", "show", "{}"], "GetKeyPolicy"),
    "policy set": (["policy", "set", "{}", "-"], "SetKeyPolicy"),
    "policy remove": (["policy", "remove", "{}", "--yes"], "SetKeyPolicy"),
    "versions": (["versions", "{}"], "ListKeyVersions"),
}


def _in_state(tkms: Tkms, state: KeyState) -> str:
    """The id of a key with an alias and a tag, in that state."""
    key = tkms.key("--origin", "EXTERNAL" if state is KeyState.PENDING_IMPORT else "KMS", "--alias", "own-name")
    tkms.key("--alias", "other-name")
    call(tkms.settings, "TagResources", {"key_ids": [key], "tags": {"old": "1"}})
    if state is KeyState.DISABLED:
        call(tkms.settings, "DisableKey", {"key_ids": [key]})
    elif state is KeyState.PENDING_DELETION:
        call(tkms.settings, "ScheduleKeyDeletion", {"key_id": key, "days": 7})
    elif state is KeyState.ARCHIVED:
        call(tkms.settings, "ArchiveKey", {"key_ids": [key]})
    assert tkms.described(key)["state"] == state
    return key


@pytest.mark.parametrize("state", KeyState)
def test_a_verb_is_refused_where_its_action_is_and_has_its_lines(tkms: Tkms, state: KeyState) -> None:
    for verb, (typed, action) in VERBS.items():
        fresh = _in_state(tkms, state)
        before = len(tkms.lines())
        ran = tkms("key", *(word.format(fresh) for word in typed), "--json", stdin=ALLOW.encode())
        refusal = load(action).rule.refuses.get(state)
        own = [line for line in tkms.lines()[before:] if line["action"] == action]
        assert {line["principal"] for line in own} == {"tkms"}, verb
        if refusal:
            assert (ran.status, ran.out) == (1, ""), verb
            assert ran.err.startswith("tkms: "), verb
            assert own[-1]["outcome"] == refusal.__name__, verb
        else:
            assert (ran.status, ran.err) == (0, ""), (verb, ran)
            assert own[-1]["outcome"] == "ok", verb
        for name in ("own-name", "other-name", "new-name"):
            if tkms.settings.deps.keyring.alias(name, fresh=True):
                call(tkms.settings, "DeleteAlias", {"alias": name})


# -- what each does --------------------------------------------------------------------------------------


def test_a_key_is_disabled_and_enabled(tkms: Tkms) -> None:
    key = tkms.key("--alias", "switch")
    assert tkms("key", "disable", "alias/switch") == (0, "", "")
    assert tkms.described(key)["state"] == "Disabled"
    assert tkms("encrypt", "--key", key, stdin=b"x").err == "tkms: The key is disabled.\n"
    assert tkms("key", "enable", key, "--json").json == {"key_id": key, "state": "Enabled"}
    assert tkms.described(key)["state"] == "Enabled"


def test_a_key_is_rotated_and_its_versions_are_listed(tkms: Tkms) -> None:
    key = tkms.key()
    blob = tkms("encrypt", "--key", key, stdin=b"before").out
    made = tkms("key", "rotate", key, "--json").json
    assert tkms("decrypt", stdin=blob.encode()).out == "before"
    first, second = tkms("key", "versions", key, "--json").json
    assert (second["key_version_id"], second["scheduled"], second["primary"]) == (made["key_version_id"], False, True)
    assert (first["scheduled"], first["primary"]) == (None, False)
    heading, *rows = tkms("key", "versions", key).out.splitlines()
    assert heading == f"{'VERSION ID':<36}  {'CREATED':<20}  ROTATED"
    assert rows[1].split() == [second["key_version_id"], rows[1].split()[1], "by", "hand", "primary"]
    assert dt.datetime.fromisoformat(rows[0].split()[1]).timestamp() == first["created"]


def test_more_versions_than_a_page(tkms: Tkms, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tkms.key()
    for _ in range(4):
        tkms("key", "rotate", key)
    monkeypatch.setattr("tkms.keys.commands._PAGE", 2)
    ids = [row["key_version_id"] for row in tkms("key", "versions", key, "--json").json]
    assert len(set(ids)) == len(ids) == 5


def test_a_deletion_is_scheduled_and_cancelled(tkms: Tkms) -> None:
    key = tkms.key("--alias", "going")
    began = int(time.time())
    tkms("key", "schedule-deletion", key, "--days", "6", "--yes").says(1, "days is from 7 to 366")
    told = tkms("key", "schedule-deletion", "alias/going", "--days", "9", "--yes", "--json").json
    assert (told["key_id"], told["days"]) == (key, 9)
    assert began <= told["deletion_date"] - 9 * 86_400 <= time.time()
    described = dict(line.partition(" ")[::2] for line in tkms("key", "describe", key).out.splitlines())
    assert dt.datetime.fromisoformat(described["deletion_date"].strip()).timestamp() == told["deletion_date"]
    assert tkms("key", "cancel-deletion", key, "--json").json == {"key_id": key}
    assert tkms.described(key)["state"] == "Enabled"
    tkms("key", "cancel-deletion", key).says(1, "not pending deletion")
    tkms("key", "schedule-deletion", key, "--yes")
    assert tkms("key", "cancel-deletion", key).out == ""


def test_aliases(tkms: Tkms) -> None:
    one, two = tkms.key(), tkms.key()
    assert tkms("key", "alias", "add", "blue", one, "--json").json == {"key_id": one, "alias": "alias/blue"}
    tkms("key", "alias", "add", "alias/blue", two).says(1, "The alias already exists")
    assert tkms("key", "alias", "move", "alias/blue", two) == (0, "", "")
    assert (tkms.described(one)["aliases"], tkms.described(two)["aliases"]) == ([], ["blue"])
    assert tkms("key", "alias", "remove", "alias/blue", "--yes", "--json").json == {"alias": "alias/blue"}
    assert tkms.described(two)["aliases"] == []
    for verb, *rest in (("move", two), ("remove", "--yes")):
        tkms("key", "alias", verb, "blue", *rest).says(1, "The alias does not exist")


def test_tags(tkms: Tkms) -> None:
    key = tkms.key()
    added = {"team": "red=1", "empty": ""}
    typed = [f"{name}={value}" for name, value in added.items()]
    assert tkms("key", "tag", "add", key, *typed, "--json").json == {"key_id": key, "added": added}
    assert "tags                    team=red=1 empty=\n" in tkms("key", "describe", key).out
    tkms("key", "tag", "remove", key, "team", "taem").says(1, "The key has no tag taem")
    assert tkms.described(key)["tags"] == added
    assert tkms("key", "tag", "remove", key, "team") == (0, "", "")
    assert tkms.described(key)["tags"] == {"empty": ""}
    for wrong, text in ((["a"], "NAME=VALUE"), (["=b"], "NAME=VALUE"), (["a=b", "a=c"], "twice")):
        tkms("key", "tag", "add", key, *wrong).says(2, text)


def test_a_policy_is_shown_put_and_taken_away(tkms: Tkms, tmp_path: Path) -> None:
    key = tkms.key()

    def to_aws() -> str:
        line = {"v": 1, "request_id": "r", "action": "GetKeyPolicy", "profile": AWS, "params": {"key_id": key}}
        who = {"id": "TKMStest", "policy": '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'}
        answer = InlineDispatcher(tkms.settings.deps)({**line, "principal": who})
        return str(answer["result"]["policy"])

    without = to_aws()
    locking = {"Version": "1", "Statement": [{**json.loads(ALLOW)["Statement"][0], "Effect": "Deny"}]}
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(locking))
    assert tkms("key", "policy", "set", key, str(file), "--json").json == {"key_id": key, "policy": locking}
    assert json.loads(tkms("key", "policy", "show", key).out) == locking
    assert tkms("key", "policy", "remove", key, "--yes", "--json").json == {"key_id": key, "policy": None}
    assert to_aws() == without
    tkms("key", "policy", "set", key, str(tmp_path / "none")).says(1, "cannot be read")
    for wrong in ("{", ""):
        file.write_text(wrong)
        tkms("key", "policy", "set", key, str(file)).says(1, "not valid")


def test_no_client_takes_a_policy_away(kms: Kms) -> None:
    key = kms.alibaba("CreateKey")["KeyMetadata"]["KeyId"]
    assert "RequestId" in kms.alibaba("SetKeyPolicy", KeyId=key, PolicyName="default", Policy=ALLOW)
    refused = (
        kms.alibaba("SetKeyPolicy", KeyId=key, PolicyName="default", Policy=""),
        *(kms.aws("PutKeyPolicy", KeyId=key, PolicyName="default", Policy=none) for none in ("", None)),
    )
    assert all("Code" in answer or "__type" in answer for answer in refused)
    assert call(kms.settings, "GetKeyPolicy", {"key_id": key})["policy"] == ALLOW


# -- material --------------------------------------------------------------------------------------------


def test_bytes_are_imported_with_an_end(tkms: Tkms, tmp_path: Path) -> None:
    key = tkms.key("--origin", "EXTERNAL", "--alias", "ours")
    assert tkms.described(key)["state"] == "PendingImport"
    file = tmp_path / "material"
    file.write_bytes(bytes(range(32)))
    began = int(time.time())
    made = tkms("key", "import", "alias/ours", str(file), "--expires", "30d", "--json").json
    described = tkms.described(key)
    assert made["key_id"] == key
    assert (described["state"], described["material_expires"]) == ("Enabled", made["expires"])
    assert began <= made["expires"] - 30 * 86_400 <= time.time()
    blob = tkms("encrypt", "--key", key, stdin=b"hello").out
    assert tkms("decrypt", stdin=blob.encode()).out == "hello"
    told = tkms("key", "import", key, "-", stdin=bytes(range(32)))
    assert told.out.splitlines()[-1] == "expires                 never"
    assert tkms.described(key)["material_expires"] == 0
    tkms("key", "import", key, "-", stdin=bytes(32)).says(1, "differs from what was imported before")


def _pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def test_a_private_key_is_imported_and_its_public_key_read(tkms: Tkms) -> None:
    ours = ec.generate_private_key(ec.SECP256R1())
    old = ours.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    der = ours.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for form in (_pem(ours), old, der):
        key = tkms.key("--origin", "EXTERNAL", "--spec", "EC_P256")
        assert tkms("key", "import", key, "-", stdin=form).status == 0
        ran = tkms("key", "public-key", key)
        assert load_pem_public_key(ran.out.encode()) == ours.public_key()
        answer = tkms("key", "public-key", key, "--version-id", tkms.described(key)["primary_version_id"], "--json")
        assert (answer.json["pem"].strip(), answer.json["spec"]) == (ran.out.strip(), "EC_P256")
    tkms("key", "public-key", "alias/default").says(1, "AES_256")


def test_what_is_no_material_is_said_and_not_shown(tkms: Tkms, tmp_path: Path) -> None:
    key, pair = tkms.key("--origin", "EXTERNAL"), tkms.key("--origin", "EXTERNAL", "--spec", "EC_P256")
    secret = b"0123456789abcdef0123456789abcdef\n"
    locked = _pem(ec.generate_private_key(ec.SECP256R1()), b"password")
    other = _pem(ec.generate_private_key(ec.SECP384R1()))
    for ref, material, text in (
        (key, secret, "33 bytes, and a key of AES_256 has 32"),
        (key, base64.b64encode(secret[:32]), "44 bytes"),
        (key, b"", "0 bytes"),
        (pair, secret, "not the PKCS #8 of a private key"),
        (pair, b"-----BEGIN PRIVATE KEY-----\n" + secret, "no private key in PEM"),
        (pair, locked, "is encrypted"),
        (pair, other, "not the PKCS #8 of a private key of the key's spec"),
        ("alias/default", secret[:32], "EXTERNAL"),
    ):
        ran = tkms("key", "import", ref, "-", stdin=material)
        ran.says(1, text)
        assert secret.decode().strip() not in ran.err
    tkms("key", "import", key, str(tmp_path / "none")).says(1, "cannot be read: No such file")
    assert tkms.described(key)["state"] == tkms.described(pair)["state"] == "PendingImport"


# -- how a key is named ----------------------------------------------------------------------------------


def test_a_key_is_named_by_the_arns_that_the_servers_print(tkms: Tkms) -> None:
    key, site = tkms.key("--alias", "named"), tkms.settings.site
    for vendor in ("arn:aws", "acs"):
        home = f"{vendor}:kms:{site.region}:{site.account}:"
        for arn in (f"{home}key/{key}", f"{home}alias/named"):
            assert tkms.described(arn)["id"] == key
            assert json.loads(tkms("encrypt", "--key", arn, "--json", stdin=b"x").out)["key_id"] == key
        assert tkms("key", "alias", "move", f"{home}alias/named", "alias/default").status == 0
        assert tkms("key", "alias", "move", "named", f"{home}key/{key}").status == 0
    for other in (f"arn:aws:kms:{site.region}:999999999999", f"acs:kms:nowhere:{site.account}"):
        tkms("key", "describe", f"{other}:key/{key}").says(1, "There is no key")
        tkms("key", "alias", "remove", f"{other}:alias/named", "--yes").says(1, "There is no key")


def test_no_terminal_obeys_what_clients_have_called_things(tkms: Tkms) -> None:
    key = tkms.key()
    named = {"description": "\x1b[2J", "key_id": key}
    call(tkms.settings, "UpdateKeyDescription", named)
    assert "description             \\x1b[2J\n" in tkms("key", "describe", key).out


# -- asking ----------------------------------------------------------------------------------------------

ASKING: Mapping[str, list[str]] = {
    "schedule-deletion": ["key", "schedule-deletion", "alias/asked"],
    "alias remove": ["key", "alias", "remove", "asked"],
    "policy remove": ["key", "policy", "remove", "alias/asked"],
}


@pytest.mark.parametrize("typed", ASKING.values(), ids=ASKING)
def test_what_takes_something_away_asks(tkms: Tkms, typed: list[str]) -> None:
    key = tkms.key("--alias", "asked")
    before = tkms.described(key)
    tkms(*typed, stdin=b"yes\n").says(2, f"tkms {' '.join(typed[:-1])} asks before it begins: run it on a terminal")
    for answer in (b"no\n", b"y\n", b"\n", b""):
        tkms(*typed, stdin=answer, terminal=True).says(1, "Type yes to go on: tkms: Nothing is changed.")
    assert tkms.described(key) == before
    ran = tkms(*typed, stdin=b"yes\n", terminal=True)
    assert ran.status == 0
    assert ran.err.endswith("Type yes to go on: ")


def test_confirm_takes_the_word_that_it_asks_for() -> None:
    with pytest.raises(UsageError, match="tkms x asks"):
        confirm(argparse.Namespace(yes=False, line="tkms x"), "Really?")
    confirm(argparse.Namespace(yes=True), "Really?")
