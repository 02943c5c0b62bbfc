"""Where tenants are listed: in a file that the context or the environment names, or else in cdk.json."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdk.tenants import ROOT, Tenant, TenantError, parse

VARIABLE = "TKMS_TENANTS"
PROJECT = ROOT / "cdk.json"


def listed(context: object = None) -> Sequence[Tenant]:
    """The tenants of the file that `context` names (`cdk -c tenants=FILE`), else `TKMS_TENANTS`, else of cdk.json.

    `context` is the context's `tenants`: the list of cdk.json, unless the command line says a file. A relative path
    is one of the current directory. Raises `TenantError`, each line of which begins with the file.
    """
    named = context if isinstance(context, str) else os.environ.get(VARIABLE)
    file = Path(named).expanduser().absolute() if named else PROJECT
    try:
        if named:
            return parse(_read(file))
        return parse(_read(file)["context"].get("tenants") if context is None else context)
    except TenantError as e:
        raise TenantError("\n".join(f"{file}: {line}" for line in str(e).splitlines())) from None


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except OSError as e:
        raise TenantError(f"it cannot be read: {e.strerror}") from None
    except UnicodeDecodeError:
        raise TenantError("it is not UTF-8 text") from None
    except json.JSONDecodeError as e:
        raise TenantError(f"it is not JSON: line {e.lineno}, column {e.colno}: {e.msg}") from None
