"""`--seed`: what it makes, what it leaves as it is, and what it refuses, with nothing half done."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from msgspec.structs import replace

from kit.seeds import KEY, SECRET, example_seed
from kit.support import new_directory, run_tkms
from tenantkms.audit.line import Record
from tenantkms.errors import Unavailable
from tenantkms.model.specs import KeySpec
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import Settings, SettingsError
from tkms.machine.directory import Directory, call
from tkms.seed.apply import Seed
from tkms.seed.file import SeedFile

OTHER = "0d9b1a52-7b1e-4f0e-8a55-2f4f4b9d2a11"
MATERIAL = base64.b64encode(bytes(range(32))).decode()
Tree = dict[str, Any]


def _tree(*, key: Tree | None = None, credential: Tree | None = None) -> Tree:
    """A seed with a key and an access key, changed so; what is None is taken away."""
    rows = ({"id": KEY, "material": MATERIAL}, key), ({"id": "TKMSEXAMPLE", "secret": SECRET}, credential)
    made = [{name: value for name, value in {**row, **(but or {})}.items() if value is not None} for row, but in rows]
    return {"keys": made[:1], "credentials": made[1:]}


def _write(folder: Path, tree: object, mode: int = 0o600) -> Path:
    file = folder / "seed.json"
    file.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    file.chmod(mode)
    return file


def _make(data: Path, seed: Path, account: str | None = None) -> Settings:
    return Directory(data).make(account=account, seed=Seed(seed))


def _state(settings: Settings) -> object:
    """All keys, aliases and access keys as they rest."""
    keys: Any = call(settings, "ListKeys", {"offset": 0, "limit": 1000})
    return [(row["id"], row["aliases"]) for row in keys["keys"]], settings.access.store.list_credentials()


# -- what it makes -------------------------------------------------------------------------------------


def test_ciphertexts_open_in_another_directory_of_the_same_seed(tmp_path: Path) -> None:
    seed = example_seed(tmp_path / "seed")
    one, other = (_make(tmp_path / name, seed) for name in ("one", "other"))
    assert one.deps.keyring.parent is not other.deps.keyring.parent
    sealed: Any = call(one, "Encrypt", {"key_id": "alias/app", "plaintext": "aGVsbG8=", "context": {"a": "b"}})
    opened: Any = call(other, "Decrypt", {"ciphertext": sealed["ciphertext"], "context": {"a": "b"}})
    assert opened["plaintext"] == "aGVsbG8="


def test_a_key_without_material_gets_its_own(tmp_path: Path) -> None:
    seed = _write(tmp_path, {"keys": [{"id": KEY, "spec": spec} for spec in ["SM4_128"]]})
    one, other = (_make(tmp_path / name, seed) for name in ("one", "other"))
    materials = [
        store.deps.keyring.primary(key, bytes) for store in (one, other) if (key := store.deps.keyring.key(KEY))
    ]
    assert [len(material) for material in materials] == [16, 16]
    assert materials[0] != materials[1]
    _make(tmp_path / "one", seed)


@pytest.mark.parametrize("spec", [spec for spec in KeySpec if not spec.startswith("RSA")])
def test_every_spec_is_made(tmp_path: Path, spec: KeySpec) -> None:
    settings = _make(tmp_path / "data", _write(tmp_path, {"keys": [{"id": KEY, "spec": spec}]}))
    described: Any = call(settings, "DescribeKey", {"key_ids": [KEY]})
    assert (described["keys"][0]["spec"], described["keys"][0]["origin"]) == (spec, "KMS")


def test_a_new_directory_has_its_first_things_beside_a_seed_that_has_none(tmp_path: Path) -> None:
    settings = _make(tmp_path / "data", _write(tmp_path, {"keys": [{"id": KEY}]}))
    assert [row.name for row in settings.access.store.list_credentials()] == ["first"]
    assert settings.deps.keyring.alias("default")


def test_keys_of_a_seed_are_in_the_audit_log_before_they_are_made(tmp_path: Path) -> None:
    data = new_directory(tmp_path / "data").path
    run_tkms("init", "--data-dir", str(data), "--seed", str(_write(tmp_path, _tree())))
    printed = run_tkms("audit", "--lines", "--json", "--key", KEY, "--data-dir", str(data)).stdout
    log = [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]
    lines = [(row["action"], row["outcome"], row["note"]) for row in log if row.get("keys") == [KEY]]
    assert lines == [("CreateKey", "intent", "seed"), ("CreateKey", "ok", "seed")]
    assert SECRET not in (data / "audit.jsonl").read_text()
    assert '"CreateKey"' in printed


# -- once more -----------------------------------------------------------------------------------------


def test_the_same_seed_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seed, data = example_seed(tmp_path / "seed"), tmp_path / "data"
    before = _state(_make(data, seed))
    log = (data / "audit.jsonl").read_bytes()
    capfd.readouterr()
    again = _make(data, seed)
    assert (data / "audit.jsonl").read_bytes() == log
    assert _state(again) == before
    told = capfd.readouterr()
    assert f"seed {seed}: 0 keys and 0 access keys made, 3 and 2 were there" in told.out
    assert told.err == ""


def test_what_is_new_in_a_seed_is_made_beside_what_is_there(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _make(data, _write(tmp_path, _tree()))
    tree = _tree()
    tree["keys"].append({"id": OTHER, "aliases": ["alias/new"]})
    settings = _make(data, _write(tmp_path, tree))
    alias = settings.deps.keyring.alias("new")
    assert alias
    assert alias.key_id == OTHER


def test_what_was_changed_since_stays_and_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seed, data = _write(tmp_path, _tree(key={"aliases": ["app"], "tags": {"a": "b"}})), tmp_path / "data"
    settings = _make(data, seed)
    call(settings, "CreateKeyVersion", {"key_id": KEY})
    call(settings, "DeleteAlias", {"alias": "app"})
    call(settings, "TagResources", {"key_ids": [KEY], "tags": {"a": "c"}})
    call(settings, "DisableKey", {"key_ids": [KEY]})
    settings.access.change("TKMSEXAMPLE", 0, enabled=False)
    before = _state(settings)
    capfd.readouterr()
    assert _state(_make(data, seed)) == before
    told = capfd.readouterr().err.splitlines()
    assert told == [
        f"tkms: {seed}: keys[0] is there with other aliases, tags, state: it stays so",
        f"tkms: {seed}: credentials[0] is there with other state: it stays so",
    ]


def test_a_policy_in_another_spelling_is_the_same(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": "*"}]}
    data = tmp_path / "data"
    _make(data, _write(tmp_path, _tree(credential={"policy": policy})))
    turned = {"Statement": [dict(reversed(policy["Statement"][0].items()))]}
    capfd.readouterr()
    _make(data, _write(tmp_path, _tree(credential={"policy": turned})))
    assert capfd.readouterr().err == ""


# -- contradictions ------------------------------------------------------------------------------------

CONTRADICTIONS: dict[str, tuple[Tree, str]] = {
    "material": (
        _tree(key={"material": base64.b64encode(bytes(32)).decode()}),
        f"keys[0]: the key {KEY} is there with other material.",
    ),
    "spec": (
        _tree(key={"spec": "HMAC_SHA_256"}),
        f"keys[0]: the key {KEY} is there with the spec AES_256, not HMAC_SHA_256.",
    ),
    "secret": (
        _tree(credential={"secret": "another"}),
        "credentials[0]: the access key TKMSEXAMPLE is there with another secret.",
    ),
    "alias": (
        {"keys": [{"id": OTHER, "aliases": ["fine", "alias/default"]}]},
        "keys[0].aliases: alias/default is of the key ",
    ),
    "name": (
        {"credentials": [{"id": "TKMSTHIRD", "secret": "x", "name": "two"}]},
        "credentials[0]: two has 2 active access keys already.",
    ),
    "tags": (
        {"keys": [{"id": OTHER, "tags": {str(n): "" for n in range(21)}}]},
        "keys[0]: There are at most 20 tags of a key.",
    ),
}


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_what_contradicts_what_is_there_is_refused_with_nothing_done(tmp_path: Path, what: str) -> None:
    data = tmp_path / "data"
    settings = _make(data, _write(tmp_path, _tree()))
    for _ in range(2):
        settings.access.create("two", DIALECTS, '{"Statement":[]}', 0)
    before = _state(settings)
    tree, text = CONTRADICTIONS[what]
    new = "11111111-1111-4111-8111-111111111111"
    tree = {
        "keys": [{"id": new, "aliases": ["before"]}, *tree.get("keys", [])],
        "credentials": [{"id": "TKMSNEW", "secret": "x"}, *tree.get("credentials", [])],
    }
    seed = _write(tmp_path, tree)
    with pytest.raises(SettingsError) as refusal:
        _make(data, seed)
    assert str(refusal.value).startswith(f"{seed}: {text.replace('[0]', '[1]')}")
    assert _state(Directory(data).open()) == before


def test_an_imported_key_is_no_seeded_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    made: Any = call(new_directory(data).open(), "CreateKey", {"origin": "EXTERNAL"})
    seed = _write(tmp_path, _tree(key={"id": made["key"]["id"]}))
    with pytest.raises(SettingsError, match="is there with the origin EXTERNAL, not KMS"):
        _make(data, seed)


class _Full:
    """An audit log that takes no line."""

    def write(self, _record: Record) -> None:
        raise Unavailable

    refuse = write


def test_without_a_line_in_the_audit_log_nothing_is_made(tmp_path: Path) -> None:
    settings = new_directory(tmp_path / "data").open()
    before = _state(settings)
    mute = replace(settings, deps=replace(settings.deps, audit=_Full()))
    with pytest.raises(Unavailable):
        Seed(_write(tmp_path, _tree())).apply(mute)
    assert _state(settings) == before


# -- what is wrong with a file -------------------------------------------------------------------------


def _pem(encryption: KeySerializationEncryption) -> bytes:
    key = ec.derive_private_key(4711, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


DENIES = {"Statement": [{"Effect": "Allow", "Action": "Encrpyt", "Resource": "*"}]}
IAM = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}
    ],
}
WRONG: dict[str, tuple[object, str]] = {
    "no JSON": ('{"keys": [\n,]}', "seed.json is no JSON: line 2, column 1: "),
    "twice": ('{"keys": [{"id": "a", "id": "b"}]}', "seed.json: 'id' stands twice in one place."),
    "no object": ([], "seed.json: the file: Expected `object`, got `array`."),
    "unknown name": ({"key": []}, "seed.json: the file: Object contains unknown field `key`."),
    "unknown field": (_tree(key={"alias": "x"}), "seed.json: keys[0]: Object contains unknown field `alias`."),
    "no id": (_tree(key={"id": None}), "seed.json: keys[0]: Object missing required field `id`."),
    "kind": (_tree(key={"tags": {"a": 1}}), "seed.json: keys[0].tags[...]: Expected `str`, got `int`."),
    "id": (_tree(key={"id": "app"}), "seed.json: keys[0].id: The KeyId is not valid."),
    "spec": (_tree(key={"spec": "AES"}), "seed.json: keys[0].spec: Invalid enum value 'AES'."),
    "usage": (_tree(key={"usage": "SIGN_VERIFY"}), "seed.json: keys[0].usage: a key of spec AES_256 has ENCRYPT_DEC"),
    "alias": (_tree(key={"aliases": ["a", "b c"]}), "seed.json: keys[0].aliases[1]: An alias has 1 to 255 letters"),
    "aliases": (
        _tree(key={"aliases": [str(n) for n in range(51)]}),
        "seed.json: keys[0].aliases: a key has at most 50",
    ),
    "description": (_tree(key={"description": "x" * 8193}), "seed.json: keys[0].description: longer than 8192"),
    "tag": (_tree(key={"tags": {"acs:x": "y"}}), "seed.json: keys[0].tags: A tag's key has"),
    "key policy": (_tree(key={"policy": DENIES}), "seed.json: keys[0].policy: "),
    "account": (_tree(key={"policy": IAM}), "seed.json: keys[0].policy: "),
    "base64": (_tree(key={"material": "x"}), "seed.json: keys[0].material: is not base64."),
    "hex": (
        _tree(key={"material": "00" * 32}),
        "seed.json: keys[0].material: 48 bytes, where a key of spec AES_256 has 32",
    ),
    "empty": (_tree(key={"material": ""}), "seed.json: keys[0].material: 0 bytes, where"),
    "no key": (_tree(key={"spec": "EC_P256"}), "seed.json: keys[0].material: The key material is not the PKCS #8"),
    "both": (_tree(key={"material_file": "x"}), "seed.json: keys[0]: has material and material_file."),
    "no file": (_tree(key={"material": None, "material_file": "x"}), "/x cannot be read: No such file"),
    "other curve": (
        _tree(key={"material": None, "material_file": "key.pem", "spec": "EC_P384"}),
        "seed.json: keys[0].material_file: The key material is not the PKCS #8",
    ),
    "encrypted": (
        _tree(key={"material": None, "material_file": "locked.pem", "spec": "EC_P256"}),
        "seed.json: keys[0].material_file: it is no private key in PEM, or an encrypted one.",
    ),
    "two keys": ({"keys": [{"id": KEY}, {"id": KEY.upper()}]}, f"keys[1]: the key {KEY} stands in keys[0] already."),
    "two aliases": (
        {"keys": [{"id": KEY, "aliases": ["a"]}, {"id": OTHER, "aliases": ["alias/a"]}]},
        "seed.json: keys[1]: the alias a stands in keys[0] already.",
    ),
    "access key id": (_tree(credential={"id": "a/b"}), "seed.json: credentials[0].id: an access key id has 3 to 128"),
    "no secret": (_tree(credential={"secret": None}), "seed.json: credentials[0]: has secret or secret_file"),
    "blank secret": (_tree(credential={"secret": "a b"}), "seed.json: credentials[0]: a secret has 1 to 128"),
    "dialect": (_tree(credential={"dialects": ["gcp"]}), "seed.json: credentials[0].dialects: one or more of alibaba"),
    "ready-made": (
        _tree(credential={"policy": "root"}),
        "seed.json: credentials[0].policy: a document, or one of admin",
    ),
    "policy": (_tree(credential={"policy": DENIES}), "seed.json: credentials[0].policy: Action 'Encrpyt'"),
    "three of a name": (
        {"credentials": [{"id": f"TKMS{n}", "secret": "x", "name": "app"} for n in range(3)]},
        "seed.json: credentials: app has 3, and a name has at most 2.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, wrong: str) -> None:
    tree, text = WRONG[wrong]
    (tmp_path / "key.pem").write_bytes(_pem(NoEncryption()))
    (tmp_path / "locked.pem").write_bytes(_pem(BestAvailableEncryption(b"x")))
    seed = _write(tmp_path, tree)
    with pytest.raises(SettingsError) as refusal:
        _make(tmp_path / "data", seed)
    assert text in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert not (tmp_path / "data" / "site.json").exists()


def test_a_file_that_cannot_be_read_makes_nothing(tmp_path: Path) -> None:
    for words in (("init",), ("serve", "--port", "0")):
        done = run_tkms(*words, "--seed", "none.json", "--data-dir", str(tmp_path / "data"), check=False)
        assert (done.returncode, done.stderr) == (
            1,
            "tkms: The seed's file none.json cannot be read: No such file or directory.\n",
        )
    assert list(tmp_path.iterdir()) == []


def test_an_account_that_a_policy_names_is_to_be_chosen(tmp_path: Path) -> None:
    settings = _make(tmp_path / "data", _write(tmp_path, _tree(key={"policy": IAM})), "111122223333")
    key = settings.deps.keyring.key(KEY)
    assert key
    assert json.loads(key.policy) == IAM


# -- secrets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, True), (0o604, True), (0o622, False)])
def test_a_seed_that_others_read_is_warned_of(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], mode: int, warned: bool
) -> None:
    Seed(_write(tmp_path, _tree(), mode))
    assert ("seed.json has secrets, and others can read it" in capfd.readouterr().err) is warned
    Seed(_write(tmp_path, {"keys": [{"id": KEY}]}, mode))
    assert capfd.readouterr().err == ""


def test_files_with_secrets_are_warned_of_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seed = example_seed(tmp_path / "seed")
    (seed.parent / "app.secret").chmod(0o644)
    (seed.parent / "sign.pem").chmod(0o644)
    Seed(seed)
    told = capfd.readouterr().err
    assert [name for name in ("app.secret", "sign.pem", "seed.json") if name in told] == ["app.secret", "sign.pem"]


def test_no_secret_is_shown_by_what_holds_it(tmp_path: Path) -> None:
    file = SeedFile(_write(tmp_path, _tree()))
    for shown in (repr(file.credentials), repr(file.keys), str(file.credentials[0]), repr(file)):
        assert SECRET not in shown
        assert str(bytes(range(32)))[:12] not in shown
