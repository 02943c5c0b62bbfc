"""Pairs of data keys: what GenerateDataKeyPair and its sibling have in common."""

from __future__ import annotations

from typing import NamedTuple

from tenantkms.action.call import Params
from tenantkms.action.scope import Scope
from tenantkms.crypto import asymmetric
from tenantkms.crypto.envelope import BYTES
from tenantkms.errors import UnsupportedKeySpec
from tenantkms.model.specs import EC, EDWARDS, RSA, KeySpec
from tenantkms.model.version import version_id

PAIRS = RSA | EC | EDWARDS


class DataKeyPairParams(Params, frozen=True, kw_only=True):
    """`pair_spec`: of the new pair, one of `PAIRS`."""

    key_id: str
    pair_spec: KeySpec
    context: dict[str, str] = {}


class DataKeyPair(NamedTuple):
    """`private` is PKCS#8 and `public` SubjectPublicKeyInfo, both in DER."""

    key_id: str
    key_version_id: str
    private: bytes
    public: bytes
    ciphertext: bytes


def new_data_key_pair(params: DataKeyPairParams, scope: Scope) -> DataKeyPair:
    """A pair of the spec that was asked for, and the blob of its private key under the key that `params` names.

    Raises `UnsupportedKeySpec`.
    """
    if params.pair_spec not in PAIRS:
        raise UnsupportedKeySpec(f"A pair of data keys is of {', '.join(sorted(PAIRS))}.")
    key = scope.use(params.key_id, context=params.context)
    private = asymmetric.generate(params.pair_spec, scope.random)
    number, blob = scope.seal(key, private, content=BYTES, context=params.context)
    public = asymmetric.public_der(asymmetric.load(private))
    return DataKeyPair(key.id, version_id(key.id, number), private, public, blob)
