"""Profiles: what providers decide differently, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.model.specs import SYMMETRIC, KeySpec, KeyUsage
from tenantkms.model.states import KeyState
from tenantkms.names import ALIBABA, AWS, IAM, NATIVE, RAM, TENCENT, TENCENT_V2

DAY = 86_400
"""Seconds."""


class Profile(Struct, frozen=True, kw_only=True):
    """The limits and defaults of one provider's API. Sizes in bytes; `context_limit` in characters of its JSON."""

    plaintext_limit: int
    context_limit: int
    description_limit: int
    data_key_default: int | None
    """Bytes of a data key when neither size nor spec is given; None: one of them is required."""
    deletion_window: tuple[int, int]
    """Days from scheduling a deletion to the deletion: least and most."""
    schedule_needs_disabled: bool
    """Whether an enabled key's deletion can be scheduled at once."""
    cancel_deletion_to: KeyState
    rotation_days: tuple[int, int]
    """Interval of automatic rotation: least and most."""
    rotation_pause: int
    """Seconds that must pass between two rotations by hand."""
    imports_disabled: bool
    """Whether material can be imported into a disabled key, which stays disabled."""
    rotates_asymmetric: bool
    """Whether asymmetric keys get new versions, by hand."""
    imports: frozenset[KeySpec] = frozenset(SYMMETRIC)
    """Specs of keys that are created without material, to be imported."""
    usages: frozenset[KeyUsage] = frozenset(KeyUsage) - {KeyUsage.KEY_AGREEMENT}
    """Those that keys are created with."""
    tags: int
    """Of one key, at most; `Limits.tags` goes before it."""
    tag_value_limit: int
    """Characters."""
    reserved_tags: tuple[str, ...]
    """How the keys of tags may not begin."""
    reserved_aliases: tuple[str, ...] = ()
    """How aliases, without their prefix, may not begin that a caller makes, moves or takes away. All are looked up."""
    names_usage: bool = False
    """Whether keys that are not symmetric are created with their usage named."""
    alias_keeps_kind: bool = False
    """Whether an alias moves only to a key of the same usage that is symmetric too, or is not either."""
    policy_form: str = ""
    """The form of key policies that are set and shown; empty: that which a document has, RAM's for the default."""


_ALL: dict[str, Any] = {"imports": frozenset(KeySpec), "usages": frozenset(KeyUsage)}
_RESERVED_TAGS = ("aliyun", "acs:")
_TENCENT = Profile(
    plaintext_limit=4096,
    context_limit=1024,
    description_limit=1024,
    data_key_default=None,
    deletion_window=(7, 30),
    schedule_needs_disabled=True,
    cancel_deletion_to=KeyState.DISABLED,
    rotation_days=(7, 365),
    rotation_pause=DAY,
    imports_disabled=False,
    rotates_asymmetric=False,
    tags=20,
    tag_value_limit=128,
    reserved_tags=_RESERVED_TAGS,
)
_ALIBABA = Profile(
    plaintext_limit=6144,
    context_limit=8192,
    description_limit=8192,
    data_key_default=32,
    deletion_window=(7, 366),
    schedule_needs_disabled=False,
    cancel_deletion_to=KeyState.ENABLED,
    rotation_days=(7, 730),
    rotation_pause=0,
    imports_disabled=True,
    rotates_asymmetric=True,
    tags=20,
    tag_value_limit=128,
    reserved_tags=_RESERVED_TAGS,
    reserved_aliases=("acs/",),
    policy_form=RAM,
)
_AWS = Profile(
    plaintext_limit=4096,
    context_limit=8192,
    description_limit=8192,
    data_key_default=None,
    deletion_window=(7, 30),
    schedule_needs_disabled=False,
    cancel_deletion_to=KeyState.DISABLED,
    rotation_days=(90, 2560),
    rotation_pause=0,
    imports_disabled=True,
    rotates_asymmetric=False,
    **_ALL,
    tags=50,
    tag_value_limit=256,
    reserved_tags=("aws:",),
    reserved_aliases=("aws/",),
    names_usage=True,
    alias_keeps_kind=True,
    policy_form=IAM,
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        ALIBABA: _ALIBABA,
        TENCENT: _TENCENT,
        TENCENT_V2: _TENCENT,
        AWS: _AWS,
        # An operator makes what the provider's own services would: Nacos needs `alias/acs/mse`.
        NATIVE: replace(_ALIBABA, reserved_aliases=(), policy_form="", **_ALL),
    }
)
"""By the name of the dialect, or `native`."""
