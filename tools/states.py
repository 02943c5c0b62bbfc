"""The table of docs/keys.md, what each state of a key refuses to each Action: make coverage"""

from __future__ import annotations

from collections.abc import Iterator

from functions.endpoint.dispatch import load
from tenantkms.action.rule import Rule
from tenantkms.model import specs
from tenantkms.model.states import KeyState
from tools.coverage import DOCS

PAGE = DOCS / "keys.md"
BEGIN, END = "<!-- states: written by make coverage -->", "<!-- /states -->"
_KINDS = {
    specs.ANY_KEY: "any key",
    specs.BLOBS: "AES or SM4, ENCRYPT_DECRYPT",
    specs.RSA_BLOBS: "RSA, ENCRYPT_DECRYPT",
    specs.SIGNATURES: "RSA or EC, SIGN_VERIFY",
    specs.PUBLIC_KEYS: "RSA or EC",
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


def main() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
