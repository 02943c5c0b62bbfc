"""What a command meets in the process that it is started in: streams that are full, closed or of another encoding, and
libraries that are not installed."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kit.connections import command
from kit.support import new_directory, run_tkms
from tkms.moving.keys import read_map

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_directory(tmp_path_factory.mktemp("process") / "data").path


@pytest.fixture(scope="module")
def blob(data: Path) -> str:
    return run_tkms("encrypt", "--data-dir", str(data), stdin="secret").stdout


def _shell(redirected: str, *words: str, stdin: str = "") -> Done:
    line = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command(*words)]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


# -- output that nobody takes --------------------------------------------------------------------------

SPEAKING = [
    ("key", "list"),
    ("key", "list", "--json"),
    ("key", "describe", "alias/default"),
    ("credential", "list"),
    ("policy", "list"),
    ("snippet",),
    ("audit",),
    ("audit", "verify"),
    ("doctor",),
    ("encrypt",),
    ("maintain", "--json"),
]


@pytest.mark.parametrize("words", SPEAKING, ids=" ".join)
def test_a_full_disk_behind_the_output_is_told(data: Path, words: tuple[str, ...]) -> None:
    where = () if words[0] == "policy" else ("--data-dir", str(data))
    done = _shell("> /dev/full", *words, *where)
    assert (done.returncode, done.stderr) == (
        1,
        "tkms: The standard output cannot be written: No space left on device.\n",
    )


def test_a_plaintext_that_has_no_room_is_no_success(data: Path, blob: str) -> None:
    done = _shell("> /dev/full", "decrypt", "--data-dir", str(data), stdin=blob)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot be written" in done.stderr


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("encrypt", "--help")], ids=" ".join)
def test_help_that_has_no_room_is_told(words: tuple[str, ...]) -> None:
    done = _shell("> /dev/full", *words)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(("words", "status"), [(("key", "describe", "alias/none"), 1), (("credential",), 2)])
def test_errors_that_have_no_room_keep_their_status(data: Path, words: tuple[str, ...], status: int) -> None:
    where = ("--data-dir", str(data)) if status == 1 else ()
    assert _shell("2> /dev/full", *words, *where).returncode == status


def test_a_reader_that_leaves_is_no_error_to_speak_of(data: Path) -> None:
    done = subprocess.run(
        [
            "bash",
            "-c",
            '"$@" | head -c 10; echo "${PIPESTATUS[0]}"',
            "bash",
            *command("key", "list", "--json", "--data-dir", str(data)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout[10:] in ("0\n", "1\n")


# -- streams that are closed ---------------------------------------------------------------------------


def test_a_closed_stream_is_an_empty_one(data: Path, blob: str) -> None:
    where = ("--data-dir", str(data))
    for closed in (">&-", "2>&-", "> /dev/null 2>&-", ">&- 2>&-"):
        done = _shell(closed, "decrypt", *where, stdin=blob)
        assert (done.returncode, done.stdout + done.stderr) == (0, "secret" if closed == "2>&-" else ""), closed
    done = _shell("<&-", "decrypt", *where)
    assert (done.returncode, done.stderr) == (1, "tkms: The standard input is empty: no ciphertext blob.\n")
    sealed = _shell("<&-", "encrypt", *where)
    assert sealed.returncode == 0
    assert run_tkms("decrypt", *where, stdin=sealed.stdout).stdout == ""


def test_no_file_of_ours_takes_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library writes to standard error would otherwise go into the store."""
    program = (
        "import os, sys\n"
        "from tkms.cli import main\n"
        "status = main(sys.argv[1:])\n"
        "assert [os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 2)] == [os.devnull] * 3\n"
        "os._exit(40 + status)\n"
    )
    data = str(tmp_path / "data")
    line = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program, "init", "--data-dir", data]
    assert subprocess.run(line, timeout=60).returncode == 40
    assert "1 to 1" not in run_tkms("doctor", "--data-dir", data).stdout


# -- what other programs make of text ------------------------------------------------------------------

SAVED = {
    "PowerShell 5": "utf-16",
    "big-endian": "utf-16-be",
    "editor's mark": "utf-8-sig",
}


def _saved(text: str, encoding: str) -> bytes:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    return (mark + text.replace("\n", "\r\n")).encode(encoding)


