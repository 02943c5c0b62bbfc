"""How results are printed: plain and the same each time in a pipe, for people on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tkms import output

NOW = 1_800_000_000
ROWS = [("NAME", "STATE"), ("一二", "enabled"), ("e\u0301\x1b[2J", "disabled")]


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, for somebody who wants colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(output, "time", lambda: NOW)


PLAIN = "NAME      STATE\n一二      enabled\ne\u0301\\x1b[2J  disabled\n"


def test_a_table_in_a_pipe_is_plain_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(ROWS)
    assert capsys.readouterr().out == PLAIN


def test_a_table_on_a_terminal_is_coloured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    output.table(ROWS)
    assert capsys.readouterr().out == (
        "\033[1mNAME      STATE\033[0m\n一二      \033[32menabled \033[0m\ne\u0301\\x1b[2J  \033[33mdisabled\033[0m\n"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    on_terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    output.table(ROWS)
    assert capsys.readouterr().out == PLAIN


HINTS = {
    0: "now",
    1: "in 1 second",
    -59: "59 seconds ago",
    60: "in 1 minute",
    3 * 3600 + 5: "in 3 hours",
    -86_400: "1 day ago",
    int(6.6 * 86_400): "in 7 days",
}


@pytest.mark.parametrize(("far", "hint"), HINTS.items())
def test_a_date_on_a_terminal_says_how_far_off_it_is(far: int, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    assert output.date(NOW + far) == f"{output.time_text(NOW + far)} ({hint})"
    assert output.date(0) == "never"


def test_a_date_in_a_pipe_is_the_same_tomorrow() -> None:
    assert output.date(NOW) == "2027-01-15T08:00:00Z"


def test_on_a_real_terminal() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    ours, theirs = pty.openpty()
    try:
        line = [sys.executable, "-m", "tkms.cli", "policy", "list"]
        subprocess.run(line, stdout=theirs, env=environment, check=True, timeout=60)
        assert os.read(ours, 1 << 16).startswith(b"\033[1mNAME ")
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_rows_one_after_another_are_the_list(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": str(n), "tags": {"a": [n]}, "none": {}} for n in range(count)]
    output.print_json(rows)
    output.print_json_rows(iter(rows))
    whole, one_by_one = capsys.readouterr().out.split("\n[", 1) if count else capsys.readouterr().out.split("\n", 1)
    assert (f"[{one_by_one}" if count else one_by_one).strip() == whole.strip()


def test_a_long_table_is_shown_by_pages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "_PAGE", 3)
    taken = [0]

    def rows() -> Iterator[tuple[str, str]]:
        yield "NAME", "STATE"
        for n in range(7):
            taken[0] += 1
            yield "x" * (n + 1), "on"

    output.table(rows())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["NAME", "STATE"], *(["x" * (n + 1), "on"] for n in range(7))]
    assert lines[1] == "x     on"


def test_one_of_a_thing_is_not_several() -> None:
    assert [output.counted(number, "key") for number in (0, 1, 2, 2000)] == ["0 keys", "1 key", "2 keys", "2,000 keys"]
    assert [output.counted(number, "alias", "aliases") for number in (1, 2)] == ["1 alias", "2 aliases"]
