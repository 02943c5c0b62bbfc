"""What the nonce files of one machine must do: survive, be shared between processes, stay small, and fail closed.

What an attacker or a broken disk does to them: `test_nonces_hostile.py`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from kit.samples import ROW_MACS
from tenantkms.errors import Unavailable
from tenantkms.store.nonces import NonceFiles
from tenantkms.store.sqlite import SqliteStore

NOW = 1_700_000_000
WINDOW = 1800

USE_UNTIL_KILLED = """
from test_nonces import NOW, WINDOW, NonceFiles, Path, nonce, sys

nonces, number = NonceFiles(Path(sys.argv[1])), int(sys.argv[2])
while True:
    assert nonces.use(nonce(number), now=NOW, expires=NOW + WINDOW)
    print(number, flush=True)
    number += 1
"""

USE_ALL = """
from test_nonces import NOW, WINDOW, NonceFiles, Path, nonce, sys

nonces = NonceFiles(Path(sys.argv[1]))
print(*(n for n in range(int(sys.argv[2])) if nonces.use(nonce(n), now=NOW, expires=NOW + WINDOW)))
"""


def nonce(text: object) -> bytes:
    return sha256(str(text).encode()).digest()[:16]


def process(program: str, *args: object) -> subprocess.Popen[str]:
    path = [str(Path(__file__).parent), *sys.path]
    program = f"import sys; sys.path[:] = {path!r}\n{program}"
    return subprocess.Popen([sys.executable, "-c", program, *map(str, args)], stdout=subprocess.PIPE, text=True)


def use(nonces: NonceFiles, number: object, now: int = NOW) -> bool:
    return nonces.use(nonce(number), now=now, expires=now + WINDOW)


def test_a_nonce_is_refused_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "kms.sqlite3"
    assert SqliteStore(path, ROW_MACS).use_nonce(nonce(1), now=NOW, expires=NOW + WINDOW)
    again = SqliteStore(path, ROW_MACS)
    assert not again.use_nonce(nonce(1), now=NOW + WINDOW, expires=NOW + 2 * WINDOW)
    assert again.use_nonce(nonce(2), now=NOW + WINDOW, expires=NOW + 2 * WINDOW)


def test_a_killed_process_leaves_every_nonce_that_it_accepted(tmp_path: Path) -> None:
    for attempt in range(3):
        with process(USE_UNTIL_KILLED, tmp_path / "nonces", attempt * 1_000_000) as user:
            assert user.stdout is not None
            accepted = [int(user.stdout.readline()) for _ in range(200)]
            user.kill()
            accepted += [int(line) for line in user.stdout if line.endswith("\n")]
        nonces = NonceFiles(tmp_path / "nonces")
        assert not any(use(nonces, n) for n in accepted)
        assert use(nonces, f"another {attempt}")


def test_of_many_processes_one_wins_each_nonce(tmp_path: Path) -> None:
    users = [process(USE_ALL, tmp_path / "nonces", 3000) for _ in range(3)]
    won = [list(map(int, user.communicate(timeout=60)[0].split())) for user in users]
    assert [user.returncode for user in users] == [0, 0, 0]
    assert sorted(n for each in won for n in each) == list(range(3000))


def test_two_that_are_open_at_once_see_what_the_other_accepts(tmp_path: Path) -> None:
    one, other = NonceFiles(tmp_path / "nonces"), NonceFiles(tmp_path / "nonces")
    for n in range(100):
        assert use(one, n)
        assert not use(other, n)
        assert use(other, -n - 1)
        assert not use(one, -n - 1)


def test_threads_share_them(tmp_path: Path) -> None:
    nonces = NonceFiles(tmp_path / "nonces")
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: use(nonces, n % 500), range(2000)))
    assert sum(won) == 500


def test_more_than_one_file_holds_are_remembered(tmp_path: Path) -> None:
    nonces = NonceFiles(tmp_path / "nonces")
    count = 70_000
    assert all(use(nonces, n) for n in range(count))
    assert len(list((tmp_path / "nonces").glob("*-1"))) == 1
    assert not list((tmp_path / "nonces").glob("*-2"))
    for reader in (nonces, NonceFiles(tmp_path / "nonces")):
        assert not any(use(reader, n) for n in range(count))


def test_nonces_that_end_or_begin_with_zeros(tmp_path: Path) -> None:
    nonces = NonceFiles(tmp_path / "nonces")
    odd = [nonce(n)[: 16 - n % 6] + bytes(n % 6) for n in range(30)]
    odd += [bytes(n % 6) + nonce(n)[n % 6 :] for n in range(30, 60)]
    for one in odd:
        assert nonces.use(one, now=NOW, expires=NOW + WINDOW)
    odd.append(bytes(16))
    assert nonces.use(odd[-1], now=NOW, expires=NOW + WINDOW)
    for one in odd:
        assert not nonces.use(one, now=NOW, expires=NOW + WINDOW)


def test_files_that_nobody_asks_for_any_more_are_removed(tmp_path: Path) -> None:
    nonces, idle = NonceFiles(tmp_path / "nonces"), NonceFiles(tmp_path / "nonces")
    assert use(idle, "early")
    for half_hour in range(10):
        assert use(nonces, half_hour, NOW + 1800 * half_hour)
        # As many as the clock may jump ahead and be put back without a nonce forgotten.
        assert len(list((tmp_path / "nonces").glob("[0-9]*"))) <= 8
    for half_hour in range(10, 20):
        assert use(nonces, half_hour, NOW + 1800 * half_hour)
    assert len(list((tmp_path / "nonces").glob("[0-9]*"))) == 8
    assert use(idle, "late", NOW + 36_000)


def test_any_content_of_the_files_is_a_valid_one(tmp_path: Path) -> None:
    """A power cut may leave anything."""
    assert use(NonceFiles(tmp_path / "nonces"), 1)
    (table,) = (tmp_path / "nonces").glob("*-0")
    table.write_bytes(b"\xff" * 100_000)
    (tmp_path / "nonces" / "lock").write_bytes(b"\xff" * 3)
    for name in ("0.0.swp", "0-0.swp", "x-1", "-1", "1-"):
        (tmp_path / "nonces" / name).write_bytes(b"")
    nonces = NonceFiles(tmp_path / "nonces")
    for n in range(2, 100):
        assert use(nonces, n)
        assert not use(nonces, n)


def test_a_full_disk_refuses(tmp_path: Path) -> None:
    nonces = NonceFiles(tmp_path / "nonces")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        for _ in range(2):
            with pytest.raises(Unavailable):
                use(nonces, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert use(nonces, 1)
    assert not use(nonces, 1)


def test_a_directory_that_cannot_be_used_refuses(tmp_path: Path) -> None:
    (tmp_path / "nonces").write_text("a file")
    for path in (tmp_path / "nonces", tmp_path / "missing" / "nonces"):
        with pytest.raises(Unavailable):
            use(NonceFiles(path), 1)
