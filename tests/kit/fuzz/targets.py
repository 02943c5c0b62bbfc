"""The targets by name, and where their corpora are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kit.fuzz import blob, files, keys, messages, parameters, policies, requests

CORPORA = Path(__file__).parent.parent.parent / "fuzz" / "corpus"


class Target(NamedTuple):
    """`run` raises for an input that breaks a promise. `words`: what inputs are made of, for the fuzzer's dictionary.

    `longest`: bytes of an input.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...]
    longest: int = 2048


TARGETS = {
    "blob": Target(blob.run, blob.seeds, blob.WORDS, 512),
    "sealed": Target(files.run, files.seeds, files.WORDS, 1024),
    "keys": Target(keys.run, keys.seeds, keys.WORDS, 1400),
    "message": Target(messages.run, messages.seeds, messages.WORDS),
    "query": Target(parameters.query, parameters.query_seeds, parameters.WORDS),
    "form": Target(parameters.form, parameters.form_seeds, parameters.WORDS),
    "json": Target(parameters.json_body, parameters.json_seeds, parameters.JSON_WORDS),
    "authorization": Target(requests.run, requests.seeds, requests.WORDS, 8192),
    "policy": Target(policies.of_access_keys, policies.access_key_seeds, policies.WORDS, 4096),
    "key-policy": Target(policies.of_keys, policies.key_seeds, policies.WORDS, 4096),
}


def kept(name: str) -> list[Path]:
    """The corpus of a target."""
    return sorted((CORPORA / name).glob("*"))
