"""The reference model: what a KMS must remember of keys and ciphertexts, and nothing of how it does."""

from __future__ import annotations

from dataclasses import dataclass, field

from kit.campaign.codes import ALIBABA, AWS, REFUSED, TENCENT, TENCENT_V2
from kit.campaign.world import DAY

YEAR = 365 * DAY
HOUR = 3600
TENCENTS = (TENCENT, TENCENT_V2)
TAGS = {ALIBABA: 20, AWS: 50}
"""Of one key, at most."""
KINDS = {
    "AES_256": "blob",
    "SM4_128": "blob",
    "RSA_2048": "rsa",
    "EC_P256": "sign",
    "HMAC_SHA_256": "mac",
    "EC_P384": "agree",
}
"""Key spec -> what keys of it are for."""


@dataclass
class RefKey:
    """One key. `versions` counts them; 0: no material. `expires`: of imported material, 0: never."""

    id: str
    spec: str
    created: int
    external: bool = False
    state: str = "Enabled"
    description: str = ""
    aliases: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    denied: frozenset[str] = frozenset()
    protected: bool = False
    deletion_date: int = 0
    versions: int = 1
    version_ids: dict[int, str] = field(default_factory=dict)
    rotation: int = 0
    last_rotation: int = 0
    rotations: list[str] = field(default_factory=list)
    """How each version after the first came, in AWS's words."""
    grants: list[tuple[str, str]] = field(default_factory=list)
    """Id and name of each, in their order."""
    material: bytes = b""
    token: tuple[str, str, int] | None = None
    expires: int = 0
    gone: bool = False

    @property
    def kind(self) -> str:
        return KINDS[self.spec]

    def expired(self, now: int) -> bool:
        return bool(self.versions and self.expires and now >= self.expires)

    def seen_state(self, now: int) -> str:
        """Expired material is of no use from its second on, whether or not it has been swept."""
        if self.expired(now) and self.state != "PendingDeletion":
            return "PendingImport"
        return self.state

    def rotates_at(self) -> int:
        if not self.rotation or self.state != "Enabled":
            return 0
        return (self.last_rotation or self.created) + self.rotation

    def destroys_at(self) -> int:
        if self.state == "PendingDeletion":
            return self.deletion_date
        return self.expires if self.versions else 0


@dataclass
class RefBlob:
    """A ciphertext that was handed out, and what it must decrypt to."""

    key: RefKey
    version: int
    plaintext: bytes
    text: bool
    context: dict[str, str]
    blob: str


def refusal(key: RefKey, now: int, row: str, *, needs: str = "", action: str = "") -> str:
    """What is wrong with using `key` in an operation of `row` in `codes`, which `needs` a kind of key."""
    if key.gone:
        return "KeyNotFound"
    if action in key.denied:
        return "AccessDenied"
    if needs and key.kind not in needs.split():
        return "InvalidKeyUsage"
    return REFUSED[row][key.seen_state(now)]


