"""`tkms import-from`: what a vendor has encrypted is encrypted here, once, and nothing is lost on the way.

The vendors are a `tkms serve` that the vendors' own SDKs are asked to decrypt at, and moto's server for AWS KMS.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from kit import loaded
from kit.connections import command
from kit.sdk_aws import Boto
from kit.sdk_clients import Login, Tea, Tencent, login
from kit.support import Server, new_directory, run_tkms, serving
from tenantkms.model.key import KeyFilter
from tkms.machine.directory import Directory

CONTEXT = {"app": "shop"}
SECRETS = {f"s{number}": f"secret {number}".encode() for number in range(4)} | {"s4": b"password"}
"""One of them happens to be base64."""


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("vendor") / "data", "--limit", "off", "--account", "111122223333") as server:
        yield server


@pytest.fixture(scope="module")
def at(theirs: Server) -> Login:
    return login(theirs)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return new_directory(tmp_path / "data").path


def _environment(at: Login) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    names = (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
    )
    own = {name: value for pair in names for name, value in zip(pair, (at.access_key_id, at.secret), strict=True)}
    return {**clean, **own, "AWS_DEFAULT_REGION": "eu-central-1"}


def run(
    at: Login, data: Path, vendor: str, *args: str, stdin: str = "", status: int = 0, endpoint: str = ""
) -> subprocess.CompletedProcess[str]:
    """`tkms import-from`, with the credentials of `at` in its environment."""
    where = ["--endpoint", endpoint or f"http://{at.host}", "--data-dir", str(data)]
    done = loaded.run(["import-from", vendor, *where, *args], stdin=stdin, env=_environment(at), timeout=120)
    assert done.returncode == status, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not any(secret.decode() in done.stdout + done.stderr for secret in SECRETS.values())
    return done


def opens(data: Path, ciphertext: str, context: dict[str, str] = CONTEXT) -> bytes:
    pairs = [word for name, value in context.items() for word in ("--context", f"{name}={value}")]
    done = run_tkms("decrypt", *pairs, "--json", "--data-dir", str(data), stdin=ciphertext)
    return base64.b64decode(json.loads(done.stdout)["plaintext"])


def _by_aws(at: Login, plaintext: bytes) -> str:
    made = Boto(at).ask("Encrypt", KeyId="alias/default", Plaintext=plaintext, EncryptionContext=CONTEXT)
    return base64.b64encode(made["CiphertextBlob"]).decode()


def _by_alibaba(at: Login, plaintext: bytes) -> str:
    made = Tea(at).call("Encrypt", key_id="alias/default", plaintext=plaintext.decode(), encryption_context=CONTEXT)
    return str(made.ciphertext_blob)


def _id_of(at: Login, key: str) -> str:
    return str(Boto(at).ask("DescribeKey", KeyId=key)["KeyMetadata"]["KeyId"])


def _by_tencent(at: Login, plaintext: bytes) -> str:
    text = base64.b64encode(plaintext).decode()
    made = Tencent(at).call(
        "Encrypt", KeyId=_id_of(at, "alias/default"), Plaintext=text, EncryptionContext=json.dumps(CONTEXT)
    )
    return str(made.CiphertextBlob)


ENCRYPT = {"aws": _by_aws, "alibaba": _by_alibaba, "tencent": _by_tencent}


def _lines(at: Login, vendor: str, **more: Any) -> str:
    rows = [
        {"id": id_, "ciphertext": ENCRYPT[vendor](at, text), "context": CONTEXT, "row": 7, **more}
        for id_, text in SECRETS.items()
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


# -- lines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ENCRYPT)
def test_lines_move(at: Login, data: Path, vendor: str) -> None:
    done = run(at, data, vendor, "--key", "alias/default", stdin=_lines(at, vendor))
    assert "5 found, 5 moved, 0 moved before, 0 failed" in done.stderr
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert {id_: opens(data, row["ciphertext"]) for id_, row in rows.items()} == SECRETS
    assert {row["row"] for row in rows.values()} == {7}
    (key,) = json.loads(run_tkms("key", "list", "--json", "--data-dir", str(data)).stdout)
    assert {row["key"] for row in rows.values()} == {key["id"]}


def test_each_failure_is_told_and_the_others_move(at: Login, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    good = _lines(at, "aws")
    disabled = Boto(at).ask("CreateKey")["KeyMetadata"]["Arn"]
    blob = Boto(at).ask("Encrypt", KeyId=disabled, Plaintext=b"secret 0")["CiphertextBlob"]
    Boto(at).ask("DisableKey", KeyId=disabled)
    other = Boto(at).ask("CreateKey")["KeyMetadata"]["Arn"]
    bad = [
        {"id": "disabled", "ciphertext": base64.b64encode(blob).decode()},
        {"id": "context", "ciphertext": json.loads(good.splitlines()[0])["ciphertext"]},
        {
            "id": "key",
            "ciphertext": json.loads(good.splitlines()[0])["ciphertext"],
            "context": CONTEXT,
            "key": other,
        },
        {"id": "s0", "ciphertext": "AAAA"},
        {"id": 7},
    ]
    stdin = good + "".join(json.dumps(row) + "\n" for row in bad) + "\nnot json\n"
    done = run(at, data, "aws", "--key", "alias/default", "--to", str(out), "--json", stdin=stdin, status=1)
    report = json.loads(done.stdout)
    assert (report["moved"], report["stopped"]) == (5, "")
    told = {failure["name"]: failure["reason"] for failure in report["failed"]}
    assert told.keys() == {"line 6", "line 7", "line 8", "line 9", "line 10", "line 12"}
    assert told["line 6"].startswith("DisabledException: ")
    assert told["line 7"] == "InvalidCiphertextException"
    assert told["line 8"].startswith("IncorrectKeyException")
    assert told["line 9"] == "has the id 's0' of another line"
    again = run(at, data, "aws", "--key", "alias/default", "--to", str(out), stdin=good)
    assert "0 found, 0 moved, 5 moved before, 0 failed" in again.stdout


def test_a_check_writes_nothing(at: Login, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = run(
        at, data, "aws", "--key", "alias/default", "--to", str(out), "--check", stdin=_lines(at, "aws"), status=1
    )
    assert "5 found, 0 moved" in done.stdout
    assert not out.exists()


@pytest.mark.parametrize("vendor", ENCRYPT)
def test_what_would_fail_for_all_stops_it(at: Login, data: Path, vendor: str) -> None:
    stdin = _lines(at, vendor)
    wrong = run(at.but(secret="x" * 32), data, vendor, "--key", "alias/default", stdin=stdin, status=1)
    assert "tkms: stopped: line " in wrong.stderr
    assert wrong.stdout == ""
    away = run(at, data, vendor, "--key", "alias/default", endpoint="http://127.0.0.1:9", stdin=stdin, status=1)
    assert "does not answer" in away.stderr
    assert at.secret not in away.stderr
    assert "Signature" not in away.stderr


def test_who_is_killed_goes_on_where_it_was(at: Login, data: Path, tmp_path: Path) -> None:
    """A hundred times the same five secrets, killed as soon as some lines are there."""
    rows = [json.loads(line) for line in _lines(at, "aws").splitlines()]
    stdin = "".join(json.dumps({**row, "id": f"{row['id']}-{n}"}) + "\n" for n in range(100) for row in rows)
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(stdin)
    run_tkms("key", "list", "--data-dir", str(data))
    line = command(
        "import-from", "aws", "--key", "alias/default", "--to", str(out), "--data-dir", str(data),
        "--endpoint", f"http://{at.host}",
    )  # fmt: skip
    with (
        source.open() as file,
        subprocess.Popen(line, stdin=file, env=_environment(at), stderr=subprocess.PIPE) as process,
    ):
        deadline = time.monotonic() + 60
        while not (out.exists() and out.stat().st_size > 5_000):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    with out.open("ab") as file:
        file.write(b'{"id": "s0-99", "cipher')  # as a kill in the midst of a line would leave it
    before = out.read_bytes().count(b"\n")
    assert 0 < before < 500
    done = run(at, data, "aws", "--key", "alias/default", "--to", str(out), stdin=stdin)
    assert f"{500 - before} found, {500 - before} moved, {before} moved before" in done.stdout
    moved = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(moved) == len({row["id"] for row in moved}) == 500
    for row in (moved[0], moved[before - 1], moved[before], moved[-1]):
        assert opens(data, row["ciphertext"]) == SECRETS[row["id"].partition("-")[0]]


# -- files -----------------------------------------------------------------------------------------------


def test_a_tree_of_files_moves(at: Login, data: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "deep").mkdir(parents=True)
    text = _by_aws(at, b"secret 1")
    (old / "deep" / "text").write_text(text + "\n")
    (old / "deep" / "text").chmod(0o640)
    (old / "binary").write_bytes(base64.b64decode(text))
    (old / "other").write_bytes(b"no ciphertext")
    args = ["--key", "alias/default", "--context", "app=shop", "--to", str(new), "--files", str(old)]
    done = run(at, data, "aws", *args, status=1)
    assert "3 found, 2 moved, 0 moved before, 1 failed" in done.stdout
    assert f"{old}/other: InvalidCiphertextException" in done.stderr
    moved = (new / "deep" / "text").read_text()
    assert moved.endswith("\n")
    assert opens(data, moved) == b"secret 1"
    assert opens(data, base64.b64encode((new / "binary").read_bytes()).decode()) == b"secret 1"
    assert (new / "deep" / "text").stat().st_mode & 0o777 == 0o640
    assert (old / "deep" / "text").read_text() == text + "\n"
    (old / "other").unlink()
    assert "0 found, 0 moved, 2 moved before, 0 failed" in run(at, data, "aws", *args).stdout
    (new / "binary").write_bytes(b"somebody's")
    assert "is there, and not what this became" in run(at, data, "aws", *args, status=1).stderr
    assert (new / "binary").read_bytes() == b"somebody's"


# -- keys ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # What it has is of the whole process: other tests may have left keys.
    with urlopen(Request(f"{url}/moto-api/reset", method="POST")):
        yield url
    server.stop()


def test_keys_and_ciphertexts_of_aws(moto: str, data: Path, tmp_path: Path) -> None:
    own = Login("127.0.0.1", "AKIAIOSFODNN7EXAMPLE", "example")
    kms = boto3.client(
        "kms", endpoint_url=moto, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    meta = kms.create_key(
        Description="orders", KeyUsage="ENCRYPT_DECRYPT", Tags=[{"TagKey": "team", "TagValue": "shop"}]
    )["KeyMetadata"]
    kms.create_alias(AliasName="alias/orders", TargetKeyId=meta["KeyId"])
    kms.create_alias(AliasName="alias/default", TargetKeyId=meta["KeyId"])
    kms.enable_key_rotation(KeyId=meta["KeyId"], RotationPeriodInDays=180)
    signing = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    external = kms.create_key(Origin="EXTERNAL", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
    off = kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
    kms.create_alias(AliasName="alias/off", TargetKeyId=off["KeyId"])
    kms.disable_key(KeyId=off["KeyId"])
    key_map = tmp_path / "map.json"
    args = ["--keys", "--key-map", str(key_map)]
    checked = run(own, data, "aws", *args, "--check", endpoint=moto, status=1)
    assert "4 keys, 0 made" in checked.stdout
    assert not key_map.exists()
    done = run(own, data, "aws", *args, endpoint=moto, status=1)
    assert f"{external['Arn']}: has material that you imported" in done.stderr
    assert f"{meta['Arn']}: is made, without what other keys here have: alias/default" in done.stderr
    made = json.loads(key_map.read_text())
    assert made.keys() == {meta["Arn"], signing["Arn"], off["Arn"]}
    keys = {key["id"]: key for key in json.loads(run_tkms("key", "list", "--json", "--data-dir", str(data)).stdout)}
    new = keys[made[meta["Arn"]].rpartition("/")[2]]
    assert (new["description"], new["aliases"], new["tags"]) == ("orders", ["orders"], {"team": "shop"})
    told = kms.get_key_rotation_status(KeyId=meta["KeyId"])
    assert new["rotation_seconds"] == told.get("RotationPeriodInDays", 365) * 86_400
    signs = keys[made[signing["Arn"]].rpartition("/")[2]]
    assert (signs["spec"], signs["usage"]) == ("RSA_2048", "SIGN_VERIFY")
    disabled = keys[made[off["Arn"]].rpartition("/")[2]]
    assert (disabled["state"], disabled["aliases"]) == ("Disabled", ["off"])
    key_map.unlink()  # as if it had been stopped before it was written
    run(own, data, "aws", *args, endpoint=moto, status=1)
    assert json.loads(key_map.read_text()) == made
    again = run(own, data, "aws", *args, "--json", endpoint=moto, status=1)
    assert json.loads(again.stdout)["already"] == 3

    blob = kms.encrypt(KeyId="alias/orders", Plaintext=b"secret 2", EncryptionContext=CONTEXT)["CiphertextBlob"]
    line = json.dumps(
        {"id": "a", "ciphertext": base64.b64encode(blob).decode(), "context": CONTEXT, "key": meta["Arn"]}
    )
    moved = json.loads(run(own, data, "aws", "--key-map", str(key_map), endpoint=moto, stdin=line).stdout)
    assert moved["key"] == new["id"]
    assert opens(data, moved["ciphertext"]) == b"secret 2"


@pytest.mark.parametrize("name", ENCRYPT)
def test_settings_of_keys(theirs: Server, at: Login, data: Path, tmp_path: Path, name: str) -> None:
    theirs.tkms("key", "create", "--alias", f"of-{name}", "--description", f"for {name}")
    Boto(at).ask("EnableKeyRotation", KeyId=_id_of(at, f"alias/of-{name}"), RotationPeriodInDays=120)
    key_map = tmp_path / "map.json"
    run(at, data, name, "--keys", "--key-map", str(key_map), "--json", status=1)
    made = json.loads(key_map.read_text())
    old = json.loads(theirs.tkms("key", "describe", f"alias/of-{name}", "--json"))
    new = json.loads(run_tkms("key", "describe", f"alias/of-{name}", "--json", "--data-dir", str(data)).stdout)
    assert {key.rpartition("/")[2]: value for key, value in made.items()}[old["id"]].endswith(f":key/{new['id']}")
    assert (new["description"], new["spec"]) == (f"for {name}", "AES_256")
    assert new["rotation_seconds"] == 120 * 86_400
    assert run_tkms("key", "describe", "alias/default", "--data-dir", str(data)).returncode == 0


# -- a wrong command line --------------------------------------------------------------------------------

WRONG = {
    "no key": ([], "--key names the key here for all"),
    "files to nowhere": (["--key", "alias/default", "--files", "old"], "--to names the directory"),
    "keys without a map": (["--keys"], "writes which became which"),
    "json on json": (["--key", "alias/default", "--json"], "so would --json"),
    "a profile of others": (["--key", "alias/default", "--profile", "p"], "--profile is of AWS"),
    "context of lines": (["--key", "alias/default", "--context", "a=b"], "each line has its own"),
    "no URL": (["--key", "alias/default", "--endpoint", "ftp://x"], "is no URL"),
}


@pytest.mark.parametrize(("args", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_line_ends_with_status_2(at: Login, data: Path, args: list[str], text: str) -> None:
    assert text in run(at, data, "tencent", *args, status=2).stderr


def test_a_map_that_is_not_there(at: Login, data: Path) -> None:
    done = run(at, data, "tencent", "--key-map", "none.json", status=1)
    assert "there is no file none.json" in done.stderr


def test_a_key_that_is_not_here(at: Login, data: Path) -> None:
    assert (
        "The key alias/none: The alias does not exist" in run(at, data, "aws", "--key", "alias/none", status=1).stderr
    )


def test_a_map_names_keys_here_by_the_arns_of_here(at: Login, data: Path, tmp_path: Path) -> None:
    """An ARN of elsewhere is no key here, whatever id is in it; an alias has an ARN as well."""
    settings, key_map = Directory(data).open(), tmp_path / "map.json"
    (key,) = settings.deps.keyring.store.list_keys(KeyFilter(), now=0, offset=0, limit=2)[1]
    home = f"arn:aws:kms:{settings.site.region}:{settings.site.account}"
    for place, name, status in (
        (home, f"key/{key.id}", 0),
        (home, "alias/default", 0),
        ("arn:aws:kms:us-east-1:999999999999", f"key/{key.id}", 1),
        ("acs:kms:cn-beijing:999999999999", "alias/default", 1),
    ):
        key_map.write_text(json.dumps({"theirs": f"{place}:{name}"}))
        done = run(at, data, "aws", "--key-map", str(key_map), status=status)
        assert (f"There is no key {place}:{name}: ARNs of this tenant have" in done.stderr) is bool(status)


def test_an_sdk_that_is_not_installed_is_named(at: Login, data: Path) -> None:
    for vendor, package in (("aws", "botocore"), ("alibaba", "alibabacloud_kms20160120"), ("tencent", "tencentcloud")):
        program = f"import sys; sys.modules[{package!r}] = None; from tkms.cli import main; sys.exit(main())"
        line = [sys.executable, "-W", "ignore", "-c", program, "import-from", vendor, "--key", "alias/default"]
        done = subprocess.run([*line, "--data-dir", str(data)], capture_output=True, text=True, env=_environment(at))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"pip install '.[{vendor}]' in the checkout (where pipx has it" in done.stderr


def test_who_has_no_credentials_of_the_vendor_is_told_so(at: Login, data: Path, tmp_path: Path) -> None:
    """Of the SDKs' own tracebacks nothing is seen."""
    secrets = ("AWS_ACCESS", "AWS_SECRET", "ALIBABA_CLOUD_ACCESS", "TENCENTCLOUD_SECRET")
    env = {name: value for name, value in _environment(at).items() if not name.startswith(secrets)}
    env |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    env |= {"HTTP_PROXY": "http://127.0.0.1:9"}  # nobody is asked for Tencent's metadata
    for vendor in ENCRYPT:
        line = command("import-from", vendor, "--key", "alias/default", "--data-dir", str(data), "--keys")
        done = subprocess.run(
            [*line, "--key-map", str(tmp_path / "map")], capture_output=True, text=True, env=env, timeout=60
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert "credentials" in done.stderr


# -- a proxy that answers for the API --------------------------------------------------------------------


class _Page(BaseHTTPRequestHandler):
    """200 and a page, whatever was asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("name", ENCRYPT)
def test_a_page_is_no_answer(at: Login, data: Path, name: str) -> None:
    """SDKs take it for a success without fields: an empty secret would be encrypted here."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        for args in (["--key", "alias/default"], ["--keys", "--key-map", str(data / "map")]):
            done = run(at, data, name, *args, stdin=_lines(at, name), endpoint=url, status=1)
            assert "stopped" in done.stderr
            assert not any(line.startswith("{") for line in done.stdout.splitlines())
        server.shutdown()


def test_the_doctor_tells_such_a_page(theirs: Server) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        line = ["doctor", "--json", "--data-dir", str(theirs.data_dir)]
        bare = ("--endpoint", "127.0.0.1:8480", "--endpoint", "kms.example.test")
        done = run_tkms(
            *line, "--endpoint", theirs.url, "--endpoint", url, "--endpoint", "http://127.0.0.1:9", *bare, check=False
        )
        server.shutdown()
    good, page, nobody, *unsaid = (found for found in json.loads(done.stdout) if found["check"] == "endpoint")
    assert (done.returncode, good["status"], page["status"], nobody["status"]) == (1, "ok", "problem", "problem")
    assert "answered 200 text/html" in page["found"]
    assert "does not answer" in nobody["found"]
    assert ["begin with http:// or https://" in found["found"] for found in unsaid] == [True, True]
