"""Rules of AWS's API: it names things in its own way, but keys and ciphertexts are those of all the others."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from kit.campaign.codes import AWS
from kit.campaign.machine import ALIASES, ANY, CONTEXTS, b64
from kit.campaign.reference import RefKey
from kit.campaign.rules_keys import KeyRules, imported
from kit.campaign.rules_use import Made, UseRules
from kit.campaign.world import DAY

_SPECS = {
    "AES_256": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "SM4_128": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    "EC_P256": ("ECC_NIST_P256", "SIGN_VERIFY"),
    "EC_P384": ("ECC_NIST_P384", "KEY_AGREEMENT"),
    "HMAC_SHA_256": ("HMAC_256", "GENERATE_VERIFY_MAC"),
    "RSA_2048": ("RSA_2048", "ENCRYPT_DECRYPT"),
}
_MADE = st.sampled_from(["AES_256"] * 12 + ["EC_P256"] * 3 + ["HMAC_SHA_256"] * 3 + ["EC_P384"] * 2 + ["RSA_2048"])
_WINDOWS = st.sampled_from([7, 7, 7, 30, 31, 366, 6])
_PERIODS = st.sampled_from([0, 90, 180, 2560, 89, 2561])
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_OTHER = {"the": "wrong one"}


class AwsRules(KeyRules, UseRules):
    def __init__(self) -> None:
        super().__init__()
        self.materials: dict[str, tuple[str, int]] = {}

    def _managed(self, key: RefKey, number: int) -> str:
        """Its id or ARN: what changes a key takes no alias."""
        return key.id if number % 2 else self.arn(f"key/{key.id}")

    def _is_material(self, key: RefKey, version: int, told: str | None) -> None:
        """A version's material has one id for ever, and no other has it."""
        assert told is not None
        assert self.materials.setdefault(told, (key.id, version)) == (key.id, version)

    def _told_material(self, key: RefKey, told: dict[str, Any]) -> None:
        """Imported material has an id if it is a symmetric key's, and was there."""
        if key.kind == "blob" and key.material:
            self._is_material(key, 1, told["KeyMaterialId"])
        else:
            assert "KeyMaterialId" not in told

    def _pages(self, operation: str, rows: str, size: int, wrong: str = "", **about: Any) -> list[Any]:
        """All rows of a list, page by page."""
        found: list[Any] = []
        marker: dict[str, str] = {}
        while True:
            answer = self.ask(AWS, operation, wrong, Limit=size, **about, **marker)
            if wrong:
                return []
            found += answer[rows]
            assert answer["Truncated"] is ("NextMarker" in answer)
            if not answer["Truncated"]:
                return found
            assert len(answer[rows]) == size
            marker = {"Marker": answer["NextMarker"]}

    # -- keys --

    @rule(spec=_MADE, external=st.integers(0, 5).map(lambda n: n == 0), number=ANY)
    def aws_create_key(self, spec: str, external: bool, number: int) -> None:
        """Now and then of imported material; RSA keys are too long to come directly under RSA-OAEP."""
        name, usage = _SPECS[spec]
        external = external and spec != "RSA_2048"
        tags = [{"TagKey": "made", "TagValue": str(number)}]
        how = {"KeySpec": name, "KeyUsage": usage, "Origin": "EXTERNAL" if external else "AWS_KMS", "Tags": tags}
        made = self.ask(AWS, "CreateKey", "", **how, Description="by aws")
        key = self.new_key(made["KeyMetadata"]["KeyId"], spec, external=external, description="by aws")
        key.tags = {"made": str(number)}
        self._told(key, made["KeyMetadata"])

    def _told(self, key: RefKey, told: dict[str, Any]) -> None:
        seen = key.seen_state(self.now)
        state = "Disabled" if seen == "Archived" else seen
        name, usage = _SPECS[key.spec]
        assert (told["KeyId"], told["Arn"]) == (key.id, self.arn(f"key/{key.id}"))
        assert (told["KeyState"], told["Enabled"], told["Description"]) == (state, state == "Enabled", key.description)
        assert (told["KeySpec"], told["KeyUsage"]) == (name, usage)
        assert told["Origin"] == ("EXTERNAL" if key.external else "AWS_KMS")
        assert told.get("DeletionDate", 0) == (key.deletion_date if key.state == "PendingDeletion" else 0)
        if key.kind == "blob" and (key.versions or key.material):
            self._is_material(key, key.versions or 1, told.get("CurrentKeyMaterialId"))
        else:
            assert "CurrentKeyMaterialId" not in told

    @rule(number=ANY, size=st.sampled_from([1, 3, 100]))
    def aws_tells(self, number: int, size: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        answer = self.ask(AWS, "DescribeKey", wrong, KeyId=self.name(AWS, key, number))
        about = {"KeyId": self._managed(key, number)}
        status = self.ask(AWS, "GetKeyRotationStatus", wrong, **about)
        names = self.ask(AWS, "ListKeyPolicies", wrong, **about)
        aliases = self._pages("ListAliases", "Aliases", size, wrong, **about)
        tags = self._pages("ListResourceTags", "Tags", size, wrong, **about)
        rotations = self._pages("ListKeyRotations", "Rotations", size, wrong, **about)
        if wrong:
            return
        self._told(key, answer["KeyMetadata"])
        on = key.rotation > 0 and key.state != "PendingDeletion"
        period = key.rotation // DAY if on else None
        assert (status["KeyRotationEnabled"], status.get("RotationPeriodInDays")) == (on, period)
        assert names["PolicyNames"] == ["default"]
        assert [row["AliasName"] for row in aliases] == [f"alias/{alias}" for alias in sorted(key.aliases)]
        assert {row["TagKey"]: row["TagValue"] for row in tags} == key.tags
        assert [row["RotationType"] for row in rotations] == key.rotations
        if key.kind == "blob":
            for version, row in enumerate(rotations, 2):
                self._is_material(key, version, row["KeyMaterialId"])

    @rule(size=st.sampled_from([5, 100]))
    def aws_lists(self, size: int) -> None:
        keys = sorted(self.ref.live, key=lambda key: (key.created, key.id))
        assert [row["KeyId"] for row in self._pages("ListKeys", "Keys", size)] == [key.id for key in keys]
        rows = self._pages("ListAliases", "Aliases", size)
        found = [(row["AliasName"], row["TargetKeyId"]) for row in rows]
        assert found == sorted((f"alias/{alias}", key.id) for key in keys for alias in key.aliases)

    @rule(state=st.sampled_from(["Enabled", "Enabled", "Disabled"]), number=ANY)
    def aws_switch(self, state: str, number: int) -> None:
        key = self.pick(number)
        wrong = self.ref.switch([key], self.now, "switch", state)
        self.ask(AWS, "EnableKey" if state == "Enabled" else "DisableKey", wrong, KeyId=self._managed(key, number))

    @rule(days=_WINDOWS, number=ANY)
    def aws_schedule(self, days: int, number: int) -> None:
        key = self.pick(number)
        wrong = self.ref.schedule(key, self.now, days, AWS)
        about = {"KeyId": self._managed(key, number), "PendingWindowInDays": days}
        answer = self.ask(AWS, "ScheduleKeyDeletion", wrong, **about)
        assert answer.get("DeletionDate", key.deletion_date) == key.deletion_date

    @rule(number=ANY)
    def aws_cancel(self, number: int) -> None:
        leaving = [key for key in self.ref.live if key.state == "PendingDeletion"]
        key = leaving[number % len(leaving)] if leaving and number % 4 else self.pick(number)
        wrong = self.ref.cancel(key, self.now, AWS)
        self.ask(AWS, "CancelKeyDeletion", wrong, KeyId=self._managed(key, number))

    @rule(
        number=ANY,
        days=_PERIODS,
        what=st.sampled_from(["EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"]),
    )
    def aws_rotate(self, number: int, days: int, what: str) -> None:
        key = self.pick(number)
        about: dict[str, Any] = {"KeyId": self._managed(key, number)}
        if what == "RotateKeyOnDemand":
            wrong = self.ref.rotate(key, self.now, AWS)
        elif what == "DisableKeyRotation":
            wrong = self.ref.rotation_policy(key, self.now, None, 2560, 90)
        else:
            wrong = self.ref.rotation_policy(key, self.now, days or 365, 2560, 90)
            about |= {"RotationPeriodInDays": days} if days else {}
        self.ask(AWS, what, wrong, **about)

    @rule(number=ANY, other=st.integers(0, 4).map(lambda n: n == 0), life=st.sampled_from([0, 0, -1, 600]))
    def aws_import(self, number: int, other: bool, life: int) -> None:
        """With the token that there is, of whatever dialect, while it is good: making one is slow."""
        key = self._external(number)
        name = self._managed(key, number)
        if not (key.token and self.now < key.token[2]):
            wrong = self.refused(key, "any") or ("" if key.external else "NotExternal")
            how = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
            answer = self.ask(AWS, "GetParametersForImport", wrong, KeyId=name, **how)
            if not wrong:
                key.token = answer["PublicKey"], answer["ImportToken"], self.now + DAY
            return
        material, expires = imported(key, other), self.now + life if life else 0
        public: Any = load_der_public_key(base64.b64decode(key.token[0]))
        until = {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": expires}
        wrong = self.ref.import_material(key, self.now, material, expires, AWS)
        answer = self.ask(
            AWS,
            "ImportKeyMaterial",
            wrong,
            KeyId=name,
            EncryptedKeyMaterial=b64(public.encrypt(material, _OAEP)),
            ImportToken=key.token[1],
            **(until if life else {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}),
        )
        if not wrong:
            self._told_material(key, answer)

    @rule(number=ANY)
    def aws_delete_material(self, number: int) -> None:
        key = self._external(number)
        wrong = self.ref.delete_material(key, self.now)
        answer = self.ask(AWS, "DeleteImportedKeyMaterial", wrong, KeyId=self._managed(key, number))
        if not wrong:
            self._told_material(key, answer)

    # -- grants --

    @rule(
        number=ANY,
        name=st.sampled_from(["", "one", "two"]),
        what=st.sampled_from(["CreateGrant", "CreateGrant", "RevokeGrant", "RetireGrant"]),
    )
    def aws_grant(self, number: int, name: str, what: str) -> None:
        """What every key can do, to somebody; a name makes one grant, however often it is asked for."""
        key = self.pick(number)
        about = {"KeyId": self._managed(key, number)}
        if what == "CreateGrant":
            wrong = self.refused(key, "use")
            how = {"GranteePrincipal": self._principal("somebody"), "RetiringPrincipal": self._principal()}
            named = {"Name": name} if name else {}
            made = self.ask(AWS, what, wrong, **about, **how, **named, Operations=["DescribeKey"])
            there = [id_ for id_, its in key.grants if name and its == name]
            if not wrong and there:
                assert made["GrantId"] == there[0]
            elif not wrong:
                key.grants.append((made["GrantId"], name))
            return
        ended = key.grants[number % len(key.grants)] if key.grants and number % 8 else ("0" * 64, "")
        wrong = self.refused(key, "any") or ("" if ended in key.grants else "NotFoundException")
        self.ask(AWS, what, wrong, **about, GrantId=ended[0])
        key.grants = key.grants if wrong else [grant for grant in key.grants if grant != ended]

    @rule(number=ANY, size=st.sampled_from([1, 3, 100]))
    def aws_list_grants(self, number: int, size: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        rows = self._pages("ListGrants", "Grants", size, wrong, KeyId=self._managed(key, number))
        assert wrong or [(row["GrantId"], row.get("Name", "")) for row in rows] == key.grants
        found: list[str] = []
        answer: dict[str, Any] = {"NextMarker": ""}
        while "NextMarker" in answer:  # a page may be empty and not the last
            marker = {"Marker": answer["NextMarker"]} if answer["NextMarker"] else {}
            how = {"RetiringPrincipal": self._principal(), "Limit": size, **marker}
            answer = self.ask(AWS, "ListRetirableGrants", "", **how)
            found += [row["GrantId"] for row in answer["Grants"]]
        keys = sorted(self.ref.live, key=lambda key: (key.created, key.id))
        assert found == [id_ for key in keys for id_, _ in key.grants]

    def _principal(self, access_key_id: str = "") -> str:
        account = self.kms.settings.site.account
        return f"arn:aws:iam::{account}:user/{access_key_id or self.kms.signer.access_key_id}"

    # -- names --

    @rule(alias=ALIASES, number=ANY, what=st.sampled_from(["CreateAlias", "CreateAlias", "UpdateAlias", "DeleteAlias"]))
    def aws_alias(self, alias: str, number: int, what: str) -> None:
        key = self.pick(number)
        to = {} if what == "DeleteAlias" else {"TargetKeyId": self._managed(key, number)}
        if what == "CreateAlias":
            wrong = self.ref.create_alias(key, self.now, alias)
        elif what == "UpdateAlias":
            wrong = self.ref.move_alias(key, self.now, alias, AWS)
        else:
            wrong = self.ref.delete_alias(alias)
        self.ask(AWS, what, wrong, AliasName=f"alias/{alias}", **to)

    @rule(number=ANY, first=st.integers(0, 60), count=st.integers(1, 8), off=st.integers(0, 2).map(lambda n: n == 0))
    def aws_describe_anew(self, number: int, first: int, count: int, off: bool) -> None:
        """Its tags and its description."""
        key = self.pick(number)
        about = {"KeyId": self._managed(key, number)}
        names = [f"t{n}" for n in range(first, first + count)]
        if off:
            wrong = self.refused(key, "edit")
            self.ask(AWS, "UntagResource", wrong, **about, TagKeys=names)
            key.tags = key.tags if wrong else {name: value for name, value in key.tags.items() if name not in names}
            return
        wrong = self.ref.tag([key], self.now, dict.fromkeys(names, str(count)), AWS)
        self.ask(AWS, "TagResource", wrong, **about, Tags=[{"TagKey": n, "TagValue": str(count)} for n in names])
        wrong = self.refused(key, "edit")
        self.ask(AWS, "UpdateKeyDescription", wrong, **about, Description=str(count))
        key.description = key.description if wrong else str(count)

    # -- ciphertexts --

    @rule(number=ANY, text=st.binary(min_size=1, max_size=40), context=CONTEXTS)
    def aws_encrypt(self, number: int, text: bytes, context: dict[str, str]) -> None:
        key = self.pick(number, "blob")
        wrong = self.refused(key, "use", needs="blob", action="Encrypt")
        how = {"KeyId": self.name(AWS, key, number), "EncryptionContext": context}
        answer = self.ask(AWS, "Encrypt", wrong, **how, Plaintext=b64(text))
        if not wrong:
            assert answer["KeyId"] == self.arn(f"key/{key.id}")
            self._keep(key, text, False, context, answer["CiphertextBlob"])

    @precondition(lambda self: self.ref.blobs)
    @rule(number=ANY, off=st.integers(0, 7).map(lambda n: n == 0), by=st.sampled_from(["", "", "own", "other"]))
    def aws_decrypt(self, number: int, off: bool, by: str) -> None:
        """Whatever dialect made it; sometimes with another context, or as one of a key that is named."""
        blob = self._blob(number)
        wrong = self.ref.opens(blob, self.now)
        how: dict[str, Any] = {}
        if by:
            key = blob.key if by == "own" else self.pick(number, "blob")
            how = {"KeyId": self.name(AWS, key, number)}
            wrong = self.refused(key, "open", needs="blob", action="Decrypt")
            wrong = wrong or ("" if key is blob.key else "IncorrectKeyException")
        wrong = wrong or ("InvalidCiphertext" if off else "")
        context = _OTHER if off else blob.context
        answer = self.ask(AWS, "Decrypt", wrong, **how, CiphertextBlob=blob.blob, EncryptionContext=context)
        if not wrong:
            assert answer["Plaintext"] == b64(blob.plaintext)
            assert answer["KeyId"] == self.arn(f"key/{blob.key.id}")
            self._is_material(blob.key, blob.version, answer["KeyMaterialId"])

    @precondition(lambda self: self.ref.blobs)
    @rule(number=ANY, to=ANY, context=CONTEXTS, named=st.booleans())
    def aws_re_encrypt(self, number: int, to: int, context: dict[str, str], named: bool) -> None:
        blob, key = self._blob(number), self.pick(to, "blob")
        gone = "KeyNotFound" if named and blob.key.gone else ""
        wrong = gone or self.ref.opens(blob, self.now)
        wrong = wrong or self.refused(key, "use", needs="blob", action="Encrypt")
        answer = self.ask(
            AWS,
            "ReEncrypt",
            wrong,
            CiphertextBlob=blob.blob,
            SourceEncryptionContext=blob.context,
            DestinationEncryptionContext=context,
            DestinationKeyId=self.name(AWS, key, number),
            **({"SourceKeyId": self.name(AWS, blob.key, number)} if named else {}),
        )
        if not wrong:
            told = (answer["SourceKeyId"], answer["KeyId"])
            assert told == (self.arn(f"key/{blob.key.id}"), self.arn(f"key/{key.id}"))
            self._is_material(blob.key, blob.version, answer["SourceKeyMaterialId"])
            self._is_material(key, key.versions, answer["DestinationKeyMaterialId"])
            self._keep(key, blob.plaintext, blob.text, context, answer["CiphertextBlob"])

    @rule(number=ANY, size=st.sampled_from([1, 32, 1024]), context=CONTEXTS, shown=st.booleans(), pair=st.booleans())
    def aws_data_key(self, number: int, size: int, context: dict[str, str], shown: bool, pair: bool) -> None:
        """Or a pair of them, whose private key is what is sealed. What is not shown is asked for once."""
        key = self.pick(number, "blob")
        wrong = self.refused(key, "use", needs="blob")
        operation = ("GenerateDataKeyPair" if pair else "GenerateDataKey") + ("" if shown else "WithoutPlaintext")
        what: dict[str, Any] = {"KeyPairSpec": "ECC_NIST_P256"} if pair else {"NumberOfBytes": size}
        how = {"KeyId": self.name(AWS, key, number), "EncryptionContext": context, **what}
        answer = self.ask(AWS, operation, wrong, **how)
        if wrong:
            return
        blob = answer["PrivateKeyCiphertextBlob" if pair else "CiphertextBlob"]
        opened = self.native("Decrypt", {"ciphertext": blob, "context": context})["result"]["plaintext"]
        plain = "PrivateKeyPlaintext" if pair else "Plaintext"
        assert answer.get(plain) == (opened if shown else None)
        assert pair or len(base64.b64decode(opened)) == size
        self._is_material(key, key.versions, answer["KeyMaterialId"])
        self._keep(key, base64.b64decode(opened), False, context, blob)

    # -- what is made --

    @rule(number=ANY, kind=st.sampled_from(["sign", "sign", "mac", "rsa"]))
    def aws_makes(self, number: int, kind: str) -> None:
        """A signature, a MAC or an RSA ciphertext; the other dialects know it."""
        key = self.pick(number, kind)
        message = hashlib.sha256(bytes([number])).digest()
        name = self.name(AWS, key, number)
        wrong = self.refused(key, "use", needs=kind)
        if kind == "sign":
            how = {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
            made = self.ask(AWS, "Sign", wrong, KeyId=name, Message=b64(message), **how).get("Signature")
        elif kind == "mac":
            how = {"MacAlgorithm": "HMAC_SHA_256"}
            made = self.ask(AWS, "GenerateMac", wrong, KeyId=name, Message=b64(message), **how).get("Mac")
        else:
            how = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
            answer = self.ask(AWS, "Encrypt", wrong, KeyId=name, Plaintext=b64(message), **how)
            made = answer.get("CiphertextBlob")
        if made:
            self._made(Made(key, key.versions, message, made))

    @rule(number=ANY, size=st.sampled_from([1, 32, 1024]))
    def aws_public_key(self, number: int, size: int) -> None:
        assert len(base64.b64decode(self.ask(AWS, "GenerateRandom", "", NumberOfBytes=size)["Plaintext"])) == size
        key = self.pick(number, "sign" if number % 2 else "rsa")
        wrong = self.refused(key, "open", needs="rsa sign agree")
        answer = self.ask(AWS, "GetPublicKey", wrong, KeyId=self.name(AWS, key, number))
        if not wrong:
            load_der_public_key(base64.b64decode(answer["PublicKey"]))
            assert (answer["KeySpec"], answer["KeyUsage"]) == _SPECS[key.spec]

    @rule(number=ANY)
    def aws_derive(self, number: int) -> None:
        """What the peer derives from the key's public one."""
        key = self.pick(number, "agree")
        wrong = self.refused(key, "use", needs="agree")
        name, private = self.name(AWS, key, number), ec.generate_private_key(ec.SECP384R1())
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        how = {"KeyId": name, "KeyAgreementAlgorithm": "ECDH", "PublicKey": b64(public)}
        answer = self.ask(AWS, "DeriveSharedSecret", wrong, **how)
        if not wrong:
            own: Any = load_der_public_key(base64.b64decode(self.ask(AWS, "GetPublicKey", "", KeyId=name)["PublicKey"]))
            assert answer["SharedSecret"] == b64(private.exchange(ec.ECDH(), own))
