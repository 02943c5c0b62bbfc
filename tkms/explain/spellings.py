"""The ways in which clients escape names and values."""

from __future__ import annotations

import re
from collections.abc import Callable

from tenantkms.wire import parse
from tkms.explain.parts import escape as strict

_LOOSE = re.compile(r"[^A-Za-z0-9_.~!'()*-]")
_CODE = re.compile("%..")


def plus(text: str) -> str:
    return strict(text).replace("%20", "+")


def java(text: str) -> str:
    """As java.net.URLEncoder."""
    return plus(text).replace("%2A", "*").replace("~", "%7E")


def lower(text: str) -> str:
    return _CODE.sub(lambda code: code[0].lower(), strict(text))


def loose(text: str) -> str:
    """As encodeURIComponent."""
    return parse.escape(text.encode("utf-8", "replace").decode(), _LOOSE)


def slash(text: str) -> str:
    return strict(text).replace("%2F", "/")


def twice(text: str) -> str:
    return strict(strict(text))


ALL: tuple[Callable[[str], str], ...] = (strict, plus, java, loose)

__all__ = ["ALL", "java", "loose", "lower", "plus", "slash", "strict", "twice"]