@pytest.mark.parametrize("encoding", SAVED.values(), ids=SAVED)
def test_a_blob_as_other_programs_save_it_opens(data: Path, blob: str, encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "blob.txt"
    file.write_bytes(_saved(blob, encoding))
    line = command("decrypt", "--data-dir", str(data))
    with file.open("rb") as stdin:
        assert subprocess.run(line, stdin=stdin, capture_output=True, check=True, timeout=60).stdout == b"secret"
    assert subprocess.run([*line, str(file)], capture_output=True, check=True, timeout=60).stdout == b"secret"


@pytest.mark.parametrize("encoding", SAVED.values(), ids=SAVED)
def test_a_policy_as_other_programs_save_it_is_read(data: Path, encoding: str, tmp_path: Path) -> None:
    file, where = tmp_path / "policy.json", ("--data-dir", str(data))
    text = '{"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": "*"}]}\n'
    file.write_bytes(_saved(text, encoding))
    made = json.loads(run_tkms("credential", "create", "--policy", str(file), "--json", *where).stdout)
    assert made["policy"] == json.loads(text)
    of_key = run_tkms("key", "policy", "show", "alias/default", *where).stdout
    file.write_bytes(_saved(of_key, encoding))
    run_tkms("key", "policy", "set", "alias/default", str(file), *where)
    assert run_tkms("key", "policy", "show", "alias/default", *where).stdout == of_key


@pytest.mark.parametrize("encoding", SAVED.values(), ids=SAVED)
def test_a_map_of_keys_as_other_programs_save_it_is_read(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_bytes(_saved('{"theirs": "alias/ours"}\n', encoding))
    assert read_map(file) == {"theirs": "alias/ours"}


def test_bytes_to_encrypt_are_never_taken_for_text(data: Path, tmp_path: Path) -> None:
    file, where = tmp_path / "secret", ("--data-dir", str(data))
    file.write_bytes(_saved("secret\n", "utf-16"))
    sealed = run_tkms("encrypt", str(file), *where).stdout
    opened = subprocess.run(command("decrypt", *where), input=sealed.encode(), capture_output=True, check=True)
    assert opened.stdout == file.read_bytes()


WRONG = {
    "none": (None, "cannot be read: No such file or directory."),
    "empty": (b" \n", "is empty: no ciphertext blob."),
    "binary": (b"\x01\xff\xfe", "cannot be read: it is not text in UTF-8."),
    "half a UTF-16": (b"\xff\xfeA", "cannot be read: it is not text in UTF-8."),
    "words": (b"dear me", "is not a ciphertext blob in base64."),
}


@pytest.mark.parametrize(("content", "text"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_no_blob_is_named(data: Path, tmp_path: Path, content: bytes | None, text: str) -> None:
    file = tmp_path / "blob"
    if content is not None:
        file.write_bytes(content)
    done = run_tkms("decrypt", str(file), "--data-dir", str(data), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"tkms: {file} {text}\n")


# -- libraries that are not installed ------------------------------------------------------------------

ON_A_STACK = [
    ("key", "list"),
    ("snippet",),
    ("credential", "create"),
    ("encrypt",),
    ("audit",),
    ("audit", "verify"),
    ("doctor",),
    ("take-over",),
    ("maintain",),
    ("rewrap", "ssm:/x"),
    ("events", "status"),
    ("events", "rejected"),
    ("events", "replay"),
]


@pytest.mark.parametrize("words", ON_A_STACK, ids=" ".join)
def test_each_command_says_what_a_stack_needs(words: tuple[str, ...]) -> None:
    program = "import sys; sys.modules['botocore'] = None; from tkms.cli import main; sys.exit(main())"
    line = [sys.executable, "-c", program, *words, "--stack", "tkms-acme"]
    done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "tkms: botocore is not installed: pip install '.[aws]' in the checkout"
        " (where pipx has it: pipx install --force '.[aws]' in the checkout)\n"
    )


def test_what_no_extra_installs_is_a_fault_of_ours() -> None:
    program = "import sys; sys.modules['msgspec'] = None; from tkms.cli import main"
    assert "Traceback" in subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr


def test_who_is_told_to_end_while_something_is_let_go_of_ends_all_the_same() -> None:
    """No exception comes out of `__del__`, in which files are closed."""
    program = """
        import os, signal, time
        from tkms.process import end_orderly

        class Held:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0)

        end_orderly()
        held = Held()
        del held
        print("let go of", flush=True)
        time.sleep(60)
    """
    line = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "let go of\n", "")
