#!/usr/bin/env bash
# msgspec 0.22.0 (PyPI); the same in 0.18.6, 0.19.0 and 0.20.0, which were run, too
# Surprise: for an int, the JSON number 3.2e1 is refused ("Expected `int`, got `float`"), but with strict=False, the mode for query
# strings and forms, the text "3.2e1" is 32, and so are "32.0" and "320e-1". "+32" and " 32", which Python's int() takes, are refused.
# Why it matters: the query-string protocols of cloud KMS APIs carry all parameters as text. A service that reads them with strict=False
# accepts NumberOfBytes=3.2e1 in one dialect and refuses the same number in its JSON dialect, and unlike int() it takes exponents.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check msgspec==0.22.0
v/bin/python - <<'E'
import sys

import msgspec

print("msgspec", msgspec.__version__)


def tried(call, *arguments, **options):
    try:
        return call(*arguments, **options)
    except msgspec.ValidationError as error:
        return str(error)


seen = {}
for text in "32", "32.0", "3.2e1", "320e-1", "+32", " 32", "032":
    as_text = tried(msgspec.convert, text, int, strict=False)
    try:
        as_json = tried(msgspec.json.decode, text, type=int)
    except msgspec.DecodeError as error:
        as_json = str(error)
    seen[text] = as_json, as_text
    print(f"{text!r}: as JSON {as_json!r}, as text with strict=False {as_text!r}")
refused = "Expected `int`, got `float`"
if any(seen[text] != (refused, 32) for text in ("32.0", "3.2e1", "320e-1")) or seen["+32"][1] == 32 or seen["32"] != (32, 32):
    sys.exit("changed")
print("still so")
E
