"""Leaves of AWS KMS's answers (docs/protocols.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenantkms.errors import Internal
from tenantkms.model.specs import SYMMETRIC, KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import material_id
from tenantkms.wire.dialects.aws import names
from tenantkms.wire.dialects.aws.errors import WrongMac, WrongSignature
from tenantkms.wire.translate import Out, View


def always(name: str) -> Out:
    """The canonical field, which no success may lack: clients take that for an empty value, and sops loses its file."""

    def leaf(result: Mapping[str, Any], _view: View) -> Any:
        value = result[name]
        if value is None:
            raise Internal
        return value

    return leaf


def key_arn(name: str = "key_id") -> Out:
    key_id = always(name)
    return lambda result, view: f"{names.ARNS.home(view.site)}key/{key_id(result, view)}"


def positive(name: str) -> Out:
    """A time, if there is one."""
    return lambda result, _view: result[name] or None


def material(name: str = "key_version_id") -> Out:
    return lambda result, _view: material_id(result[name]) if result[name] else None


def material_unless(algorithm: str, name: str) -> Out:
    """Of the symmetric key that a side of ReEncrypt has, if none of an RSA key's algorithms was named."""
    return lambda result, view: None if result[algorithm] else material(name)(result, view)


def own_material(name: str) -> Out:
    """Of a symmetric key, once it has had any: that of other keys has no id."""

    def leaf(result: Mapping[str, Any], view: View) -> str | None:
        return material(name)(result, view) if result["spec"] in SYMMETRIC else None

    return leaf


def algorithms(of: Callable[[KeySpec, KeyUsage], list[str] | None]) -> Out:
    return lambda result, _view: of(KeySpec(result["spec"]), KeyUsage(result["usage"]))


ALGORITHMS: Mapping[str, Out] = {
    "EncryptionAlgorithms": algorithms(names.encryptions),
    "SigningAlgorithms": algorithms(names.signings),
    "KeyAgreementAlgorithms": algorithms(names.agreements),
}
"""Of a public key; only that of the key's usage is there."""


def expiration(result: Mapping[str, Any], _view: View) -> str | None:
    if result["origin"] != Origin.EXTERNAL or not result["primary_version_id"]:
        return None
    return "KEY_MATERIAL_EXPIRES" if result["material_expires"] else "KEY_MATERIAL_DOES_NOT_EXPIRE"


def valid_signature(result: Mapping[str, Any], _view: View) -> bool:
    """Never false: AWS answers an error."""
    if not result["valid"]:
        raise WrongSignature
    return True


def valid_mac(result: Mapping[str, Any], _view: View) -> bool:
    if not result["valid"]:
        raise WrongMac
    return True


def rotation_type(result: Mapping[str, Any], _view: View) -> str | None:
    """Where it is known."""
    scheduled = result["scheduled"]
    return None if scheduled is None else "AUTOMATIC" if scheduled else "ON_DEMAND"


def rotation(result: Mapping[str, Any]) -> int:
    """Seconds between two automatic rotations, 0 for none: those of a key that is pending deletion rest."""
    key = result["keys"][0]
    return 0 if key["state"] == KeyState.PENDING_DELETION else int(key["rotation_seconds"])
