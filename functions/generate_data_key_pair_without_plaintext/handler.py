"""GenerateDataKeyPairWithoutPlaintext: a new asymmetric key whose private part only a later Decrypt shows."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Result
from tenantkms.action.data_key_pairs import DataKeyPairParams, new_data_key_pair
from tenantkms.action.scope import Scope
from tenantkms.model.specs import BLOBS, KeySpec
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class SealedDataKeyPair(Result, frozen=True, kw_only=True):
    """`public` is SubjectPublicKeyInfo in DER; `ciphertext` opens to the private key in PKCS#8."""

    key_id: str
    key_version_id: str
    pair_spec: KeySpec
    public: bytes
    ciphertext: bytes


@action("GenerateDataKeyPairWithoutPlaintext", refuses=USE, needs=BLOBS)
def generate_data_key_pair_without_plaintext(params: DataKeyPairParams, scope: Scope) -> SealedDataKeyPair:
    made = new_data_key_pair(params, scope)
    return SealedDataKeyPair(
        key_id=made.key_id,
        key_version_id=made.key_version_id,
        pair_spec=params.pair_spec,
        public=made.public,
        ciphertext=made.ciphertext,
    )


handler = entry(generate_data_key_pair_without_plaintext)
