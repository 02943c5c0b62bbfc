"""Requests that may take long run in threads, so nothing that they share may be built by the first of them.

msgspec builds what it knows of a struct type when it first meets it, and crashes the whole process when two threads
meet it at once. Imports happen under a lock: a type that is built there is safe.
"""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
from pathlib import Path
import msgspec
from functions.endpoint.dispatch import load
from tenantkms.access import iam, key_policy, policy, ram
from tenantkms.action import call
from tenantkms.wire.dialects.alibaba import fields as alibaba
from tenantkms.wire.dialects.tencent import fields as tencent

types = {"Call": call.Call, "policy": policy._Document, "key policy": ram.Document,
         "key policy of AWS": iam.Document, "form": key_policy._Head,
         "alibaba filter": alibaba._Filter, "tencent filter": tencent._TagFilter}
for path in Path("functions").glob("*/handler.py"):
    name = "".join(word.title() for word in path.parent.name.split("_"))
    try:
        types[name] = load(name).params
    except AttributeError:
        pass  # no Action: the endpoint, and what runs on a schedule
assert {"CreateKey", "Encrypt"} <= types.keys()

built = set()
def watch(frame, event, _argument):
    if event == "call" and Path(frame.f_code.co_filename).name == "_utils.py" and "msgspec" in frame.f_code.co_filename:
        built.add(name)

for name, kind in types.items():
    sys.setprofile(watch)
    try:
        msgspec.convert({}, kind)
    except msgspec.ValidationError:
        pass
    finally:
        sys.setprofile(None)
print(*sorted(built), sep=", ")
"""


def test_no_type_is_built_while_a_request_is_served() -> None:
    """A process of its own, where nothing was met yet. It prints the types that a request would build."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == ""