class Reference:
    """All keys and ciphertexts of a tenant. Methods name what is wrong, "" if nothing is; what is right is done."""

    def __init__(self) -> None:
        self.keys: list[RefKey] = []
        self.blobs: list[RefBlob] = []
        self.watched: tuple[int, int] | None = None
        """Since when sweepers have watched the clock, and when they last did."""

    @property
    def live(self) -> list[RefKey]:
        return [key for key in self.keys if not key.gone]

    def owner(self, alias: str) -> RefKey | None:
        return next((key for key in self.live if alias in key.aliases), None)

    # -- states --

    def switch(self, keys: list[RefKey], now: int, row: str, state: str) -> str:
        wrong = next((w for key in keys if (w := refusal(key, now, row))), "")
        if not wrong:
            for key in keys:
                key.state = state
        return wrong

    def schedule(self, key: RefKey, now: int, days: int, dialect: str) -> str:
        if not 7 <= days <= (366 if dialect == ALIBABA else 30):
            return "InvalidPendingWindow"
        wrong = refusal(key, now, "name")
        if not wrong and key.protected:
            wrong = "DeletionProtected"
        if not wrong and dialect in TENCENTS and key.seen_state(now) not in ("Disabled", "PendingImport"):
            wrong = "KeyNotDisabled"
        if not wrong:
            key.state, key.deletion_date = "PendingDeletion", now + days * DAY
        return wrong

    def cancel(self, key: RefKey, now: int, dialect: str) -> str:
        wrong = refusal(key, now, "cancel")
        if not wrong:
            usable = key.versions and not key.expired(now)
            key.state = "PendingImport" if not usable else "Enabled" if dialect == ALIBABA else "Disabled"
            key.deletion_date = 0
        return wrong

    # -- versions --

    def rotate(self, key: RefKey, now: int, dialect: str) -> str:
        wrong = refusal(key, now, "rotate") or self._rotates(key, asymmetric=dialect == ALIBABA)
        if not wrong and dialect in TENCENTS and key.last_rotation and now - key.last_rotation < DAY:
            wrong = "RotationTooSoon"
        if not wrong:
            key.versions, key.last_rotation = key.versions + 1, now
            key.rotations.append("ON_DEMAND")
        return wrong

    @staticmethod
    def _rotates(key: RefKey, *, asymmetric: bool) -> str:
        if key.external:
            return "ExternalOrigin"
        able = key.kind == "blob" or (asymmetric and key.kind in ("rsa", "sign"))
        return "" if able else "RotationUnsupported"

    def rotation_policy(self, key: RefKey, now: int, days: int | None, most: int, least: int = 7) -> str:
        """`days`: None is off, 0 what was set or a year."""
        if days and not least <= days <= most:
            return "InvalidParameter"
        wrong = refusal(key, now, "rotate") or self._rotates(key, asymmetric=False)
        if not wrong:
            key.rotation = 0 if days is None else days * DAY or key.rotation or YEAR
        return wrong

    # -- imported material --

    def import_material(self, key: RefKey, now: int, material: bytes, expires: int, dialect: str) -> str:
        if expires and expires <= now:
            return "InvalidParameter"
        wrong = refusal(key, now, "import")
        if not wrong and not key.external:
            wrong = "NotExternal"
        if not wrong and key.seen_state(now) == "Disabled" and dialect in TENCENTS:
            wrong = "KeyDisabled"
        if not wrong and key.token and now >= key.token[2]:
            wrong = "ExpiredImportToken"
        if not wrong and key.material not in (b"", material):
            wrong = "MaterialMismatch"
        if not wrong:
            key.state = "Enabled" if key.seen_state(now) == "PendingImport" else key.state
            key.material, key.versions, key.expires = material, 1, expires
        return wrong

    def delete_material(self, key: RefKey, now: int) -> str:
        wrong = refusal(key, now, "any")
        if not wrong and not key.external:
            wrong = "NotExternal"
        if not wrong and key.versions and not key.expired(now):
            key.expires = now
            key.state = key.state if key.state == "PendingDeletion" else "PendingImport"
        return wrong

    # -- scheduled work --

    def watch(self, now: int, *, trust: bool) -> tuple[int, int]:
        """(when the time began that has been watched until now, what the report says: when the last run was, or 0)."""
        since, seen = self.watched or (now, now)
        if now - seen > HOUR:
            return (now, 0) if trust else (0, seen)
        return since, 0

    @staticmethod
    def _destroys(key: RefKey, now: int, since: int) -> bool:
        at = key.destroys_at()
        in_use = key.state not in ("PendingDeletion", "PendingImport")
        return 0 < at <= now and (in_use or (now >= at + DAY and now >= since + DAY))

    def sweep(self, job: str, now: int, *, dry_run: bool, trust: bool) -> tuple[int, int, int]:
        """(how many keys were due, how many are done, since when nothing is destroyed)."""
        if job == "rotate":
            due, held = [key for key in self.live if 0 < key.rotates_at() <= now], 0
        else:
            since, held = self.watch(now, trust=trust)
            due = [key for key in self.live if self._destroys(key, now, since)]
            if not dry_run and not held:
                self.watched = (since, now)
        if dry_run or held:
            return len(due), 0, held
        for key in due:
            if job == "rotate":
                key.versions, key.last_rotation = key.versions + 1, now
                key.rotations.append("AUTOMATIC")
            elif key.state == "PendingDeletion":
                key.gone, key.aliases = True, []
            elif key.state == "PendingImport":
                key.versions, key.expires = 0, 0
            else:
                key.state = "PendingImport"
        return len(due), len(due), 0

    # -- names --

    def create_alias(self, key: RefKey, now: int, alias: str) -> str:
        wrong = refusal(key, now, "name") or ("AliasExists" if self.owner(alias) else "")
        if not wrong:
            key.aliases.append(alias)
        return wrong

    def move_alias(self, key: RefKey, now: int, alias: str, dialect: str = ALIBABA) -> str:
        owner = self.owner(alias)
        wrong = refusal(key, now, "edit")
        if not wrong:
            wrong = refusal(owner, now, "edit") if owner else "AliasNotFound"
        if not wrong and owner and dialect == AWS and owner.kind != key.kind:
            wrong = "InvalidParameter"
        if not wrong and owner and owner is not key:
            owner.aliases.remove(alias)
            key.aliases.append(alias)
        return wrong

    def delete_alias(self, alias: str) -> str:
        owner = self.owner(alias)
        if owner is None:
            return "AliasNotFound"
        owner.aliases.remove(alias)
        return ""

    def rename(self, key: RefKey, now: int, alias: str) -> str:
        """Tencent's one alias is the first."""
        wrong = refusal(key, now, "edit")
        if wrong:
            return wrong
        if alias in key.aliases:
            key.aliases.remove(alias)
            key.aliases.insert(0, alias)
        elif self.owner(alias):
            return "AliasExists"
        else:
            key.aliases[:1] = [alias]
        return ""

    def tag(self, keys: list[RefKey], now: int, tags: dict[str, str], dialect: str = ALIBABA) -> str:
        wrong = next((w for key in keys if (w := refusal(key, now, "edit"))), "")
        if not wrong and any(len({**key.tags, **tags}) > max(TAGS[dialect], len(key.tags)) for key in keys):
            wrong = "LimitExceeded"
        if not wrong:
            for key in keys:
                key.tags |= tags
        return wrong

    # -- ciphertexts --

    def opens(self, blob: RefBlob, now: int) -> str:
        """Whether a ciphertext decrypts, with its own context."""
        return "InvalidCiphertext" if blob.key.gone else refusal(blob.key, now, "open", action="Decrypt")
