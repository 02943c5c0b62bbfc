"""New versions of keys: what CreateKey, CreateKeyVersion, automatic rotation and its policy have in common."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tenantkms.errors import ExternalOrigin, InvalidParameter, RotationUnsupported
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.key import Key, revised
from tenantkms.model.profiles import DAY, Profile
from tenantkms.model.specs import EC, RSA, SIZES, SYMMETRIC, KeySpec, KeyUsage, Origin
from tenantkms.model.version import KeyVersion
from tenantkms.model.watch import SKEW
from tenantkms.store.port import PutKey, PutVersion, Write

DEFAULT_INTERVAL = 365 * DAY


def check_rotates(key: Key, *, asymmetric: bool) -> None:
    """Raises `ExternalOrigin` or `RotationUnsupported` if `key` gets no new versions."""
    if key.origin is Origin.EXTERNAL:
        raise ExternalOrigin(key=key.id)
    # A version is named where it is used, which no dialect can for the others.
    named = key.spec in RSA | EC and key.usage is not KeyUsage.KEY_AGREEMENT
    if key.spec not in SYMMETRIC and not (asymmetric and named):
        raise RotationUnsupported(key=key.id)


def check_interval(seconds: int, profile: Profile) -> None:
    """Raises `InvalidParameter` if keys are not rotated that often, or that seldom."""
    least, most = profile.rotation_days
    if not least * DAY <= seconds <= most * DAY:
        raise InvalidParameter(f"The rotation interval is from {least} to {most} days.")


def new_material(spec: KeySpec, random: Callable[[int], bytes]) -> bytes:
    """Fresh key material for a key of `spec`."""
    if spec in SIZES:
        return random(SIZES[spec])
    from tenantkms.crypto import asymmetric  # most callers never need it

    return asymmetric.generate(spec, random)


def rotation(
    keyring: Keyring, random: Callable[[int], bytes], key: Key, next_: Key, now: int, *, scheduled: bool
) -> tuple[KeyVersion, list[Write]]:
    """(the new primary version, the writes that make it so). `next_` is the next revision of `key`."""
    if key.primary is None:
        raise ExternalOrigin
    number = key.primary.number + 1
    material = new_material(key.spec, random)
    version = replace(keyring.seal_version(key.id, key.spec, number, now, material), scheduled=scheduled)
    changed = replace(next_, primary=version, last_rotation=now)
    return version, [PutVersion(key.id, key.primary), PutKey(changed)]


def rotates(key: Key, now: int, _since: int) -> bool:
    """Whether the scheduled rotation is due. One that is dated in the future, by a clock that was ahead, was none."""
    at = key.rotates_at
    return at > 0 and not now < at <= now + key.rotation_seconds + SKEW


def rotate_due(deps: Deps, key: Key, now: int, request_id: str) -> None:
    """The scheduled rotation of a key that is due."""
    _, writes = rotation(deps.keyring, deps.random, key, revised(key, request_id), now, scheduled=True)
    deps.keyring.commit(writes)
