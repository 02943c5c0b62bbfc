"""Names that several rooms know: of the dialects, and of the folder that an Action has under `functions/`."""

from __future__ import annotations

import re

ALIBABA, TENCENT, TENCENT_V2 = "alibaba", "tencent", "tencent-v2"
DIALECTS = (ALIBABA, TENCENT, TENCENT_V2)
"""The dialects that a credential can be allowed in."""
NATIVE = "native"
"""Who calls without a dialect: the `tkms` command, and AWS principals that invoke an Action's function."""

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def folder(action: str) -> str:
    """The folder of an Action under `functions/`: `GenerateDataKey` lives in `generate_data_key`."""
    return _WORD.sub("_", action).lower()


def module(action: str) -> str:
    """The module of an Action, which holds it under the name of its folder."""
    return f"functions.{folder(action)}.handler"
