"""What the ids of faults, mistakes and differences say, to who has to mend a client."""

from __future__ import annotations

from importlib import resources

import msgspec


def _advice() -> dict[str, dict[str, str]]:
    """What the explorer says of faults and mistakes, in English: what is wrong, and what to do."""
    text = (resources.files("functions.endpoint.explorer") / "static" / "advice.json").read_bytes()
    kinds = msgspec.json.decode(text, type=dict[str, dict[str, list[str]]])
    return {kind: {id_: f"{what} {todo}" for id_, (what, todo, *_) in rows.items()} for kind, rows in kinds.items()}


_ADVICE = _advice()
FAULTS, MISTAKES = _ADVICE["faults"], _ADVICE["mistakes"]

DIFFERENCES = {
    "missing": "The client has no such line.",
    "extra": "The server has no such line.",
    "carriage-return": "The client's line ends with CR LF.",
    "spaces": "White space differs.",
    "letter-case": "Capital letters differ.",
    "code-case": "The client's escapes are in lower case.",
    "plus-for-space": "The client writes a space as +.",
    "not-escaped": "The client does not escape the value.",
    "escaped-twice": "The client escapes the value twice.",
    "escaped-otherwise": "The client escapes the value otherwise.",
    "port": "The port differs.",
    "empty-body": "The client signs the hash of an empty body.",
    "body": "The client has hashed another body than arrived.",
    "follows": "It follows from the canonical request, which differs: give --mine that one.",
    "value": "The values differ.",
    "order": "The lines are the same, in another order.",
}

WAY_OUT = {
    "right": "The signature is right: the request is refused for what is said above.",
    "unknown": (
        "No known mistake yields this signature. Most often the client has another secret. Or something on the way has"
        " changed the request, such as a proxy its Host: is the host below the one that the client calls? --mine FILE"
        " compares what the client itself has signed."
    ),
    "searching": "The server is still looking for two mistakes at once.",
}
