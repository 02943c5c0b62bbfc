#!/usr/bin/env bash
# mypy 2.4.1 (its mypyc) with msgspec 0.22.0 (PyPI), CPython 3.11; needs gcc. Known: python/mypy#21938
# Surprise: compiled by mypyc, `class Key(Struct, frozen=True, kw_only=True, tag="key", forbid_unknown_fields=True)` is a class without
# these keywords. Neither compiler nor mypy says so, and the class works: what was frozen can be changed, what was keyword-only is
# positional, the tag is missing from its JSON, and unknown fields are read over. `field(default_factory=..)` at least fails, with a
# TypeError at the import.
# Why it matters: compiling is a change of packaging, after all checks of types. A Struct is what reads a request; a field that should be
# refused as unknown is dropped, and documents lose the tag by which others read them.
set -euo pipefail
if ! command -v gcc >/dev/null; then echo "gcc is not installed: nothing was tried" >&2; exit 1; fi
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check mypy==2.4.1 msgspec==0.22.0 setuptools==82.0.1
cat > key.py <<'E'
from msgspec import Struct


class Key(Struct, frozen=True, kw_only=True, tag="key", forbid_unknown_fields=True):
    name: str
    state: str = "enabled"
E
cat > tagged.py <<'E'
from msgspec import Struct, field


class Tagged(Struct):
    tags: dict[str, str] = field(default_factory=dict)
E
cat > run.py <<'E'
import json

import key
import msgspec


def tried(call):
    try:
        return repr(call())
    except (AttributeError, TypeError, msgspec.ValidationError) as error:
        return type(error).__name__


def import_tagged():
    import tagged

    return tagged.Tagged().tags


made = key.Key(name="a")
print(json.dumps({
    "compiled": not key.__file__.endswith(".py"),
    "written as": msgspec.json.encode(made).decode(),
    "positional": tried(lambda: key.Key("a").name),
    "changed": tried(lambda: setattr(made, "name", "b") or made.name),
    "unknown field": tried(lambda: msgspec.json.decode(b'{"type":"key","name":"a","stat":"disabled"}', type=key.Key).state),
    "default_factory": tried(import_tagged),
}))
E
v/bin/python run.py > plain
mkdir c && cp run.py key.py tagged.py c/ && cd c
../v/bin/mypy --strict --no-error-summary key.py tagged.py
for module in key tagged; do ../v/bin/mypyc "$module.py" >log 2>&1 || { cat log >&2; exit 1; }; rm "$module.py"; done
../v/bin/python run.py > ../compiled
cd ..
v/bin/python - <<'E'
import json
import sys
from importlib.metadata import version

print("mypy", version("mypy"), "msgspec", version("msgspec"))
plain, compiled = (json.load(open(name)) for name in ("plain", "compiled"))
for name in plain:
    print(f"{name}: {plain[name]}, and compiled {compiled[name]}")
if list(plain.values()) != [False, '{"type":"key","name":"a","state":"enabled"}', "TypeError", "AttributeError", "ValidationError", "{}"]:
    sys.exit("changed")
if list(compiled.values()) != [True, '{"name":"a","state":"enabled"}', "'a'", "'b'", "'enabled'", "TypeError"]:
    sys.exit("changed")
print("still so")
E
