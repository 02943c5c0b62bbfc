"""Nonce files under attack: chosen nonces, files that are cut or missing, clocks that jump, and those of before."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from hashlib import sha256
from itertools import count, islice
from pathlib import Path

import pytest

from tenantkms.errors import Unavailable
from tenantkms.store.nonces import LIMIT, SECONDS, NonceFiles

NOW = 1_700_000_000
WINDOW = 1800
MB = 1024 * 1024


def nonce(text: object) -> bytes:
    return sha256(str(text).encode()).digest()[:16]


def use(nonces: NonceFiles, number: object, now: int = NOW) -> bool:
    return nonces.use(nonce(number), now=now, expires=now + WINDOW)


def size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "nonces"


# -- chosen nonces -----------------------------------------------------------------------------------------


def test_nobody_can_choose_nonces_that_meet(directory: Path) -> None:
    """161 of them, all for one bucket of the tables of before, made five tables of 1.4 GB."""
    nonces = NonceFiles(directory)
    chosen = [bytes(6) + (n << 10).to_bytes(10, "big") for n in range(1, 1000)]
    start = time.perf_counter()
    assert all(nonces.use(one, now=NOW, expires=NOW + WINDOW) for one in chosen)
    assert time.perf_counter() - start < 1
    assert size(directory) < 2 * MB
    assert not any(nonces.use(one, now=NOW, expires=NOW + WINDOW) for one in chosen)


def test_each_directory_has_a_key_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    keys, tables = set(), set()
    for name in ("a", "b"):
        assert use(NonceFiles(tmp_path / name), 1)
        key = tmp_path / name / "key"
        assert (len(key.read_bytes()), stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)
        assert nonce(1)[:10] not in b"".join(path.read_bytes() for path in (tmp_path / name).iterdir())
        keys.add(key.read_bytes())
        tables.add(b"".join(path.read_bytes() for path in (tmp_path / name).iterdir() if path != key))
    assert len(keys) == len(tables) == 2  # one nonce, and nobody can tell from one where it stands in the other


def test_a_key_that_is_no_key_refuses(directory: Path) -> None:
    directory.mkdir()
    (directory / "key").write_bytes(b"short")
    with pytest.raises(Unavailable):
        use(NonceFiles(directory), 1)


def test_a_half_hour_grows_by_how_many_there_are(directory: Path) -> None:
    """A table of 65,536 entries is left when one bucket in eight is full: not before it is well filled."""
    nonces = NonceFiles(directory)
    numbers = count()
    while not list(directory.glob("*-1")):
        assert use(nonces, next(numbers))
    assert 40_000 < next(numbers) < 60_000


def test_beyond_the_limit_nothing_is_accepted_that_is_not_remembered(directory: Path) -> None:
    nonces = NonceFiles(directory, limit=2 * MB)
    accepted: list[int] = []
    try:
        while use(nonces, len(accepted)):
            accepted.append(len(accepted))
    except Unavailable:
        pass
    assert len(accepted) > 60_000
    assert size(directory) < 2 * MB
    sample = accepted[::100]
    for reader in (nonces, NonceFiles(directory, limit=2 * MB)):
        assert not any(use(reader, n) for n in sample)  # still told as used
        with pytest.raises(Unavailable):
            use(reader, len(accepted))
    assert use(nonces, "later", NOW + 2 * WINDOW + SECONDS)  # room comes back with time
    assert LIMIT == 1024 * MB


# -- files that others touch -------------------------------------------------------------------------------

CUT = """
import sys
sys.path[:] = {path!r}
from pathlib import Path
from test_nonces_hostile import NonceFiles, use
directory = Path(sys.argv[1])
nonces = NonceFiles(directory)
assert all(use(nonces, n) for n in range(100))
for length in (100_000, 700, 3, 0):
    for path in directory.iterdir():
        if path.name != "key":
            with path.open("r+b") as file:
                file.truncate(min(length, path.stat().st_size))
    for n in range(1000):
        assert use(nonces, (length, n)) and not use(nonces, (length, n))
from threading import Event, Thread
over = Event()
def cut():
    while not over.is_set():
        for path in directory.glob("*-0"):
            with path.open("r+b") as file:
                file.truncate(0)
