"""The `tkms` command: what it prints, what it takes, how it fails. One data directory, and no server unless said."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from functions.endpoint import clients
from functions.endpoint.clients import CLIENTS
from kit.connections import command
from kit.programs import parses
from kit.support import new_directory, run_tkms
from tenantkms.crypto.envelope import OVERHEAD
from tenantkms.model.site import Site
from tkms import snippets
from tkms.output import UsageError

Tkms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tkms(tmp_path_factory: pytest.TempPathFactory) -> Tkms:
    """Run a command on a data directory of this module; nothing is checked."""
    data = str(new_directory(tmp_path_factory.mktemp("cli") / "data").path)
    return lambda *args, stdin="": run_tkms(*args, "--data-dir", data, stdin=stdin, check=False)


def _ok(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _refused(done: subprocess.CompletedProcess[str], status: int, text: str) -> None:
    assert (done.returncode, done.stdout) == (status, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


# -- help ----------------------------------------------------------------------------------------------


def test_the_help_is_worth_reading() -> None:
    text = _ok(run_tkms("--help"))
    for word in ("serve", "snippet", "credential", "key", "encrypt", "decrypt", "--data-dir", "parent.key"):
        assert word in text


@pytest.mark.parametrize("name", ["serve", "snippet", "credential create", "key list", "encrypt", "decrypt"])
def test_each_command_has_help(name: str) -> None:
    text = _ok(run_tkms(*name.split(), "--help"))
    assert text.startswith(f"usage: tkms {name}")
    assert "--data-dir" in text


WRONG = {
    "nothing": ([], "COMMAND"),
    "unknown command": (["explode"], "invalid choice"),
    "unknown option": (["key", "list", "--colour"], "--colour"),
    "no verb": (["credential"], "VERB"),
    "snippet of nothing": (["snippet", "cobol"], "invalid choice"),
    "dialect of nobody": (["credential", "create", "--dialect", "gcp"], "invalid choice"),
    "spec of nothing": (["key", "create", "--spec", "DES"], "invalid choice"),
    "port of nothing": (["serve", "--port", "http"], "invalid int value"),
}


@pytest.mark.parametrize(("args", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_ends_with_status_2(args: list[str], text: str) -> None:
    _refused(run_tkms(*args, check=False), 2, text)


def test_a_spec_that_is_none_is_told_which_there_are() -> None:
    refused = run_tkms("key", "create", "--spec", "RSA", check=False).stderr
    assert re.search(r"choose from '?AES_256'?, '?SM4_128'?, '?RSA_2048'?, ", refused)


# -- credentials ---------------------------------------------------------------------------------------


def test_a_credential_from_creation_to_deletion(tkms: Tkms) -> None:
    made = json.loads(_ok(tkms("credential", "create", "--name", "app", "--json")))
    id_ = made["access_key_id"]
    assert len(made["access_key_secret"]) >= 32
    assert (made["name"], made["enabled"], made["dialects"]) == (
        "app",
        True,
        ["alibaba", "tencent", "tencent-v2", "aws"],
    )

    def listed() -> list[bool]:
        rows = json.loads(_ok(tkms("credential", "list", "--json")))
        assert all("access_key_secret" not in row for row in rows)
        return [row["enabled"] for row in rows if row["access_key_id"] == id_]

    assert listed() == [True]
    _refused(tkms("credential", "delete", id_), 2, "asks before it begins: run it on a terminal, or with --yes")
    for verb, expected in (("disable", [False]), ("enable", [True]), ("delete --yes", [])):
        assert _ok(tkms("credential", *verb.split(), id_)) == ""
        assert listed() == expected
    for verb in ("disable", "enable", "delete --yes"):
        _refused(tkms("credential", *verb.split(), id_), 1, f"There is no credential {id_}")


def test_a_credential_is_ended_by_its_id_and_a_name_tells_it(tkms: Tkms) -> None:
    made = json.loads(_ok(tkms("credential", "create", "--name", "app", "--json")))
    for verb in ("disable", "enable", "delete --yes"):
        _refused(
            tkms("credential", *verb.split(), "app"), 1, f"app is a name: say which by its id ({made['access_key_id']})"
        )
    assert json.loads(_ok(tkms("credential", "list", "--json")))[-1]["enabled"]


def test_credentials_for_people(tkms: Tkms) -> None:
    printed = _ok(tkms("credential", "create", "--name", "people", "--dialect", "tencent", "--dialect", "alibaba"))
    (id_word, id_), (secret_word, secret) = (line.split() for line in printed.splitlines())
    assert (id_word, secret_word) == ("access_key_id", "access_key_secret")
    table = _ok(tkms("credential", "list"))
    row = next(line for line in table.splitlines() if line.startswith(id_))
    assert row.split() == [id_, "people", "enabled", "never", "never", "tencent", "alibaba"]
    assert table.startswith("ACCESS KEY ID")
    assert secret not in table


def test_a_credential_is_rotated(tkms: Tkms) -> None:
    """Create, overlap, disable: two work meanwhile, and a third one is refused."""
    old = json.loads(_ok(tkms("credential", "create", "--name", "rota", "--dialect", "tencent", "--json")))[
        "access_key_id"
    ]
    new = json.loads(_ok(tkms("credential", "rotate", "rota", "--json")))
    assert len(new["access_key_secret"]) == 40
    assert (new["name"], new["dialects"], new["expires"], new["replaces"]) == ("rota", ["tencent"], 0, old)
    _refused(tkms("credential", "rotate", "rota"), 1, "2 credentials are called rota")
    for args in (["rotate", old], ["create", "--name", "rota"]):
        _refused(tkms("credential", *args), 1, "rota has 2 active access keys")
    _ok(tkms("credential", "disable", old))
    printed = _ok(tkms("credential", "rotate", "rota", "--expires", "90d"))
    assert [line.split()[0] for line in printed.splitlines()] == [
        "access_key_id", "access_key_secret", "replaces", "expires",
    ]  # fmt: skip
    _refused(tkms("credential", "enable", old), 1, "rota has 2 active access keys")
    _refused(tkms("credential", "rotate", "nobody"), 1, "no active credential nobody")
    _refused(tkms("credential", "rotate", old), 1, f"no active credential {old}")


def test_what_replaces_a_credential_lives_as_long_and_the_old_one_ends(tkms: Tkms) -> None:
    now = time.time()
    old = json.loads(_ok(tkms("credential", "create", "--name", "ends", "--expires", "30d", "--json")))
    assert old["expires"] == old["created"] + 30 * 86_400
    new = json.loads(_ok(tkms("credential", "rotate", "ends", "--overlap", "2h", "--json")))
    assert new["expires"] == new["created"] + 30 * 86_400
    rows = {row["access_key_id"]: row for row in json.loads(_ok(tkms("credential", "list", "--json")))}
    assert int(now) + 7200 <= rows[old["access_key_id"]]["expires"] <= time.time() + 7200
    assert rows[new["access_key_id"]]["expires"] == new["expires"]
    last = json.loads(_ok(tkms("credential", "create", "--name", "last", "--expires", "1h", "--json")))
    _ok(tkms("credential", "rotate", "last", "--overlap", "2d"))
    rows = {row["access_key_id"]: row for row in json.loads(_ok(tkms("credential", "list", "--json")))}
    assert rows[last["access_key_id"]]["expires"] == last["expires"], "an overlap prolongs nothing"


def test_an_expired_credential_is_shown_as_such(tkms: Tkms) -> None:
    id_ = json.loads(_ok(tkms("credential", "create", "--name", "brief", "--expires", "1s", "--json")))["access_key_id"]
    time.sleep(1.1)
    row = next(line for line in _ok(tkms("credential", "list")).splitlines() if line.startswith(id_))
    assert row.split()[2] == "expired"
    _refused(tkms("snippet", "curl", "--credential", id_), 1, "no active credential")
    checked = tkms("policy", "check", "--credential", id_, "--action", "Encrypt")
    assert (checked.returncode, checked.stdout.splitlines()[:2]) == (1, ["denied", "  the access key has expired"])


@pytest.mark.parametrize("time_", ["90", "d", "0d", "-1d", "1.5h", "1w", "3651d", "999999999999d", "٣d"])
def test_a_duration_that_is_none(time_: str) -> None:
    _refused(run_tkms("credential", "create", f"--expires={time_}", check=False), 2, "is no duration such as 90d")


def test_a_session_is_issued(tkms: Tkms, tmp_path: Path) -> None:
    parent = json.loads(_ok(tkms("credential", "create", "--name", "temp", "--json")))["access_key_id"]
    began = int(time.time())
    made = json.loads(_ok(tkms("credential", "session", "--name", "temp", "--json")))
    assert made.keys() == {"access_key_id", "access_key_secret", "security_token", "expires", "parent"}
    assert made["parent"] == parent
    assert began + 3600 <= made["expires"] <= time.time() + 3600
    printed = _ok(tkms("credential", "session", "--name", parent, "--duration", "12h", "--policy", "encrypt-only"))
    assert [line.split()[0] for line in printed.splitlines()] == [
        "access_key_id", "access_key_secret", "security_token", "expires", "parent",
    ]  # fmt: skip
    file = tmp_path / "policy.json"
    names = ["alias/" + "a" * 200] * 12
    file.write_text(json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": names}]}))
    for args, text in (
        (["--name", "nobody"], "There is no access key nobody"),
        (["--name", "temp", "--duration", "14m"], "duration is from 900 to 43200 seconds"),
        (["--name", "temp", "--duration", "13h"], "duration is from 900 to 43200 seconds"),
        (["--name", "temp", "--policy", str(file)], "longer than 2048 bytes"),
    ):
        _refused(tkms("credential", "session", *args), 1, text)
    _refused(tkms("credential", "session", "--name", "temp", "--policy", str(tmp_path / "none")), 1, "cannot be read")
    _refused(tkms("credential", "session"), 2, "--name")
    rows = json.loads(_ok(tkms("credential", "list", "--json")))
    assert not any(row["access_key_id"].startswith("TKMT") for row in rows), "no store knows a session"


POLICIES = {
    "valid": ('{"Statement":[{"Effect":"Allow","Action":"Encrypt","Resource":"alias/app-*"}]}', 0, ""),
    "not JSON": ("{", 1, "The policy is not valid"),
    "no statement": ("{}", 1, "The policy is not valid"),
    "effect": ('{"Statement":[{"Effect":"Maybe","Action":"*"}]}', 1, "The policy is not valid"),
    "action": ('{"Statement":[{"Effect":"Allow","Action":"kms:Encrypt"}]}', 1, "Action 'kms:Encrypt'"),
    "resource": ('{"Statement":[{"Effect":"Allow","Action":"*","Resource":"arn:x"}]}', 1, "Resource 'arn:x'"),
}


@pytest.mark.parametrize(("policy", "status", "text"), POLICIES.values(), ids=POLICIES)
def test_a_policy_file(tkms: Tkms, tmp_path: Path, policy: str, status: int, text: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(policy)
    before = _ok(tkms("credential", "list"))
    done = tkms("credential", "create", "--policy", str(file), "--json")
    if status:
        _refused(done, status, text)
        assert _ok(tkms("credential", "list")) == before
    else:
        assert json.loads(_ok(done))["policy"] == json.loads(policy)


def test_a_policy_file_that_is_not_there(tkms: Tkms, tmp_path: Path) -> None:
    _refused(tkms("credential", "create", "--policy", str(tmp_path / "none")), 1, "cannot be read")


# -- keys ----------------------------------------------------------------------------------------------


def test_keys_are_created_described_and_listed(tkms: Tkms) -> None:
    made = json.loads(
        _ok(tkms("key", "create", "--alias", "alias/one", "--description", "d", "--spec", "SM4_128", "--json"))
    )
    assert (made["aliases"], made["description"], made["spec"], made["state"]) == (["one"], "d", "SM4_128", "Enabled")
    for ref in ("alias/one", made["id"]):
        assert json.loads(_ok(tkms("key", "describe", ref, "--json"))) == made
    rows = json.loads(_ok(tkms("key", "list", "--json")))
    assert made in rows
    assert any(row["aliases"] == ["default"] for row in rows)
    table = _ok(tkms("key", "list")).splitlines()
    assert table[0].split() == ["KEY", "ID", "SPEC", "STATE", "ALIASES"]
    assert [line.split() for line in table if made["id"] in line] == [[made["id"], "SM4_128", "Enabled", "alias/one"]]
    described = dict(
        line.split(maxsplit=1) for line in _ok(tkms("key", "describe", "alias/one")).splitlines() if " " in line
    )
    assert (described["id"], described["state"]) == (made["id"], "Enabled")
    assert (described["aliases"], described["last_rotation"]) == ("alias/one", "never")
    assert dt.datetime.fromisoformat(described["created"]).timestamp() == made["created"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["describe", "alias/none"], "The alias does not exist"),
        (["describe", "00000000-0000-4000-8000-000000000000"], "The key does not exist"),
        (["describe", "nonsense"], "The KeyId is not valid. A key is named by its id, alias/NAME or ARN"),
        (["create", "--alias", "default"], "The alias already exists"),
        (["create", "--alias", "no spaces"], "alias"),
    ],
)
def test_keys_that_cannot_be(tkms: Tkms, args: list[str], text: str) -> None:
    _ok(tkms("key", "list"))
    _refused(tkms("key", *args), 1, text)


def test_a_list_of_more_keys_than_a_page(tmp_path: Path) -> None:
    from tkms.machine.directory import Directory, call

    settings = Directory(tmp_path / "data").make()
    for number in range(120):
        call(settings, "CreateKey", {"description": str(number)})
    rows = json.loads(run_tkms("key", "list", "--json", "--data-dir", str(tmp_path / "data")).stdout)
    assert len({row["id"] for row in rows}) == len(rows) == 121


# -- encrypt and decrypt -------------------------------------------------------------------------------


def test_bytes_go_through_a_pipe_unchanged(tmp_path: Path) -> None:
    data = ["--data-dir", str(new_directory(tmp_path / "data").path)]
    secret = bytes(range(256)) + b"\r\n\n"

    def run(*args: str, stdin: bytes) -> bytes:
        return subprocess.run(command(*args, *data), input=stdin, capture_output=True, check=True, timeout=60).stdout

    for context in ([], ["--context", "tenant=blue", "--context", "empty=", "--context", "eq=a=b"]):
        blob = run("encrypt", *context, stdin=secret)
        assert len(base64.b64decode(blob, validate=False)) == len(secret) + OVERHEAD
        assert run("decrypt", *_other_order(context), stdin=blob) == secret
        folded = b"\r\n".join(blob[at : at + 20] for at in range(0, len(blob), 20))
        assert run("decrypt", *context, stdin=b" " + folded + b"\r\n") == secret


def _other_order(context: list[str]) -> list[str]:
    """The same --context options in another order."""
    return [word for value in reversed(context[1::2]) for word in ("--context", value)]


def test_encryption_under_a_named_key_and_as_json(tkms: Tkms) -> None:
    key = json.loads(_ok(tkms("key", "create", "--alias", "named", "--json")))["id"]
    for ref in ("alias/named", key):
        sealed = json.loads(_ok(tkms("encrypt", "--key", ref, "--json", stdin="hello")))
        assert sealed["key_id"] == key
        opened = json.loads(_ok(tkms("decrypt", "--json", stdin=sealed["ciphertext"])))
        assert (opened["key_id"], base64.b64decode(opened["plaintext"])) == (key, b"hello")


def test_what_does_not_open(tkms: Tkms) -> None:
    blob = _ok(tkms("encrypt", "--context", "a=b", stdin="hello"))
    for context in ([], ["--context", "a=c"], ["--context", "a=b", "--context", "c=d"]):
        _refused(tkms("decrypt", *context, stdin=blob), 1, "The CiphertextBlob is not valid")
    _refused(tkms("decrypt", stdin="AAAA"), 1, "The CiphertextBlob is not valid")
    _refused(tkms("decrypt", stdin="no base64"), 1, "not a ciphertext blob in base64")
    _refused(tkms("encrypt", "--key", "alias/none", stdin="x"), 1, "The alias does not exist")
    _refused(tkms("encrypt", stdin="x" * 6145), 1, "longer than 6144 bytes")


@pytest.mark.parametrize(
    ("context", "text"), [(["a"], "NAME=VALUE"), (["=b"], "NAME=VALUE"), (["a=b", "a=c"], "a pair twice")]
)
def test_a_context_that_is_none(tkms: Tkms, context: list[str], text: str) -> None:
    options = [word for value in context for word in ("--context", value)]
    _refused(tkms("encrypt", *options, stdin="x"), 2, text)


# -- where things are ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"TKMS_DATA_DIR": "{tmp}/chosen"}, "chosen"), ({"XDG_DATA_HOME": "{tmp}/xdg"}, "xdg/tenant-kms")],
)
def test_the_environment_says_where_the_data_is(tmp_path: Path, environment: dict[str, str], expected: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "TKMS_DATA_DIR"}
    chosen = {name: value.format(tmp=tmp_path) for name, value in environment.items()}
    subprocess.run(command("init"), env={**clean, **chosen}, capture_output=True, check=True, timeout=60)
    assert (tmp_path / expected / "site.json").exists()


NOWHERE = "http://127.0.0.1:1"
ABSENT = f"tkms: no server runs at {NOWHERE} now, as seen from this machine\n"


def _program(tkms: Tkms, *words: str) -> str:
    done = tkms("snippet", *words, "--endpoint", NOWHERE)
    assert (done.returncode, done.stderr) == (0, ABSENT)
    return done.stdout


@pytest.mark.parametrize("name", CLIENTS)
def test_a_snippet_prints_alone_and_ready(tkms: Tkms, name: str) -> None:
    """`tests/sdk/test_programs.py` runs those whose clients are installed."""
    made = json.loads(_ok(tkms("credential", "create", "--name", f"for-{name}", "--json")))
    key = json.loads(_ok(tkms("key", "create", "--alias", f"for-{name}", "--json")))["id"]
    text = _program(tkms, name, "--credential", f"for-{name}", "--key", f"alias/for-{name}")
    assert re.match(r"(<\?php\n)?(#|//) \w", text)
    for word in (made["access_key_id"], made["access_key_secret"], "127.0.0.1:1"):
        assert word in text
    assert key in text or f"alias/for-{name}" in text
    assert key in _program(tkms, name, "--key", key)
    assert len(text.splitlines()) <= 32
    assert not re.search(r"@[A-Z_]+@", text)
    language = CLIENTS[name].language
    assert parses(language, text)
    assert not parses(language, text.rstrip()[:-1].rstrip() + "(\n'\"")


def test_each_program_has_a_row_and_a_row_a_program() -> None:
    assert {path.stem for path in (Path(clients.__file__).parent / "programs").iterdir()} == CLIENTS.keys()


def test_the_help_names_all_programs() -> None:
    text = _ok(run_tkms("snippet", "--help"))
    for name, program in CLIENTS.items():
        assert f"  {name:<20}{program.title}\n" in text
    assert "(API v2, https only: tkms serve --tls)" in text


def test_all_snippets_and_none(tkms: Tkms) -> None:
    text = _program(tkms)
    assert all(snippet.title in text for snippet in CLIENTS.values())
    _refused(tkms("snippet", "curl", "--credential", "nobody"), 1, "no active credential")
    _refused(tkms("snippet", "curl", "--key", "alias/none"), 1, "The alias does not exist")


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("127.0.0.1:8480", "it has to be http://HOST:PORT"),
        ("ftp://host", "it has to be http://HOST:PORT"),
        ("http://", "it has to be http://HOST:PORT"),
        ("http://host:99999", "it has to be http://HOST:PORT"),
        ("http://me:word@host", "it has to be http://HOST:PORT"),
        ("https://host/kms", "and no path"),
        ("https://host?a=b", "and no path"),
        ("http://ho'st", "No program can be given this HOST"),
        ("http://ho$(st)", "No program can be given this HOST"),
    ],
)
def test_an_endpoint_that_no_program_could_use(tkms: Tkms, endpoint: str, text: str) -> None:
    _refused(tkms("snippet", "curl", "--endpoint", endpoint), 2, text)


def test_a_secret_that_would_end_a_string_is_put_into_no_program() -> None:
    site = Site(tenant="blue", region="cn-hangzhou", account="1" * 12)
    given = {"url": NOWHERE, "access_key_id": "id", "key": "alias/a", "key_id": "k", "site": site}
    for secret in ("a'b", 'a"b', "a\\b", "a$b", "a`b", "a\nb", ""):
        with pytest.raises(UsageError) as refused:
            snippets.render("curl", secret=secret, **given)
        assert "SECRET" in str(refused.value)
        assert not secret or secret not in str(refused.value)


def test_a_snippet_is_of_a_dialect_that_its_credential_is_for(tkms: Tkms) -> None:
    made = json.loads(_ok(tkms("credential", "create", "--name", "narrow", "--dialect", "alibaba", "--json")))
    refused = tkms("snippet", "tencent", "--credential", "narrow")
    _refused(refused, 1, "No active credential narrow is for the dialect tencent, which tencent speaks")
    assert "(alibaba, alibaba-classic, alibaba-node, " in refused.stderr
    assert made["access_key_id"] in _program(tkms, "alibaba", "--credential", "narrow")
    every = _program(tkms, "--credential", "narrow")
    assert {s.dialect for s in CLIENTS.values() if s.title in every} == {"alibaba"}


def test_programs_are_for_the_access_keys_that_there_are(tmp_path: Path) -> None:
    """The first of all is not asked: it may be disabled, or of another dialect."""
    data = str(new_directory(tmp_path / "data").path)

    def tkms(*words: str) -> subprocess.CompletedProcess[str]:
        return run_tkms(*words, "--data-dir", data, check=False)

    (first,) = json.loads(tkms("credential", "list", "--json").stdout)
    aws, tencent = (
        json.loads(tkms("credential", "create", "--name", name, "--dialect", name, "--json").stdout)["access_key_id"]
        for name in ("aws", "tencent")
    )
    tkms("credential", "disable", first["access_key_id"])
    assert tencent in tkms("snippet", "tccli").stdout
    shown = tkms("welcome").stdout
    # Of one second the order is that of their ids, which are random.
    shown_first = next(row for row in json.loads(tkms("credential", "list", "--json").stdout) if row["enabled"])
    assert shown_first["access_key_id"] in (aws, tencent)
    assert shown_first["access_key_id"] in shown
    assert {s.dialect for s in CLIENTS.values() if f"  {s.title}\n" in shown} == {shown_first["name"]}
    _refused(tkms("snippet", "alibaba"), 1, "No active credential is for the dialect alibaba, which alibaba speaks")


def test_two_credentials_of_one_name_are_not_chosen_from(tkms: Tkms) -> None:
    first, second = (json.loads(_ok(tkms("credential", "create", "--name", "twin", "--json"))) for _ in range(2))
    refused = tkms("snippet", "curl", "--credential", "twin")
    _refused(refused, 1, "2 credentials are called twin")
    assert {first["access_key_id"], second["access_key_id"]} <= set(re.findall(r"[A-Za-z0-9]+", refused.stderr))
    assert second["access_key_id"] in _program(tkms, "curl", "--credential", second["access_key_id"])
    _ok(tkms("credential", "disable", first["access_key_id"]))
    assert second["access_key_id"] in _program(tkms, "curl", "--credential", "twin")
