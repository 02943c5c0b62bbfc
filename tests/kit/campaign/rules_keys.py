"""Rules that change what a key is: its state, versions and imported material."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_public_key
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from kit.campaign.codes import ALIBABA, TENCENT, TENCENT_V2
from kit.campaign.machine import ALIASES, ANY, DIALECTS, TWO, Machine, b64, json_text
from kit.campaign.reference import RefKey
from kit.campaign.world import DAY

_SPECS = {
    "AES_256": ("Aliyun_AES_256", "ENCRYPT_DECRYPT"),
    "SM4_128": ("Aliyun_SM4", ""),
    "EC_P256": ("EC_P256", "ASYMMETRIC_SIGN_VERIFY_ECC"),
    "HMAC_SHA_256": ("HMAC_SHA_256", ""),
    "RSA_2048": ("RSA_2048", "ASYMMETRIC_DECRYPT_RSA_2048"),
}
"""Spec -> Alibaba's KeySpec and Tencent's KeyUsage. RSA keys are slow to make, so they are rare."""
_SPEC = st.sampled_from(["AES_256"] * 12 + ["SM4_128"] * 3 + ["EC_P256"] * 3 + ["HMAC_SHA_256"] * 3 + ["RSA_2048"])
_STATES = st.sampled_from(["Enabled", "Enabled", "Disabled"])
_WINDOWS = st.sampled_from([7, 7, 7, 30, 31, 366, 367, 6])
_INTERVALS = st.sampled_from([0, 7, 7, 30, 365, 366, 731, 6])


def imported(key: RefKey, other: bool) -> bytes:
    """The material that a key's owner brings, or another."""
    digest = hashlib.sha256(f"{key.id} {other}".encode()).digest()
    if key.kind in ("sign", "agree"):
        curve = ec.SECP256R1() if key.kind == "sign" else ec.SECP384R1()
        private = ec.derive_private_key(int.from_bytes(digest[:16]) + 1, curve)
        return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return digest[: 16 if key.spec == "SM4_128" else 32]


