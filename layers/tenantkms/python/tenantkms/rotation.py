"""New versions of keys: what CreateKeyVersion, automatic rotation and its policy have in common."""

from __future__ import annotations

from msgspec.structs import replace

from tenantkms.action import Deps
from tenantkms.errors import ExternalOrigin, InvalidParameter, RotationUnsupported
from tenantkms.keystore import PutKey, PutVersion, Write
from tenantkms.model import EC, RSA, SYMMETRIC, Key, KeySpec, KeyVersion, Origin
from tenantkms.rules import Profile

DAY = 86_400
DEFAULT_INTERVAL = 365 * DAY


def check_rotates(key: Key, *, asymmetric: bool) -> None:
    """Raises `ExternalOrigin` or `RotationUnsupported` if `key` gets no new versions."""
    if key.origin is Origin.EXTERNAL:
        raise ExternalOrigin
    if key.spec not in SYMMETRIC and not (asymmetric and key.spec in RSA | EC):
        raise RotationUnsupported


def check_interval(seconds: int, profile: Profile) -> None:
    """Raises `InvalidParameter` if keys are not rotated that often, or that seldom."""
    least, most = profile.rotation_days
    if not least * DAY <= seconds <= most * DAY:
        raise InvalidParameter(f"The rotation interval is from {least} to {most} days.")


def new_material(spec: KeySpec, deps: Deps) -> bytes:
    """Fresh key material for a key of `spec`."""
    if spec in SYMMETRIC:
        return deps.random(SYMMETRIC[spec].size)
    from tenantkms import asymmetric, mac

    return deps.random(mac.size(spec)) if spec not in RSA | EC else asymmetric.generate(spec, deps.random)


def rotation(deps: Deps, key: Key, revised: Key, now: int) -> tuple[KeyVersion, list[Write]]:
    """(the new primary version, the writes that make it so). `revised` is the next revision of `key`."""
    if key.primary is None:
        raise ExternalOrigin
    number = key.primary.number + 1
    version = deps.keyring.seal_version(key.id, key.spec, number, now, new_material(key.spec, deps))
    changed = replace(revised, primary=version, last_rotation=now)
    return version, [PutVersion(key.id, key.primary), PutKey(changed)]
