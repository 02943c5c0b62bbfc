"""GenerateDataKeyPair: a new asymmetric key, its private part in clear and as a ciphertext blob under a key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.data_key_pairs import DataKeyPairParams, new_data_key_pair
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS, KeySpec
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class DataKeyPair(Result, frozen=True, kw_only=True):
    """`private` is PKCS#8 and `public` SubjectPublicKeyInfo, both in DER; `ciphertext` opens to `private`."""

    key_id: str
    key_version_id: str
    pair_spec: KeySpec
    private: bytes
    public: bytes
    ciphertext: bytes


@action("GenerateDataKeyPair", refuses=USE, needs=BLOBS)
def generate_data_key_pair(params: DataKeyPairParams, scope: Scope) -> DataKeyPair:
    made = new_data_key_pair(params, scope)
    return DataKeyPair(**made._asdict(), pair_spec=params.pair_spec)


handler = entry(generate_data_key_pair)
