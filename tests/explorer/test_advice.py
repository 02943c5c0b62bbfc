"""All that the signature check can find has its words in both languages, and it has no words for more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kit.in_node import STATIC, exported

Advice = dict[str, dict[str, list[str]]]
ADVICE: Advice = json.loads((STATIC / "advice.json").read_text("utf-8"))
ENDS = (".", ")", "…", "。", "\uff09")
CHINESE = re.compile("[\u4e00-\u9fff]")


def source(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def ids(module: str, table: str) -> set[str]:
    return {row["id"] for row in exported(module, table)}


def named(prefix: str) -> set[str]:
    """The texts of the check that begin so, without that."""
    texts: dict[str, Any] = exported("check-texts.js", "TEXTS")["en"]
    return {key.removeprefix(prefix) for key in texts if key.startswith(prefix)}


def test_each_mistake_and_each_fault_has_words_and_nothing_else_has() -> None:
    assert set(ADVICE) == {"mistakes", "faults"}
    assert set(ADVICE["mistakes"]) == ids("mistakes.js", "MISTAKES")
    assert set(ADVICE["faults"]) == ids("faults.js", "FAULTS")


@pytest.mark.parametrize("kind", ADVICE)
def test_they_say_what_it_is_and_what_to_do_in_both_languages(kind: str) -> None:
    said: set[str] = set()
    for name, told in ADVICE[kind].items():
        what, way, what_zh, way_zh = told
        assert not CHINESE.search(what + way), name
        assert CHINESE.search(what_zh), name
        assert CHINESE.search(way_zh), name
        assert all(text.endswith(ENDS) and len(text) < 230 for text in told), name
        said |= {what, what_zh}
    assert len(said) == 2 * len(ADVICE[kind]), "two are told by the same words"


def test_each_answer_of_the_engine_has_its_words() -> None:
    verdicts = {*exported("verdict.js", "VERDICTS")}
    assert {key.split(".")[0] for key in named("verdict.") - {"inconsistent"}} - {"key"} == verdicts - {"key"}
    assert verdicts <= named("verdict.")
    assert named("unreadable.") == {*re.findall(r'Unreadable\("([a-z-]+)"', source("received.js"))}
    assert named("why.") == {*exported("differences.js", "REASONS")}
    places = {*re.findall(r'"#([a-z-]+)"', source("differences.js"))}
    for listed in re.findall(r'(?:numbered\(|\[)((?:"[a-z-]+"(?:, )?)+)[\])](?:\.map|[;,)])', source("differences.js")):
        places |= {*re.findall(r'"([a-z-]+)"', listed)}
    reasons = {*exported("differences.js", "REASONS")}
    assert named("line.") == (places - reasons) | {"order", "more"}


def test_each_text_is_used() -> None:
    scripts = [path.read_text("utf-8") for path in STATIC.glob("*.js") if not path.name.endswith("texts.js")]
    whole = {key for script in scripts for key in re.findall(r'"([a-z]+(?:\.[a-z-]+)+)"', script)}
    begun = {key for script in scripts for key in re.findall(r"`([a-z]+(?:\.[a-z-]+)*\.)\$\{", script)}
    assert begun >= {"verdict.", "unreadable.", "why.", "line.", "check.how.", "check.lines."}
    for module in ("texts.js", "check-texts.js"):
        for key in exported(module, "TEXTS")["en"]:
            assert key in whole or "." not in key or any(key.startswith(start) for start in begun), key
