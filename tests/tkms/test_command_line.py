"""What holds of every command, found by walking the parsers: help, choices, kinds of failure and their statuses."""

from __future__ import annotations

import argparse
import io
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.connections import command
from kit.support import new_directory
from tkms import cli

Leaf = tuple[tuple[str, ...], argparse.ArgumentParser]


def _leaves(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Each command with its words, also one that goes on, as `tkms audit verify`."""
    if parser.get_default("run"):
        yield words, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, one in action.choices.items():
                yield from _leaves(one, (*words, word))


LEAVES = {" ".join(words): (words, parser) for words, parser in _leaves(cli._parser())}
NO_JSON = {
    "serve",
    "console",
    "init",
    "welcome",
    "snippet",
    "policy show",
    "take-over",
    "completion",
    "ready",
    "upgrade",
}
"""Those that print a program or a document, that ask a person, that go on, or that answer by their status."""
MAKING = {"serve", "init", "restore", "import", "backup verify", "open"}
"""They need no data directory."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))


def _value(action: argparse.Action) -> str:
    """One that the option or argument takes."""
    if action.choices:
        return str(next(iter(action.choices)))
    if action.type is int:
        return "7"
    return {"NAME=VALUE": "a=b", "TIME": "1h"}.get(str(action.metavar), "x")


def _line(parser: argparse.ArgumentParser, value: str = "") -> list[str]:
    """The least that it takes, and no question; `value` in place of each text."""
    words = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or not (
            action.required or action.option_strings == ["--yes"]
        ):
            continue
        if action.dest == "stack":
            continue
        words += action.option_strings[:1]
        if action.nargs != 0:
            words.append(value if value and not action.choices and action.type is None else _value(action))
    return words


def _run(capsys: Any, *args: str) -> tuple[int, str]:
    """(status, standard error); what is not foreseen is raised."""
    try:
        status = cli.main(args)
    except SystemExit as e:
        status = int(e.code or 0)
    return status, capsys.readouterr().err


def _has(parser: argparse.ArgumentParser, dest: str) -> bool:
    return any(action.dest == dest for action in parser._actions)


@pytest.mark.parametrize("name", LEAVES)
def test_the_help_of_each_command_has_plain_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, _ = LEAVES[name]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert text.startswith(f"usage: tkms {name}")
    assert not re.search(r"<[A-Z]\w+\.|\b(KeySpec|KeyUsage|KeyState|Origin)\b|function ", text)


@pytest.mark.parametrize("name", LEAVES)
def test_each_command_has_json_or_a_reason(name: str) -> None:
    assert _has(LEAVES[name][1], "json") is (name not in NO_JSON)


@pytest.mark.parametrize("name", LEAVES)
def test_an_option_or_choice_that_is_none_has_status_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, parser = LEAVES[name]
    status, err = _run(capsys, *words, *_line(parser), "--no-such-option")
    assert (status, "Traceback" in err) == (2, False)
    for action in parser._actions:
        if action.choices and not isinstance(action, argparse._SubParsersAction):
            status, err = _run(capsys, *words, *action.option_strings[:1], "no-such-choice")
            assert status == 2
            assert re.search("invalid choice: 'no-such-choice' \\(choose from '?[a-zA-Z]", err), err
        if action.type is int or getattr(action.type, "__module__", "").startswith("tkms"):
            status, err = _run(capsys, *words, *action.option_strings[:1], "no-such-value")
            assert status == 2
            assert "invalid _" not in err, "the name of a function of ours"


@pytest.mark.parametrize("name", [name for name, (_, parser) in LEAVES.items() if _line(parser)])
def test_what_is_missing_has_status_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words, parser = LEAVES[name]
    if any(action.required and action.dest != "stack" for action in parser._actions):
        status, err = _run(capsys, *words)
        assert status == 2
        assert "required" in err


@pytest.mark.parametrize("name", [n for n, (_, p) in LEAVES.items() if _has(p, "data_dir") and n not in MAKING])
def test_a_place_that_is_not_there_has_status_1(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, parser = LEAVES[name]
    monkeypatch.chdir(tmp_path)
    line = {
        "import-from": ["aws", "--key", "k"],
        "watch": [str(tmp_path / "in"), str(tmp_path / "out")],
        "policy check": ["--credential", "x", "--action", "Encrypt"],
    }.get(name, _line(parser))
    (tmp_path / "x").write_bytes(b"x")
    for directory in ("in", "out"):
        (tmp_path / directory).mkdir()
    if name == "decrypt":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"AAAA")))
    status, err = _run(capsys, *words, *line, "--data-dir", str(tmp_path / "none"))
    assert (status, "There is no data directory at" in err) == (1, True), err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", [n for n, (_, p) in LEAVES.items() if _has(p, "data_dir") and n not in MAKING])
def test_what_is_no_text_is_told_and_never_a_fault(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, parser = LEAVES[name]
    line = _line(parser, value="\udcff")
    if "\udcff" in line:
        monkeypatch.chdir(tmp_path)
        status, err = _run(capsys, *words, *line, "--data-dir", str(new_directory(tmp_path / "data").path))
        assert status in (1, 2)
        # The name of a file that is to be made may be any bytes: what is missing is a passphrase.
        assert (
            "\\xff" in err
            or "None is" in err
            or "none" in err
            or (name in ("backup", "export") and "passphrase" in err)
        )


def test_names_of_verbs_and_versions_at_the_top(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"tkms \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("processors", [{0}, {1, 3, 6}])
def test_there_are_as_many_workers_as_processors_that_the_process_may_use(
    processors: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: processors if process == 0 else set())
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert cli._parser().parse_args(["serve"]).workers == len(processors)
    assert cli._parser().parse_args(["serve", "--workers", "2"]).workers == 2


def test_a_full_disk_behind_the_output_has_status_1(tmp_path: Path) -> None:
    data = str(new_directory(tmp_path / "data").path)
    for args in (["key", "list"], ["encrypt"], ["policy", "list"]):
        where = [] if args[0] == "policy" else ["--data-dir", data]
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command(*args, *where), input=b"x", stdout=full, stderr=subprocess.PIPE, timeout=60)
        assert (done.returncode, done.stderr) == (
            1,
            b"tkms: The standard output cannot be written: No space left on device.\n",
        )
