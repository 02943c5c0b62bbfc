"""How a backup is closed: under a passphrase, to recipients of age, or not at all."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from kit.backup_files import CLOSINGS, PASSPHRASE, identity_in, made, opened
from kit.backups import create
from kit.support import new_directory
from tkms.backup.container import Age, Passphrase, Plain
from tkms.machine.directory import Directory
from tkms.output import Failed, UsageError


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return new_directory(tmp_path / "data")


# -- how it is closed -------------------------------------------------------------------------------------


def test_under_a_passphrase_nothing_is_told_without_it(directory: Directory, tmp_path: Path) -> None:
    key = create(directory, description="a description of some length")
    file = made(directory, tmp_path / "a")
    data = file.read_bytes()
    assert data.startswith(b"TKB1\x01\x0a\x08\x01")
    assert key.encode() not in data
    assert b"description" not in data
    assert opened(file, tmp_path / "right").about.keys == 2
    with pytest.raises(Failed, match="another passphrase"):
        opened(file, tmp_path / "wrong", lambda: b"wrong")
    assert not (tmp_path / "wrong" / "kms.sqlite3").exists()


def test_a_passphrase_costs_what_is_promised(tmp_path: Path) -> None:
    out = io.BytesIO()
    Passphrase(PASSPHRASE).close(io.BytesIO(b"x"), out)
    assert out.getvalue()[5:8] == bytes((17, 8, 1))


@pytest.mark.parametrize("changed", [5, 6, 7, 10, 30, 55, 60, 100, 150, -1])
def test_a_changed_byte_is_noticed(changed: int, directory: Directory, tmp_path: Path) -> None:
    file = made(directory, tmp_path / "a")
    data = bytearray(file.read_bytes())
    data[changed] ^= 1
    file.write_bytes(data)
    with pytest.raises(Failed, match=r"damaged or not whole|another passphrase"):
        opened(file, tmp_path / "x")


def test_what_a_file_asks_for_is_bounded(directory: Directory, tmp_path: Path) -> None:
    file = made(directory, tmp_path / "a")
    for number, (at, value) in enumerate(((5, 31), (5, 0), (5, 1), (6, 255), (7, 255))):
        data = bytearray(file.read_bytes())
        data[at] = value
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(Failed, match="damaged"):
            opened(tmp_path / "b", tmp_path / f"{number}")


def test_numbers_that_do_not_go_together_are_damage(directory: Directory, tmp_path: Path) -> None:
    file = made(directory, tmp_path / "a")
    data = file.read_bytes()
    file.write_bytes(data[:5] + bytes((17, 1, 1)) + data[8:])  # N is beyond what r allows
    with pytest.raises(Failed, match="damaged"):
        opened(file, tmp_path / "x")


def test_recipients_of_age_open_it_and_nobody_else(directory: Directory, tmp_path: Path) -> None:
    one, two, other = (identity_in(tmp_path / name) for name in ("one", "two", "other"))
    file = made(directory, tmp_path / "a.age", Age([one[0], two[0]]))
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n")
    for number, (_, identity) in enumerate((one, two)):
        assert opened(file, tmp_path / f"{number}", identity=identity).about.keys == 1
    with pytest.raises(Failed, match="is for others"):
        opened(file, tmp_path / "x", identity=other[1])
    with pytest.raises(Failed, match="--identity"):
        opened(file, tmp_path / "y")
    with pytest.raises(UsageError, match="no recipient of age"):
        Age(["age1nonsense"])
    (tmp_path / "none").write_text("nothing")
    with pytest.raises(UsageError, match="no identity of age"):
        opened(file, tmp_path / "z", identity=str(tmp_path / "none"))


def test_recipients_may_stand_in_a_file(directory: Directory, tmp_path: Path) -> None:
    """As in age's own: one on each line, and comments."""
    pairs = [identity_in(tmp_path / f"identity-{number}") for number in range(2)]
    (listed := tmp_path / "recipients").write_text("# ours\n" + "\n\n".join(recipient for recipient, _ in pairs) + "\n")
    closing = Age([str(listed)])
    assert closing.words == "to 2 recipients of age"
    file = made(directory, tmp_path / "a", closing)
    for number, (_, identity) in enumerate(pairs):
        assert opened(file, tmp_path / f"{number}", identity=identity).about.keys == 1