class KeyRules(Machine):
    @initialize(rsa=st.integers(0, 3), external=st.integers(0, 2), life=st.sampled_from([0, 600]))
    def first_keys(self, rsa: int, external: int, life: int) -> None:
        """One of each kind. Those that need RSA keys, which are slow to make, are not always there."""
        for spec in ["AES_256", "AES_256", "EC_P256", "HMAC_SHA_256", *["RSA_2048"] * (rsa == 1)]:
            made = self.ask(ALIBABA, "CreateKey", "", KeySpec=_SPECS[spec][0])["KeyMetadata"]
            self.new_key(made["KeyId"], spec)
        if external == 1:
            made = self.ask(ALIBABA, "CreateKey", "", Origin="EXTERNAL")["KeyMetadata"]
            self.new_key(made["KeyId"], "AES_256", external=True)
            self.get_parameters(TENCENT, 1)
            self.import_material(TENCENT, 1, False, life)

    @rule(spec=_SPEC, external=st.integers(0, 11).map(lambda n: n == 0), days=_INTERVALS, alias=ALIASES, number=ANY)
    def create_by_alibaba(self, spec: str, external: bool, days: int, alias: str, number: int) -> None:
        params = {
            "KeySpec": _SPECS[spec][0],
            "Origin": "EXTERNAL" if external else "Aliyun_KMS",
            "Description": alias,
            "Tags": json_text([{"TagKey": "made", "TagValue": str(number)}]),
        }
        rotates = number % 4 == 0
        if rotates:
            params |= {"EnableAutomaticRotation": "true", "RotationInterval": f"{days * 24}h"}
        symmetric = spec in ("AES_256", "SM4_128")
        wrong = "InvalidParameter" if external and not symmetric else ""
        if not wrong and rotates:
            wrong = "ExternalOrigin" if external else "" if symmetric else "RotationUnsupported"
            wrong = wrong or ("" if days == 0 or 7 <= days <= 730 else "InvalidParameter")
        made = self.ask(ALIBABA, "CreateKey", wrong, **params)
        if not wrong:
            key = self.new_key(made["KeyMetadata"]["KeyId"], spec, external=external, description=alias)
            key.tags = {"made": str(number)}
            key.rotation = (days or 365) * DAY if rotates else 0

    @rule(dialect=st.sampled_from([TENCENT, TENCENT_V2]), spec=_SPEC, alias=ALIASES, number=ANY)
    def create_by_tencent(self, dialect: str, spec: str, alias: str, number: int) -> None:
        """With an alias, which several ask for; now and then of imported material."""
        usage = _SPECS[spec][1] if dialect == TENCENT else ""
        spec = spec if usage else "AES_256"
        external = dialect == TENCENT and spec == "AES_256" and number % 8 == 0
        name = alias if number % 3 == 0 else f"key-{len(self.ref.keys)}"
        params: dict[str, Any] = {"Alias": name, "Description": "by tencent"}
        if dialect == TENCENT:
            params |= {"KeyUsage": usage or "ENCRYPT_DECRYPT", "Type": 2 if external else 1}
        wrong = "AliasExists" if self.ref.owner(name) else ""
        made = self.ask(dialect, "CreateKey", wrong, **params)
        if not wrong:
            key_id = made["KeyId"] if dialect == TENCENT else made["keyMetadata"]["keyId"]
            self.new_key(key_id, spec, external=external, description="by tencent", aliases=[name])

    # -- states --

    @rule(dialect=DIALECTS, state=_STATES, number=ANY)
    def switch(self, dialect: str, state: str, number: int) -> None:
        key = self.pick(number)
        wrong = self.ref.switch([key], self.now, "switch", state)
        operation = "EnableKey" if state == "Enabled" else "DisableKey"
        self.ask(dialect, operation, wrong, KeyId=self.name(dialect, key, number))

    @rule(state=_STATES, numbers=st.lists(ANY, min_size=1, max_size=4))
    def switch_many(self, state: str, numbers: list[int]) -> None:
        """All or none."""
        keys = list({key.id: key for key in map(self.pick, numbers)}.values())
        wrong = self.ref.switch(keys, self.now, "switch", state)
        operation = "EnableKeys" if state == "Enabled" else "DisableKeys"
        self.ask(TENCENT, operation, wrong, KeyIds=[key.id for key in keys])

    @rule(archive=st.booleans(), number=ANY)
    def archive(self, archive: bool, number: int) -> None:
        key = self.pick(number)
        row, state = ("archive", "Archived") if archive else ("unarchive", "Enabled")
        wrong = self.ref.switch([key], self.now, row, state)
        self.ask(TENCENT, "ArchiveKey" if archive else "CancelKeyArchive", wrong, KeyId=key.id)

    @rule(dialect=DIALECTS, days=_WINDOWS, number=ANY)
    def schedule_deletion(self, dialect: str, days: int, number: int) -> None:
        key = self.pick(number)
        name = self.name(dialect, key, number)
        wrong = self.ref.schedule(key, self.now, days, dialect)
        answer = self.ask(dialect, "ScheduleKeyDeletion", wrong, KeyId=name, PendingWindowInDays=str(days))
        if not wrong and dialect == TENCENT:
            assert answer["DeletionDate"] == key.deletion_date

    @rule(dialect=DIALECTS, number=ANY)
    def cancel_deletion(self, dialect: str, number: int) -> None:
        leaving = [key for key in self.ref.live if key.state == "PendingDeletion"]
        key = leaving[number % len(leaving)] if leaving and number % 8 else self.pick(number)
        name = self.name(dialect, key, number)
        self.ask(dialect, "CancelKeyDeletion", self.ref.cancel(key, self.now, dialect), KeyId=name)

    @rule(on=st.booleans(), number=ANY)
    def protect(self, on: bool, number: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "edit")
        arn = f"acs:kms:local:000000000000:key/{key.id}"
        self.ask(ALIBABA, "SetDeletionProtection", wrong, ProtectedResourceArn=arn, EnableDeletionProtection=str(on))
        if not wrong:
            key.protected = on

    # -- versions --

    @rule(dialect=TWO, number=ANY)
    def rotate(self, dialect: str, number: int) -> None:
        key = self.pick(number)
        name = self.name(dialect, key, number)
        wrong = self.ref.rotate(key, self.now, dialect)
        answer = self.ask(dialect, "CreateKeyVersion" if dialect == ALIBABA else "RotateKey", wrong, KeyId=name)
        if not wrong:
            made = answer["KeyVersion"]["KeyVersionId"] if dialect == ALIBABA else answer["TaskId"]
            assert made not in key.version_ids.values()
            key.version_ids[key.versions] = made

    @rule(dialect=TWO, number=ANY, on=st.integers(0, 3).map(bool), days=_INTERVALS)
    def rotation_policy(self, dialect: str, number: int, on: bool, days: int) -> None:
        key = self.pick(number)
        name = self.name(dialect, key, number)
        wrong = self.ref.rotation_policy(key, self.now, days if on else None, 730 if dialect == ALIBABA else 365)
        if dialect == ALIBABA:
            interval = {"RotationInterval": f"{days}d"} if on and days else {}
            self.ask(
                ALIBABA, "UpdateRotationPolicy", wrong, KeyId=name, EnableAutomaticRotation=str(on).lower(), **interval
            )
        elif on:
            self.ask(TENCENT, "EnableKeyRotation", wrong, KeyId=name, RotateDays=days)
        else:
            self.ask(TENCENT, "DisableKeyRotation", wrong, KeyId=name)

    # -- imported material --

    def _external(self, number: int) -> RefKey:
        keys = [key for key in self.ref.live if key.external]
        return keys[number % len(keys)] if keys and number % 8 else self.pick(number)

    @rule(dialect=TWO, number=ANY)
    def get_parameters(self, dialect: str, number: int) -> None:
        """A token is kept while it is good, since making one is slow."""
        key = self._external(number)
        if key.token and self.now < key.token[2]:
            return
        wrong = self.refused(key, "any") or ("" if key.external else "NotExternal")
        how = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
        answer = self.ask(dialect, "GetParametersForImport", wrong, KeyId=key.id, **how)
        if not wrong:
            key.token = answer["PublicKey"], answer["ImportToken"], self.now + DAY

    @rule(dialect=TWO, number=ANY, other=st.integers(0, 4).map(lambda n: n == 0), life=st.sampled_from([0, 0, -1, 600]))
    def import_material(self, dialect: str, number: int, other: bool, life: int) -> None:
        key = self._external(number)
        if not key.token:
            return
        material, expires = imported(key, other), self.now + life if life else 0
        public: Any = load_der_public_key(base64.b64decode(key.token[0]))
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        wrapped = b64(public.encrypt(material, oaep))
        wrong = self.ref.import_material(key, self.now, material, expires, dialect)
        until = {"KeyMaterialExpireUnix" if dialect == ALIBABA else "ValidTo": str(expires)}
        params = {"KeyId": key.id, "EncryptedKeyMaterial": wrapped, "ImportToken": key.token[1], **until}
        self.ask(dialect, "ImportKeyMaterial", wrong, **params)

    @rule(dialect=TWO, number=ANY)
    def delete_material(self, dialect: str, number: int) -> None:
        key = self._external(number)
        operation = "DeleteKeyMaterial" if dialect == ALIBABA else "DeleteImportedKeyMaterial"
        self.ask(dialect, operation, self.ref.delete_material(key, self.now), KeyId=key.id)
