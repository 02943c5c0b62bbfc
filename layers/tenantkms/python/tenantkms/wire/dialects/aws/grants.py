"""Grants, as AWS KMS has them: parameters and answers by table."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from tenantkms import errors as e
from tenantkms.crypto.strings import decode_base64
from tenantkms.model.grant import EVERYBODY
from tenantkms.model.grant import OPERATIONS as GRANTABLE
from tenantkms.model.version import UUID_FORM
from tenantkms.wire import codecs, places
from tenantkms.wire.dialects.aws import fields, leaves, pages
from tenantkms.wire.dialects.aws.errors import BadArn, BadGrantId, BadGrantToken, BadMarker
from tenantkms.wire.dialects.aws.rows import GRANTS, MANAGED, given
from tenantkms.wire.shapes import Shape, shape_of, shaped
from tenantkms.wire.signing.aws_sigv4 import INVOCATION
from tenantkms.wire.translate import SPREAD, In, Operation, Out, Rule, call, each, get, refused

_PRINCIPAL = re.compile(r"arn:aws:iam::[0-9]{12}:(root|user/(?P<id>[A-Za-z0-9_+=,.@-]{1,128}))")
_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-zA-Z0-9:/_-]+")
_OPERATION = fields.enum(codecs.same(*sorted(GRANTABLE)), frozenset({"Encapsulate", "Decapsulate"}))
_TEXT, _ID_TEXT, _NAME_TEXT = fields.text(), fields.text(1, 128), fields.text(1, 256)
_TOKEN_TEXT, _MARKER_TEXT = fields.text(1, 8192), fields.text(1, 1024)
_RETIRABLE = "ListRetirableGrants"
_MOST_PAIRS, _MOST_CHARACTERS = 8, 384


@shaped(Shape("text", 1, 256, form=_PRINCIPAL.pattern.replace("?P<id>", ""), example="arn:aws:iam::111122223333:root"))
def _principal(wire: str, value: Any) -> str:
    """The access key's id; the account's own ARN means all."""
    said = _NAME_TEXT(wire, value)
    match = _PRINCIPAL.fullmatch(said)
    if match is None:
        raise BadArn(f"{wire} is no ARN of an access key, arn:aws:iam::<account>:user/<access key id>: '{said}'")
    return match["id"] or EVERYBODY


@shaped(Shape("list", 1, of=shape_of(_OPERATION)))
def _operations(wire: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise e.MalformedRequest(f"{wire} is not a list of operations.")
    if not value:
        raise fields.violation(wire, "have length greater than or equal to 1", "[]")
    return [_OPERATION(wire, name) for name in dict.fromkeys(_TEXT(wire, name) for name in value)]


@shaped(Shape("text", 1, 256, form=_NAME.pattern))
def _name(wire: str, value: Any) -> str:
    said: str = _NAME_TEXT(wire, value)
    if not _NAME.fullmatch(said):
        raise fields.violation(wire, "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", said)
    return said


_CONSTRAINTS = {"EncryptionContextEquals": "equals", "EncryptionContextSubset": "subset"}


@shaped(Shape("json", example='{"EncryptionContextSubset":{"purpose":"example"}}'))
def _constraints(wire: str, value: Any) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict):
        raise e.MalformedRequest(f"{wire} is not an object.")
    found = {}
    for name, pairs in value.items():
        if pairs is None:
            continue
        if name not in _CONSTRAINTS:
            raise e.UnsupportedParameter(f"{wire}: {name[:64]} is not supported here.")
        if not isinstance(pairs, dict) or not all(isinstance(item, str) for item in pairs.values()):
            raise e.MalformedRequest(f"{name} is not a map of strings.")
        if not pairs:
            raise e.InvalidParameter(f"{name} is empty, and would constrain nothing.")
        if len(pairs) > _MOST_PAIRS or sum(len(k) + len(v) for k, v in pairs.items()) > _MOST_CHARACTERS:
            raise e.InvalidParameter(
                f"{name} has at most {_MOST_PAIRS} pairs, of {_MOST_CHARACTERS} characters together."
            )
        found[_CONSTRAINTS[name]] = pairs
    return found


@shaped(Shape("text", 64, 64, form=_ID.pattern))
def _grant_id(wire: str, value: Any) -> str:
    said: str = _ID_TEXT(wire, value)
    if not _ID.fullmatch(said):
        raise BadGrantId
    return said


@shaped(Shape("text", 1, 8192))
def _read_token(wire: str, value: Any) -> dict[str, str]:
    """A token names a grant. It proves nothing, and nobody is allowed more by it."""
    raw = decode_base64(_TOKEN_TEXT(wire, value)) or b""
    key_id, _, grant_id = raw.decode("ascii", "replace").partition(" ")
    if not UUID_FORM.fullmatch(key_id) or not _ID.fullmatch(grant_id):
        raise BadGrantToken
    return {"key_id": key_id, "grant_id": grant_id}


def _token(result: Mapping[str, Any], _view: object) -> str:
    return base64.b64encode(f"{result['key_id']} {result['grant_id']}".encode()).decode()


# -- markers -------------------------------------------------------------------------------------------


@shaped(Shape("text", 1, 1024))
def _place(wire: str, value: Any) -> dict[str, Any]:
    place = places.place_of(_RETIRABLE, _MARKER_TEXT(wire, value), "grants")
    if place is None:
        raise BadMarker
    return place


# -- answers -------------------------------------------------------------------------------------------


def _arn(name: str) -> Out:
    def leaf(result: Mapping[str, Any], view: Any) -> str | None:
        who = result[name]
        of = "root" if who == EVERYBODY else f"user/{who}"
        return f"arn:aws:iam::{view.site.account}:{of}" if who else None

    return leaf


def _shown_constraints(result: Mapping[str, Any], _view: object) -> dict[str, Any] | None:
    return {wire: result[name] for wire, name in _CONSTRAINTS.items() if result[name]} or None


_GRANT: Mapping[str, Out] = {
    "KeyId": leaves.key_arn(),
    "GrantId": get("id"),
    "Name": lambda result, _view: result["name"] or None,
    "CreationDate": get("created"),
    "GranteePrincipal": _arn("grantee"),
    "RetiringPrincipal": _arn("retiring"),
    "IssuingAccount": lambda _result, view: f"arn:aws:iam::{view.site.account}:root",
    "Operations": get("operations"),
    "Constraints": _shown_constraints,
}
_DRY = given("DryRun", call("dry_run"), fields.boolean)
_ONE = given("GrantId", "grant_id", _grant_id, required=True)


def _check_one(given_: list[str]) -> None:
    if "GrantToken" in given_ and len(given_) > 1:
        raise e.InvalidParameter("Give a GrantToken, or a KeyId and a GrantId.")
    if "GrantToken" not in given_ and len(given_) < 2:
        raise e.MissingParameter("A GrantToken, or a KeyId and a GrantId, is required.")


def _optional(row: In) -> In:
    return given(row.wire, row.to, row.codec)


OPERATIONS: dict[str, Operation] = {
    "CreateGrant": Operation(
        "CreateGrant",
        (
            *refused("GranteeServicePrincipal", "RetiringServicePrincipal"),  # one of them is in a principal's place
            MANAGED,
            given("GranteePrincipal", "grantee", _principal, required=True),
            given("RetiringPrincipal", "retiring", _principal),
            given("Operations", "operations", _operations, required=True),
            given("Constraints", SPREAD, _constraints),
            given("Name", "name", _name),
            given(INVOCATION, "client_token", fields.invocation),
            GRANTS,
            _DRY,
        ),
        {"GrantToken": _token, "GrantId": get("grant_id")},
    ),
    "ListGrants": Operation(
        "ListGrants",
        (
            MANAGED,
            *pages.page("ListGrants"),
            given("GrantId", "grant_id", _grant_id),
            given("GranteePrincipal", "grantee", _principal),
            *refused("GranteeServicePrincipal"),
        ),
        {
            "Grants": each("grants", _GRANT),
            **pages.more("ListGrants", pages.rest_of("grants"), lambda result: str(result["key_id"])),
        },
        constant={"limit": 50},
    ),
    "RevokeGrant": Operation("RevokeGrant", (MANAGED, _ONE, _DRY)),
    "RetireGrant": Operation(
        "RetireGrant",
        (_optional(MANAGED), _optional(_ONE), given("GrantToken", SPREAD, _read_token), _DRY),
        rules=(Rule(("KeyId", "GrantId", "GrantToken"), _check_one),),
    ),
    _RETIRABLE: Operation(
        _RETIRABLE,
        (
            *refused("RetiringServicePrincipal"),
            given("RetiringPrincipal", "retiring", _principal, required=True),
            pages.LIMIT,
            given("Marker", "after", _place),
        ),
        {
            "Grants": each("grants", _GRANT),
            "NextMarker": lambda result, _view: places.token(_RETIRABLE, result["next"], "grants") or None,
            "Truncated": lambda result, _view: result["next"] is not None,
        },
        constant={"limit": 50},
    ),
}