cutting = Thread(target=cut)
cutting.start()
for n in range(3000):
    assert use(nonces, ("meanwhile", n))
over.set()
cutting.join()
assert use(nonces, "after") and not use(nonces, "after")
"""


def test_a_file_that_somebody_cuts_does_not_end_the_process(directory: Path) -> None:
    """Nor does a cut in the midst of a use: a mapped file would (SIGBUS). What is gone from the file is gone, and what
    comes after it is remembered.
    """
    program = CUT.format(path=[str(Path(__file__).parent), *sys.path])
    done = subprocess.run([sys.executable, "-c", program, directory], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_files_that_are_removed_below_it(directory: Path) -> None:
    nonces = NonceFiles(directory)
    assert use(nonces, 1)
    for path in directory.glob("*-0"):
        path.unlink()
    assert not use(nonces, 1)
    assert use(nonces, 2)
    assert use(nonces, 3, NOW + SECONDS)


# -- clocks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [60, 1799, 1800, 7200, 86_400, 10 * 365 * 86_400])
def test_a_clock_that_jumps_ahead_and_is_put_back_forgets_nothing(directory: Path, ahead: int) -> None:
    nonces = NonceFiles(directory)
    assert use(nonces, "before")
    assert use(nonces, "ahead", NOW + ahead)
    for reader in (nonces, NonceFiles(directory)):
        for back in (0, 1, 900):
            assert not use(reader, "before", NOW + back)
            assert not use(reader, "ahead", NOW + back)
    assert use(nonces, "after", NOW + 900)
    assert not use(nonces, "after", NOW + 901)


def test_a_clock_that_is_put_back_behind_what_is_forgotten_refuses(directory: Path) -> None:
    nonces = NonceFiles(directory)
    times = [NOW + SECONDS * n for n in range(12)]
    for now in times:
        assert use(nonces, now, now)
    for reader in (nonces, NonceFiles(directory)):
        for now in times[-7:]:
            assert not use(reader, now, now)
        for now in times[:4]:
            with pytest.raises(Unavailable):
                use(reader, now, now)
    assert use(nonces, "on", times[-1])


# -- the files of before -----------------------------------------------------------------------------------


def _as_before(directory: Path, nonces: list[bytes], expires: int) -> None:
    """Written apart from the code under test, by what the first releases did."""
    directory.mkdir(exist_ok=True)
    (directory / "lock").write_bytes(b"")
    tables: list[bytearray] = []
    for one in nonces:
        for level in count():
            if level == len(tables):
                tables.append(bytearray(MB * 4**level))
            start = int.from_bytes(one[:8], "big") % (len(tables[level]) // 512) * 512
            free = [at for at in range(start, start + 512, 16) if not any(tables[level][at : at + 16])]
            if free:
                tables[level][free[0] : free[0] + 16] = one
                break
    for level, table in enumerate(tables):
        (directory / f"{expires // SECONDS}.{level}").write_bytes(table)


def test_what_was_used_before_an_upgrade_is_refused_after_it(directory: Path) -> None:
    digest = lambda one: sha256(one).digest()[:16]  # noqa: E731
    meeting = (one for one in map(nonce, count(1000)) if int.from_bytes(digest(one)[:8], "big") % 2048 == 0)
    used = [*(nonce(n) for n in range(500)), *islice(meeting, 40)]  # of which 40 are more than a bucket
    _as_before(directory, [digest(one) for one in used], NOW + WINDOW)
    nonces = NonceFiles(directory)
    for one in used:
        assert not nonces.use(one, now=NOW + 5, expires=NOW + 5 + WINDOW)
    assert all(use(nonces, f"new {n}") and not use(nonces, f"new {n}") for n in range(100))
    late = NOW + WINDOW + SECONDS
    assert nonces.use(used[0], now=late, expires=late + WINDOW)


def test_files_of_before_are_removed_in_their_time(directory: Path) -> None:
    _as_before(directory, [nonce(1)], NOW + WINDOW)
    nonces = NonceFiles(directory)
    for half_hour in range(12):
        assert use(nonces, f"at {half_hour}", NOW + SECONDS * half_hour)
    assert not list(directory.glob("*.*"))
    with pytest.raises(Unavailable):
        use(nonces, 1, NOW)
