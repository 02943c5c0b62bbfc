"""What runs a drill: the page's blocks, one shell for all of them, and a row for each step."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tenantkms.errors import Unavailable
from tkms.drill import sandbox
from tkms.drill.acts import Where, own, page, plan, promise
from tkms.drill.drills import DRILLS
from tkms.drill.options import NAMES
from tkms.drill.page import UNRUN, checkout, filled, sections, unrun
from tkms.drill.play import Row, play
from tkms.drill.shell import Shell, StepFailed
from tkms.output import Failed, UsageError

HERE = Where(emulator=False)
PLACES = [Where(emulator, release) for emulator in (False, True) for release in ("", "v0.1.0")]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"PATH": os.environ["PATH"], "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI"}, seconds=20)


class Quiet:
    def __init__(self) -> None:
        self.told: list[str] = []

    def begun(self, row: Row) -> None:
        self.told.append(f"{row.step}/{row.steps}")

    def ended(self, row: Row) -> None:
        self.told.append(row.state)


# -- the page --------------------------------------------------------------------------------------------


def test_blocks_stand_under_their_headings(tmp_path: Path) -> None:
    text = "# T\n## A\n```sh\n# no heading\none\n```\n1. x\n\n   ```sh\n   two\n     more\n   ```\n## B\n```json\n```\n"
    (tmp_path / "page.md").write_text(text)
    assert sections("page.md", tmp_path) == {"A": ["# no heading\none\n", "two\n  more\n"]}
    (tmp_path / "page.md").write_text(text + "```sh\nnever ends\n")
    with pytest.raises(Failed, match="has no end"):
        sections("page.md", tmp_path)


def test_a_block_takes_values_for_what_it_assigns_once() -> None:
    assert filled("A=1 B=$A\necho $A", {"A": "$X"}) == "A=$X B=$A\necho $A"
    for block in ("B=1", "A=1\nA=2"):
        with pytest.raises(Failed, match="A is not assigned once"):
            filled(block, {"A": "2"})


def test_a_block_says_why_it_is_left_to_a_person() -> None:
    for mark in UNRUN:
        assert unrun(f"{mark}it needs a terminal\nmake x\n") == "it needs a terminal"
        assert unrun(f"make x {mark}no\n") == ""


def test_what_commands_write_is_not_written_into_the_checkout(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    for name in ("Makefile", "policy.json", "tenants.json"):
        (root / name).write_text(name)
    folder = checkout(tmp_path / "links", root)
    assert {path.name for path in folder.iterdir()} == {"Makefile", "build"}
    assert (folder / "Makefile").read_text() == "Makefile"


# -- one shell -------------------------------------------------------------------------------------------


def test_a_script_knows_what_those_before_it_have_named(shell: Shell) -> None:
    shell('A="one  two" B=$(echo asked >> asked; echo three)\nf() { echo "$A $1"; }')
    shell("C=3; export D=4")
    assert shell('f "$B"; echo $C; sh -c "echo \\$D\\$A"') == "one  two three\n3\n4\n"
    assert (shell.folder / "asked").read_text() == "asked\n", "a value is kept, and not asked for again"
    with pytest.raises(StepFailed):
        shell("A=lost; false")
    assert shell('echo "$A"', A="over") == "one  two\n"


def test_every_command_has_to_succeed(shell: Shell) -> None:
    for script in ("false; true", "false | true", "echo $UNNAMED"):
        with pytest.raises(StepFailed, match="status 1"):
            shell(script)
    os.mkfifo(shell.folder / "pipe")
    with pytest.raises(StepFailed, match="did not end within 1 seconds"):
        Shell(shell.folder, shell.environment, seconds=1)("cat <> pipe")


@pytest.mark.parametrize(
    "said",
    [
        "access_key_secret  hidden",
        '{"SecretAccessKey": "hidden"}',
        '"SessionToken":"hidden",',
        "AWS_SECRET_ACCESS_KEY=hidden",
        "|  SecretAccessKey |  hidden  |",
        "of the shell: wJalrXUtnFEMI",
    ],
)
def test_a_failure_shows_no_secret(shell: Shell, said: str) -> None:
    (shell.folder / "out").write_text(said)
    with pytest.raises(StepFailed) as caught:
        shell("cat out >&2; false")
    assert "hidden" not in str(caught.value)
    assert "wJalrXUtnFEMI" not in str(caught.value)
    assert "***" in caught.value.said


# -- step by step ----------------------------------------------------------------------------------------


def test_after_a_step_that_failed_no_other_is_run(shell: Shell) -> None:
    acts = (own("one", "touch one"), own("two", "echo why >&2; exit 3"), promise("three", "touch three"))
    teller = Quiet()
    done = play("d", plan(acts, [], HERE), shell, teller)
    assert [(row.state, row.reason, row.said) for row in done] == [
        ("ok", "", ""),
        ("failed", "it ended with status 3", "why"),
        ("not run", "step 2 failed", ""),
    ]
    assert teller.told == ["1/3", "ok", "2/3", "failed", "3/3", "not run"]
    assert not (shell.folder / "three").exists()


def test_a_promise_that_is_broken_ends_nothing(shell: Shell) -> None:
    acts = (promise("one", "false"), own("two", "true"), promise("three", "", person=lambda _: "nobody can"))
    done = play("d", plan(acts, [], HERE), shell, Quiet())
    assert [(row.state, row.reason) for row in done[1:]] == [("ok", ""), ("by hand", "nobody can")]
    assert done[0].state == "failed"


def test_a_block_has_to_say_what_is_waited_for(shell: Shell) -> None:
    blocks = ["X=1\necho it is $X\n", "echo it is $X\n", f"{UNRUN[0]}it needs a terminal\nfalse\n"]
    acts = (page("one", says="it is $X", X="2"), page("two", says="it is 3"), page("three"))
    one, two, three = play("d", plan(acts, blocks, HERE), shell, Quiet())
    assert (one.state, one.command, two.state, two.reason) == (
        "ok",
        "X=2\necho it is $X",
        "failed",
        "it does not say it is 3",
    )
    assert (three.state, three.reason) == ("by hand", "it needs a terminal")


def test_a_page_with_other_blocks_is_refused() -> None:
    with pytest.raises(Failed, match="no block for: two"):
        plan((page("one"), page("two")), ["true"], HERE)
    with pytest.raises(Failed, match="that no drill knows:\nfalse"):
        plan((page("one"),), ["true", "false"], HERE)


# -- the drills ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_each_drill_is_of_all_blocks_of_its_section(where: Where) -> None:
    found = sections()
    shared = [found[section][number] for section, number in sandbox.BLOCKS]
    parts = [plan(sandbox.SETUP, shared, where), plan(sandbox.away(DRILLS), [], where)]
    parts += [plan(drill.acts, found[drill.section], where) for drill in DRILLS.values()]
    for one in (one for part in parts for one in part):
        assert one.script or one.person, one
        done = subprocess.run(["bash", "-n", "-c", one.script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), one.script
    assert all(any(one.act.kind == "promise" and not one.person for one in part) for part in parts[2:])


def test_the_command_has_all_drills() -> None:
    assert (*DRILLS, "all", "away") == NAMES


def _tags(folder: Path, *tags: str) -> Path:
    """A repository with a commit for each name, which has that tag."""
    git = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.com",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run([*git, "init", "-q"], check=True)
    for tag in tags:
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", tag or "between"], check=True)
        if tag:
            subprocess.run([*git, "tag", tag], check=True)
    return folder


@pytest.mark.parametrize(
    ("tags", "before"),
    [((), ""), (("v0.1.0",), ""), (("v0.1.0", ""), "v0.1.0"), (("v0.1.0", "v0.2.0"), "v0.1.0"), (("other", ""), "")],
)
def test_back_is_to_the_newest_tag_before(tmp_path: Path, tags: tuple[str, ...], before: str) -> None:
    repository = _tags(tmp_path, *tags)
    assert sandbox.release(repository, "") == before
    assert sandbox.release(repository, "none") == ""
    assert [sandbox.release(repository, tag) for tag in tags if tag] == [tag for tag in tags if tag]
    with pytest.raises(UsageError, match=r"v9 is no tag of this checkout"):
        sandbox.release(repository, "v9")


@pytest.mark.parametrize("said", [f"tkms: {Unavailable.text}", "tkms: The parent key did not seal."])
def test_a_parent_key_that_is_out_of_use_is_known_by_what_any_function_says(shell: Shell, said: str) -> None:
    """One that has the root secret fails as it seals; one that has just started fails before that."""
    (ways,) = (act for act in sandbox.SETUP if act.title == "how promises are looked at")
    (lost,) = (act for act in DRILLS["break-glass"].acts if act.title.endswith("nothing new is made"))
    shell(ways.script)
    shell(f'tkms() {{ echo "{said}" >&2; return 1; }}; sleep() {{ :; }}\n{lost.script}', STACK="tkms-x")
    with pytest.raises(StepFailed):
        shell(f'tkms() {{ echo "tkms: AccessDenied" >&2; return 1; }}; sleep() {{ :; }}\n{lost.script}', STACK="tkms-x")
