"""Rules that use keys: ciphertexts and data keys, signatures, RSA encryption, MACs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from kit.campaign.codes import ALIBABA, AWS, TENCENT, TENCENT_V2
from kit.campaign.machine import ANY, CONTEXTS, DIALECTS, THREE, TWO, Machine, b64, caller_key, json_text
from kit.campaign.reference import RefBlob, RefKey

_TEXTS = st.sampled_from(["aGVsbG8=", "not base64: 秘密", "AAAA", "password"])
_WRAP = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_NO_VERSION = "00000000-0000-8000-8000-000000000000"
_OTHER = {"the": "wrong one"}


@dataclass
class Made:
    """A signature, an RSA ciphertext or a MAC: what is made of `message` with a version of a key."""

    key: RefKey
    version: int
    message: bytes
    made: str


class UseRules(Machine):
    def __init__(self) -> None:
        super().__init__()
        self.made: list[Made] = []

    def _context(self, context: dict[str, str], name: str = "EncryptionContext") -> dict[str, str]:
        return {name: json_text(context)} if context else {}

    def _blob(self, number: int) -> RefBlob:
        return self.ref.blobs[-1 - number % len(self.ref.blobs)]

    def _keep(self, key: RefKey, plaintext: bytes, text: bool, context: dict[str, str], blob: str) -> None:
        self.ref.blobs.append(RefBlob(key, key.versions, plaintext, text, context, blob))

    # -- ciphertexts --

    @rule(dialect=DIALECTS, number=ANY, text=_TEXTS, context=CONTEXTS)
    def encrypt(self, dialect: str, number: int, text: str, context: dict[str, str]) -> None:
        key = self.pick(number, "blob")
        is_text = dialect == ALIBABA
        if ":" in text and not is_text:
            text = b64(text.encode())
        wrong = self.refused(key, "use", needs="blob", action="Encrypt")
        params = {"KeyId": self.name(dialect, key, number), "Plaintext": text, **self._context(context)}
        answer = self.ask(dialect, "Encrypt", wrong, **params)
        if not wrong:
            blob = answer["ciphertextBlob" if dialect == TENCENT_V2 else "CiphertextBlob"]
            self._keep(key, text.encode() if is_text else base64.b64decode(text), is_text, context, blob)

    @precondition(lambda self: self.ref.blobs)
    @rule(dialect=DIALECTS, number=ANY, off=st.integers(0, 7).map(lambda n: n == 0))
    def decrypt(self, dialect: str, number: int, off: bool) -> None:
        """In any dialect; sometimes with another context than the blob was made with."""
        blob = self._blob(number)
        wrong = self.ref.opens(blob, self.now) or ("InvalidCiphertext" if off else "")
        context = self._context(_OTHER if off else blob.context)
        answer = self.ask(dialect, "Decrypt", wrong, CiphertextBlob=blob.blob, **context)
        if not wrong:
            told = answer["plaintext" if dialect == TENCENT_V2 else "Plaintext"]
            as_text = dialect == ALIBABA and blob.text
            assert told == (blob.plaintext.decode() if as_text else b64(blob.plaintext))
            assert answer["keyId" if dialect == TENCENT_V2 else "KeyId"] == blob.key.id

    @precondition(lambda self: self.ref.blobs)
    @rule(dialect=TWO, number=ANY, to=ANY, context=CONTEXTS)
    def re_encrypt(self, dialect: str, number: int, to: int, context: dict[str, str]) -> None:
        blob = self._blob(number)
        key = blob.key if dialect == TENCENT and to % 2 else self.pick(to, "blob")
        wrong = self.ref.opens(blob, self.now)
        wrong = wrong or self.refused(key, "use", needs="blob", action="Encrypt")
        params = {
            "CiphertextBlob": blob.blob,
            **self._context(blob.context, "SourceEncryptionContext"),
            **self._context(context, "DestinationEncryptionContext"),
        }
        stays = dialect == TENCENT and bool(to % 2)
        if not stays:
            params["DestinationKeyId"] = self.name(dialect, key, number)
        answer = self.ask(dialect, "ReEncrypt", wrong, **params)
        if wrong:
            return
        newest = stays and context == blob.context and blob.version == key.versions
        assert (answer["CiphertextBlob"] == blob.blob) == newest
        assert answer.get("ReEncrypted", True) == (not newest)
        self._keep(key, blob.plaintext, blob.text, context, answer["CiphertextBlob"])

    @rule(dialect=DIALECTS, number=ANY, size=st.sampled_from([1, 16, 32, 1024]), context=CONTEXTS)
    def data_key(self, dialect: str, number: int, size: int, context: dict[str, str]) -> None:
        key = self.pick(number, "blob")
        wrong = self.refused(key, "use", needs="blob")
        params = {"KeyId": self.name(dialect, key, number), "NumberOfBytes": str(size), **self._context(context)}
        answer = self.ask(dialect, "GenerateDataKey", wrong, **params)
        if not wrong:
            answer = {name[0].upper() + name[1:]: value for name, value in answer.items()}
            plaintext = base64.b64decode(answer["Plaintext"])
            assert len(plaintext) == size
            self._keep(key, plaintext, False, context, answer["CiphertextBlob"])

    @rule(number=ANY, context=CONTEXTS)
    def data_key_without_plaintext(self, number: int, context: dict[str, str]) -> None:
        """The plaintext is only known by asking, once; it must stay that."""
        key = self.pick(number, "blob")
        wrong = self.refused(key, "use", needs="blob")
        params = {"KeyId": self.name(ALIBABA, key, number), **self._context(context)}
        answer = self.ask(ALIBABA, "GenerateDataKeyWithoutPlaintext", wrong, **params)
        if not wrong:
            blob = answer["CiphertextBlob"]
            opened = self.native("Decrypt", {"ciphertext": blob, "context": context})["result"]["plaintext"]
            self._keep(key, base64.b64decode(opened), False, context, blob)

    @rule(number=ANY, context=CONTEXTS)
    def exported_data_key(self, number: int, context: dict[str, str]) -> None:
        """Wrapped for the caller, a data key is the one that its blob holds."""
        key = self.pick(number, "blob")
        wrong = self.refused(key, "use", needs="blob")
        private, public = caller_key()
        wrap = {"PublicKeyBlob": public, **_WRAP}
        params = {"KeyId": self.name(ALIBABA, key, number), **self._context(context), **wrap}
        answer = self.ask(ALIBABA, "GenerateAndExportDataKey", wrong, **params)
        if wrong:
            return
        plaintext = private.decrypt(base64.b64decode(answer["ExportedDataKey"]), _OAEP)
        self._keep(key, plaintext, False, context, answer["CiphertextBlob"])
        params = {"CiphertextBlob": answer["CiphertextBlob"], **self._context(context), **wrap}
        again = self.ask(ALIBABA, "ExportDataKey", "", **params)
        assert private.decrypt(base64.b64decode(again["ExportedDataKey"]), _OAEP) == plaintext

    @rule(size=st.sampled_from([1, 32, 1024]))
    def random_bytes(self, size: int) -> None:
        answer = self.ask(TENCENT, "GenerateRandom", "", NumberOfBytes=size)
        assert len(base64.b64decode(answer["Plaintext"])) == size

    # -- asymmetric keys and MACs --

    def _version_id(self, key: RefKey, version: int) -> str:
        if key.gone or not version:
            return _NO_VERSION
        if version not in key.version_ids:
            view = self.native("ListKeyVersions", {"key_id": key.id, "offset": version - 1, "limit": 1})
            key.version_ids[version] = view["result"]["versions"][0]["key_version_id"]
        return key.version_ids[version]

    def _versioned(self, key: RefKey, number: int, needs: str, row: str = "use") -> tuple[int, str, str]:
        """(a version, its id, what is wrong with using it)."""
        version = 1 + number % key.versions if key.versions else 0
        return version, self._version_id(key, version), self.refused(key, row, needs=needs)

    @rule(dialect=TWO, number=ANY)
    def sign(self, dialect: str, number: int) -> None:
        key = self.pick(number, "sign")
        message = hashlib.sha256(bytes([number])).digest()
        version, version_id, wrong = self._versioned(key, number, "sign")
        name, value = self.name(dialect, key, number), b64(message)
        if dialect == ALIBABA:
            params = {"KeyId": name, "KeyVersionId": version_id, "Algorithm": "ECDSA_SHA_256", "Digest": value}
            made = self.ask(ALIBABA, "AsymmetricSign", wrong, **params).get("Value", "")
        else:
            version = key.versions
            params = {"KeyId": name, "Algorithm": "ECC_P256_R1", "Message": value, "MessageType": "DIGEST"}
            made = self.ask(TENCENT, "SignByAsymmetricKey", wrong, **params).get("Signature", "")
        if not wrong:
            self._made(Made(key, version, message, made))

    @rule(number=ANY, dialect=TWO)
    def public_key(self, number: int, dialect: str) -> None:
        key = self.pick(number, "sign" if number % 2 else "rsa")
        _, version_id, wrong = self._versioned(key, number, "rsa sign agree", "open")
        version = {"KeyVersionId": version_id} if dialect == ALIBABA else {}
        answer = self.ask(dialect, "GetPublicKey", wrong, KeyId=self.name(dialect, key, number), **version)
        if not wrong:
            assert "BEGIN PUBLIC KEY" in answer["PublicKey" if dialect == ALIBABA else "PublicKeyPem"]

    @rule(number=ANY)
    def rsa_encrypt(self, number: int) -> None:
        key = self.pick(number, "rsa")
        version, version_id, wrong = self._versioned(key, number, "rsa")
        message = bytes([number]) * 20
        params = {"KeyId": self.name(ALIBABA, key, number), "KeyVersionId": version_id, "Plaintext": b64(message)}
        answer = self.ask(ALIBABA, "AsymmetricEncrypt", wrong, Algorithm="RSAES_OAEP_SHA_256", **params)
        if not wrong:
            self._made(Made(key, version, message, answer["CiphertextBlob"]))

    @rule(number=ANY)
    def mac(self, number: int) -> None:
        key = self.pick(number, "mac")
        wrong = self.refused(key, "use", needs="mac")
        params = {"KeyId": self.name(ALIBABA, key, number), "Algorithm": "HMAC_SHA_256", "Message": b64(bytes(8))}
        answer = self.ask(ALIBABA, "GenerateMac", wrong, **params)
        if not wrong:
            self._made(Made(key, key.versions, bytes(8), answer["Mac"]))

    def _made(self, made: Made) -> None:
        self.made.append(made)
        for dialect in (ALIBABA, TENCENT, AWS):
            self._check(dialect, made, 0)

    @precondition(lambda self: self.made)
    @rule(dialect=THREE, number=ANY)
    def check_made(self, dialect: str, number: int) -> None:
        self._check(dialect, self.made[number % len(self.made)], number)

    def _check(self, dialect: str, made: Made, number: int) -> None:
        """What a key made, any version of it still verifies or decrypts; but Tencent's and AWS's APIs know only the
        newest."""
        key = made.key
        wrong = self.refused(key, "open")
        if dialect == AWS:
            self._check_by_aws(made, number, wrong)
            return
        if key.kind == "mac":
            params = {"KeyId": self.name(ALIBABA, key, number), "Message": b64(made.message), "Mac": made.made}
            answer = self.ask(ALIBABA, "VerifyMac", wrong, Algorithm="HMAC_SHA_256", **params)
            assert wrong or answer["Value"] is True
            return
        name = self.name(dialect, key, number)
        version = {"KeyVersionId": self._version_id(key, made.version)} if dialect == ALIBABA else {}
        found = dialect == ALIBABA or made.version == key.versions
        if key.kind == "rsa":
            self._decrypt_made(dialect, name, made, wrong or ("" if found else "InvalidCiphertext"), version)
        else:
            self._verify_made(dialect, name, made, wrong, version, found)

    def _check_by_aws(self, made: Made, number: int, wrong: str) -> None:
        key, message = made.key, b64(made.message)
        newest = made.version == key.versions
        about: dict[str, Any] = {"KeyId": self.name(AWS, key, number)}
        if key.kind == "mac":
            about |= {"Message": message, "Mac": made.made, "MacAlgorithm": "HMAC_SHA_256"}
            assert self.ask(AWS, "VerifyMac", wrong, **about).get("MacValid", wrong != "")
        elif key.kind == "rsa":
            about |= {"CiphertextBlob": made.made, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
            wrong = wrong or ("" if newest else "InvalidCiphertext")
            assert self.ask(AWS, "Decrypt", wrong, **about).get("Plaintext", message) == message
        else:
            about |= {"Message": message, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
            wrong = wrong or ("" if newest else "KMSInvalidSignatureException")
            answer = self.ask(AWS, "Verify", wrong, Signature=made.made, **about)
            assert answer.get("SignatureValid", wrong != "")

    def _decrypt_made(self, dialect: str, name: str, made: Made, wrong: str, version: dict[str, str]) -> None:
        operation, field = ("AsymmetricDecrypt", "CiphertextBlob")
        if dialect == TENCENT:
            operation, field = ("AsymmetricRsaDecrypt", "Ciphertext")
        params = {"KeyId": name, "Algorithm": "RSAES_OAEP_SHA_256", field: made.made, **version}
        answer = self.ask(dialect, operation, wrong, **params)
        assert wrong or answer["Plaintext"] == b64(made.message)

    def _verify_made(
        self, dialect: str, name: str, made: Made, wrong: str, version: dict[str, str], found: bool
    ) -> None:
        digest = b64(made.message)
        if dialect == ALIBABA:
            params: dict[str, Any] = {"Algorithm": "ECDSA_SHA_256", "Digest": digest, "Value": made.made, **version}
            answer = self.ask(ALIBABA, "AsymmetricVerify", wrong, KeyId=name, **params)
        else:
            params = {"Message": digest, "MessageType": "DIGEST", "SignatureValue": made.made}
            answer = self.ask(TENCENT, "VerifyByAsymmetricKey", wrong, KeyId=name, Algorithm="ECC_P256_R1", **params)
        assert wrong or answer["Value" if dialect == ALIBABA else "SignatureValid"] is found
