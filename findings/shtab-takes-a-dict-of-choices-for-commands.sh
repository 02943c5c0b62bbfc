#!/usr/bin/env bash
# shtab 1.13.0 (PyPI); the same in 1.5.8, 1.7.2, 1.9.3 and 1.12.1, which were run, too
# Surprise: argparse takes any container as the `choices` of an argument, a dict as well. If a positional's are a dict, shtab takes them for
# subcommands, and raises AttributeError about _get_subactions; an option's dict, and a positional's list of the dict, are completed.
# Why it matters: a table of names to functions is the usual `choices` of a command line. Adding completion to it fails for the whole
# program, with an error that names neither the argument nor the choices.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check shtab==1.13.0
v/bin/python - <<'E'
import argparse
import sys
from importlib.metadata import version

import shtab

table = {"encrypt": print, "decrypt": print}
forms = {
    "a positional, list(table)": ("action", list(table)),
    "an option, table": ("--action", table),
    "a positional, table": ("action", table),
}
seen = []
print("shtab", version("shtab"))
for form, (name, choices) in forms.items():
    parser = argparse.ArgumentParser("tool")
    parser.add_argument(name, choices=choices)
    assert parser.parse_args(["encrypt"] if name == "action" else ["--action", "encrypt"]).action == "encrypt"
    for shell in "bash", "zsh", "tcsh":
        try:
            outcome = "completed" if "decrypt" in shtab.complete(parser, shell) else "not completed"
        except AttributeError as error:
            outcome = f"AttributeError: {error}"
        seen.append(outcome.split(":")[0])
        print(f"{form}, {shell}: {outcome}")
if seen[:6] != ["completed"] * 6 or "AttributeError" not in seen[6:]:
    sys.exit("changed")
print("still so")
E
