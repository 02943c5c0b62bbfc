"""GenerateRandom: bytes from the operating system's random source."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter
from tenantkms.runtime.lambda_entry import entry

_MAX_SIZE = 1024


class GenerateRandom(Params, frozen=True, kw_only=True):
    number_of_bytes: int


class Random(Result, frozen=True, kw_only=True):
    plaintext: bytes


@action("GenerateRandom", refuses=NO_KEY, needs=NO_KEY)
def generate_random(params: GenerateRandom, scope: Scope) -> Random:
    if not 1 <= params.number_of_bytes <= _MAX_SIZE:
        raise InvalidParameter(f"NumberOfBytes is from 1 to {_MAX_SIZE}.")
    scope.allow()
    return Random(plaintext=scope.random(params.number_of_bytes))


handler = entry(generate_random)