def test_what_is_no_recipient_is_told_and_no_secret_is_repeated(tmp_path: Path) -> None:
    recipient, identity = identity_in(tmp_path / "identity")
    secret = Path(identity).read_text().splitlines()[1]
    (empty := tmp_path / "empty").write_text("# nobody yet\n")
    for given, told in {
        "nonsense": "'nonsense' is no recipient of age, and no file of some: one is age1..",
        f"{recipient}x": f"'{recipient}x' is no recipient of age: one is age1..",
        secret: "An identity is no recipient of age",
        identity: f"Line 2 of {identity} is no recipient of age",
        str(empty): f"{empty} has no recipient of age",
    }.items():
        with pytest.raises(UsageError) as refused:
            Age([given])
        assert str(refused.value).startswith(told)
        assert secret not in str(refused.value)


def test_an_ssh_key_is_a_recipient(directory: Directory, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    file = made(directory, tmp_path / "a.age", Age([(tmp_path / "key.pub").read_text()]))
    assert opened(file, tmp_path / "x", identity=str(tmp_path / "key")).about.keys == 1


@pytest.mark.parametrize("how", CLOSINGS)
def test_a_file_that_was_cut_anywhere_is_no_backup(how: str, directory: Directory, tmp_path: Path) -> None:
    recipient, identity = identity_in(tmp_path / "identity")
    file = made(directory, tmp_path / "a", CLOSINGS[how](recipient))
    whole = file.read_bytes()
    # A plain one without its last blocks, which are empty, has lost nothing.
    lengths = [*range(0, len(whole) - 2048, 3001), 56, 96, 261, 262, 263, 511, 512, 513]
    lengths += [len(whole) - 1537] if how == "plain" else [len(whole) - 1, len(whole) - 17]
    for number, length in enumerate(lengths):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(Failed, match=r"damaged|no backup|for others"):
            opened(tmp_path / "cut", tmp_path / f"{number}", identity=identity)
    assert opened(file, tmp_path / "whole", identity=identity).about.keys == 1


def test_a_plain_one_is_noticed_to_be_damaged(directory: Directory, tmp_path: Path) -> None:
    file = made(directory, tmp_path / "a", Plain())
    data = bytearray(file.read_bytes())
    data[data.index(b"SQLite format 3") + 5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(Failed, match="damaged or not whole"):
        opened(file, tmp_path / "x")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.REGTYPE])
def test_what_is_in_no_backup_is_refused(kind: bytes, directory: Directory, tmp_path: Path) -> None:
    """A link that leads out of the folder, a large file, a second one of a name."""
    file = made(directory, tmp_path / "a", Plain())
    with tarfile.open(file, "a") as tar:
        info = tarfile.TarInfo("kms.sqlite3")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(Failed, match="no backup"):
        opened(file, tmp_path / "x")


@pytest.mark.parametrize("how", ["gnu", "pax"])
def test_a_file_with_holes_fills_no_disk(how: str, directory: Directory, tmp_path: Path) -> None:
    """A few bytes that say they are 4 GiB."""
    del directory
    info = tarfile.TarInfo("kms.sqlite3")
    info.size, large = 512, 4 << 30
    if how == "pax":
        info.pax_headers = {"GNU.sparse.size": str(large), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,512"}
        head = info.tobuf(tarfile.PAX_FORMAT)
    else:
        info.type = tarfile.GNUTYPE_SPARSE
        head_ = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        head_[386:410] = b"%011o\0%011o\0" % (0, 512)
        head_[483:495] = b"%011o\0" % large
        head_[148:156] = b" " * 8
        head_[148:156] = b"%06o\0 " % sum(head_)
        head = bytes(head_)
    (tmp_path / "a").write_bytes(head + b"x" * 512 + bytes(1024))
    with pytest.raises(Failed, match="no backup"):
        opened(tmp_path / "a", tmp_path / "x")
