"""What the `@action` lines say, written where it is read (docs/keys.md, names.ACTIONS): make coverage"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from functions.endpoint.dispatch import load
from tenantkms.action.rule import Rule
from tenantkms.model import specs
from tenantkms.model.states import KeyState
from tools.coverage import DOCS

PAGE = DOCS / "keys.md"
NAMES = DOCS.parent / "layers/tenantkms/python/tenantkms/names.py"
BEGIN, END = "<!-- states: written by make coverage -->", "<!-- /states -->"
_KINDS = {
    specs.ANY_KEY: "any key",
    specs.BLOBS: "AES or SM4, ENCRYPT_DECRYPT",
    specs.RSA_BLOBS: "RSA, ENCRYPT_DECRYPT",
    specs.SIGNATURES: "asymmetric, SIGN_VERIFY",
    specs.AGREEMENTS: "EC of NIST, KEY_AGREEMENT",
    specs.PUBLIC_KEYS: "asymmetric",
    specs.MACS: "HMAC, GENERATE_VERIFY_MAC",
}


def rules() -> list[Rule]:
    """What each Action says of itself, by name."""
    from cdk.tenants import actions

    return sorted((load(name).rule for name in actions().values()), key=lambda rule: rule.name)


def _rows(rules: list[Rule]) -> Iterator[str]:
    yield f"| Action | {' | '.join(KeyState)} | the key must be |"
    yield "|---" * (len(KeyState) + 2) + "|"
    for rule in rules:
        if rule.refuses is not None and rule.needs is not None:
            cells = [rule.refuses[state].__name__ if state in rule.refuses else "" for state in KeyState]
            yield f"| {rule.name} | {' | '.join(cells)} | {_KINDS[rule.needs]} |"


def render(rules: list[Rule]) -> str:
    """The table, and the Actions that are not in it."""
    without = ", ".join(rule.name for rule in rules if rule.refuses is None)
    return "\n".join(_rows(rules)) + f"\n\nWithout a key, or with keys by the rules of Encrypt and Decrypt: {without}."


def page(text: str) -> str:
    """The page with its table as it is to be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render(rules())}\n{END}{after}"


_LISTED = re.compile(r'(ACTIONS = tuple\(\n    """\n).*?(    """\.split\(\)\n\))', re.DOTALL)


def names(text: str) -> str:
    """names.py with the names of all Actions as they are to be."""
    listed = textwrap.fill(
        " ".join(rule.name for rule in rules()), 116, initial_indent="    ", subsequent_indent="    "
    )
    return _LISTED.sub(lambda found: f"{found[1]}{listed}\n{found[2]}", text)


def main() -> None:
    NAMES.write_text(names(NAMES.read_text("utf-8")), "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
