"""Whatever byte of a signed request is changed, it is refused; what may change is listed here with the reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import pytest

from kit.captures import Capture, add_credential, at, capture, check, refused
from kit.support import Kms, event
from tenantkms.errors import Unsigned
from tenantkms.wire.http import request_from_event
from tenantkms.wire.parse import Parameters
from tenantkms.wire.signing import tencent_v1, verify

Event = dict[str, Any]


class Change(NamedTuple):
    """One character of one place, `before` and `after` being the place's whole text."""

    of: Capture
    place: str
    before: str
    after: str


def _get(request: Event, place: str) -> str:
    if place == "method":
        return str(request["requestContext"]["http"]["method"])
    if place == "body":
        return base64.b64decode(request["body"] or "").decode("latin-1")
    if place in ("path", "query"):
        return str(request["rawPath" if place == "path" else "rawQueryString"])
    return str(request["headers"][place])


def _set(request: Event, place: str, text: str) -> Event:
    if place == "method":
        request["requestContext"]["http"]["method"] = text
    elif place == "body":
        request["body"] = base64.b64encode(text.encode("latin-1")).decode()
        request["isBase64Encoded"] = True
    elif place in ("path", "query"):
        request["rawPath" if place == "path" else "rawQueryString"] = text
    else:
        request["headers"][place] = text
    return request


def _others(char: str) -> Iterator[str]:
    """Another character of the same class, the other case, and one that means something in every grammar."""
    yield chr(ord(char) - 1) if char in "zZ9" else chr(ord(char) + 1)
    if char.isalpha():
        yield char.swapcase()
    yield "=" if char != "=" else "&"
    yield {".": "_", "_": ".", "+": " "}.get(char, "0" if char != "0" else "1")


def changes(of: Capture, place: str) -> Iterator[Change]:
    before = _get(of.event, place)
    for i, char in enumerate(before):
        for other in set(_others(char)) - {char}:
            yield Change(of, place, before, before[:i] + other + before[i + 1 :])
        yield Change(of, place, before, before[:i] + before[i + 1 :])


def _same_parameters(change: Change) -> bool:
    """The schemes that sign parameters sign them decoded: `%2f` is `%2F` to them."""
    spelling = [parse_qsl(text, keep_blank_values=True) for text in (change.before, change.after)]
    escapes_differ = change.before.lower() == change.after.lower()
    return change.place in ("query", "body") and escapes_differ and spelling[0] == spelling[1]


def _same_but_case(change: Change) -> bool:
    """TC3 as documented signs header values in lower case, so the capitals of a host or a type are free."""
    return change.place in ("host", "content-type") and change.before.lower() == change.after.lower()


def _port(change: Change) -> bool:
    """The Node SDK signs its host without the port."""
    return change.place == "host" and change.after.startswith(change.before.partition(":")[0] + ":")


def _dot_for_underscore(change: Change) -> bool:
    """The old SDKs sign `_` in names as `.`; no parameter that is served has either, so the name is unknown."""
    names = [{name for name, _ in parse_qsl(text)} for text in (change.before, change.after)]
    return names[0] != names[1] and names[0] == {name.replace("_", ".") for name in names[1]}


def _space_in_authorization(change: Change) -> bool:
    """The space after a comma of the Authorization header is optional."""
    return change.place == "authorization" and change.before.replace(", ", ",") == change.after.replace(", ", ",")


Allow = Callable[[Change], bool]
PARAMETERS = ("method", "query", "body")
ACS_PLACES = (
    *PARAMETERS,
    "authorization",
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
)
TC3 = (*PARAMETERS, "authorization", "host", "content-type", "x-tc-timestamp")
SIGV4 = (*PARAMETERS, "path", "authorization", "host", "x-amz-date", "x-amz-target")

TABLE: list[tuple[str, tuple[str, ...], tuple[Allow, ...]]] = [
    ("alibaba-aliyunsdkcore-Encrypt", PARAMETERS, (_same_parameters,)),
    ("alibaba-aliyunsdkcore-Encrypt-CommonRequest-body", PARAMETERS, (_same_parameters,)),
    ("alibaba-kms-sdk-npm-CreateKey-GET-unescaped", PARAMETERS, (_same_parameters,)),
    ("alibaba-kms20160120-npm-Encrypt-flatContext", PARAMETERS, (_same_parameters,)),
    ("alibaba-pop-core-Decrypt-POST-STS", PARAMETERS, (_same_parameters,)),
    ("alibaba-tea-Encrypt", (*ACS_PLACES, "user-agent", "accept", "x-acs-content-sha256"), (_same_parameters,)),
    ("alibaba-tea-Encrypt-STS", (*ACS_PLACES, "x-acs-security-token", "x-acs-accesskey-id"), (_same_parameters,)),
    ("alibaba-tea-Encrypt-acs4", (*ACS_PLACES, "x-acs-content-sha256"), (_same_parameters,)),
    ("alibaba-tea-Decrypt-Recipient-formbody", ACS_PLACES, (_same_parameters,)),
    ("aws-boto3-Encrypt", (*SIGV4, "content-type"), (_space_in_authorization,)),
    ("aws-boto3-Encrypt-endpointPath", SIGV4, (_space_in_authorization,)),
    ("aws-aws4fetch-1.0.20-GenerateRandom", SIGV4, (_space_in_authorization,)),
    ("aws-pymongocrypt-1.21.2-Encrypt-token", (*SIGV4, "x-amz-security-token"), (_space_in_authorization,)),
    (
        "aws-client-kms-js-3.1164.0-ScheduleKeyDeletion-token",
        (*SIGV4, "x-amz-security-token", "x-amz-content-sha256", "amz-sdk-invocation-id", "amz-sdk-request"),
        (_space_in_authorization,),
    ),
    ("tencent3-tencentcloud-py-Encrypt", TC3, (_same_but_case, _space_in_authorization)),
    ("tencent3-tencentcloud-py-Encrypt-TC3-GET", TC3, (_same_but_case, _space_in_authorization)),
    ("tencent3-tencentcloud-node-Encrypt-TC3-GET", TC3, (_same_but_case, _space_in_authorization, _port)),
    (
        "tencent3-tencentcloud-node-Decrypt-TC3-POST-endpointPath",
        (*TC3, "path"),
        (_same_but_case, _space_in_authorization, _port),
    ),
    ("tencent3-tencentcloud-py-Encrypt-HmacSHA1-GET", (*PARAMETERS, "host"), (_same_parameters,)),
    ("tencent3-tencentcloud-py-Encrypt-HmacSHA256-POST", (*PARAMETERS, "host"), (_same_parameters,)),
    ("tencent3-tencentcloud-node-Encrypt-HmacSHA1-POST", (*PARAMETERS, "host"), (_same_parameters,)),
    ("tencent2-qcloudapi-py-Encrypt-POST", (*PARAMETERS, "host", "path"), (_same_parameters,)),
    ("tencent2-qcloudapi-npm-Encrypt-POST-TC2", (*PARAMETERS, "host", "path"), (_same_parameters,)),
    ("tencent2-qcloudapi-py-CreateKey-v3Version-POST", PARAMETERS, (_same_parameters, _dot_for_underscore)),
]


def _believed(of: Capture, place: str) -> list[Change]:
    return [change for change in changes(of, place) if not refused(_set(of.event, place, change.after), of)]


@pytest.mark.parametrize(
    ("name", "place", "allowed"),
    [pytest.param(name, place, allowed, id=f"{name}-{place}") for name, places, allowed in TABLE for place in places],
)
def test_a_changed_character_is_refused(name: str, place: str, allowed: tuple[Allow, ...]) -> None:
    of = capture(name)
    check(of.event, of.access_key_id, of.secret)
    assert [c.after for c in _believed(of, place) if not any(allow(c) for allow in allowed)] == []


@pytest.mark.parametrize(
    ("name", "places", "allow"),
    [pytest.param(n, places, a, id=f"{n}-{a.__name__}") for n, places, allowed in TABLE for a in allowed],
)
def test_what_is_allowed_does_occur(name: str, places: tuple[str, ...], allow: Allow) -> None:
    """A row of the list that nothing needs would hide a fault."""
    of = capture(name)
    assert any(allow(change) for place in places for change in _believed(of, place))


V1_POST = "tencent2-qcloudapi-npm-Encrypt-POST-TC2"
V1_GET = "tencent3-tencentcloud-py-Encrypt-HmacSHA1-GET"
RPC_GET = "alibaba-pop-core-Encrypt-GET"
RPC_FLAT = "alibaba-kms20160120-npm-Encrypt-flatContext"
TC3_GET = "tencent3-tencentcloud-py-Encrypt-TC3-GET"
ACS = "alibaba-tea-Encrypt"
AWS = "aws-boto3-Encrypt"


@pytest.mark.parametrize(
    ("name", "place", "old", "new"),
    [
        pytest.param(V1_GET, "query", "KeyId=", "KeyId=&KeyId=", id="a parameter twice (v1)"),
        pytest.param(RPC_GET, "query", "KeyId=", "KeyId=&KeyId=", id="a parameter twice (RPC)"),
        pytest.param(ACS, "query", "KeyId=", "KeyId=&KeyId=", id="a parameter twice (ACS3)"),
        pytest.param(RPC_GET, "query", "Action=", "Extra=&Action=", id="one more parameter, blank"),
        pytest.param(V1_GET, "query", "Action=", "Extra=&Action=", id="one more parameter, blank (v1)"),
        pytest.param(RPC_FLAT, "query", "EncryptionContext.", "EncryptionContext", id="a context key without its dot"),
        pytest.param(TC3_GET, "query", "+", "%20", id="TC3: another spelling of a space"),
        pytest.param(TC3_GET, "query", "%2A", "*", id="TC3: another spelling of a star"),
        pytest.param(ACS, "authorization", "host;", "", id="ACS3: the host is not signed"),
        pytest.param(ACS, "authorization", "x-acs-action;", "", id="ACS3: the action is not signed"),
        pytest.param(ACS, "authorization", ";x-acs-version", "", id="ACS3: the version is not signed"),
        pytest.param(ACS, "authorization", "host;", "host;host;", id="ACS3: a header signed twice"),
        pytest.param(AWS, "authorization", "host;", "", id="SigV4: the host is not signed"),
        pytest.param(AWS, "authorization", ";x-amz-target", "", id="SigV4: the operation is not signed"),
        pytest.param(AWS, "authorization", "host;", "host;host;", id="SigV4: a header signed twice"),
        pytest.param(AWS, "authorization", "content-type;host", "host;content-type", id="SigV4: headers not sorted"),
        pytest.param(ACS, "authorization", "accept;host", "host;accept", id="ACS3: headers not sorted"),
    ],
)
def test_a_rearranged_request_is_refused(name: str, place: str, old: str, new: str) -> None:
    of = capture(name)
    text = _get(of.event, place)
    assert old in text
    assert refused(_set(of.event, place, text.replace(old, new, 1)), of)


@pytest.mark.parametrize(
    ("sent", "forged"),
    [
        ({"a": "1", "b": "2"}, {"a": "1&b=2"}),
        ({"a": "1", "b": "2"}, {"a=1&b": "2"}),
        ({"c.x": "1=2"}, {"c.x=1": "2"}),
        ({"c.x": "1", "c.\u7a7a": "2"}, {"c.x": "1&c.\u7a7a=2"}),
        ({"c.x": "1", "c.y z": "2"}, {"c.x": "1&c.y z=2"}),
    ],
)
def test_tencent_v1_signs_raw_so_a_second_reading_is_refused(sent: dict[str, str], forged: dict[str, str]) -> None:
    common = {"Action": "Encrypt", "Nonce": "1", "SecretId": "id", "Timestamp": "1"}
    sent, forged = {**common, **sent}, {**common, **forged}
    assert tencent_v1.joined(sent) == tencent_v1.joined(forged)
    request = request_from_event(event("POST", headers={"host": "h"}))
    signature = tencent_v1.sign("secret", "HmacSHA1", "POSTh/?" + tencent_v1.joined(sent))
    assert verify(tencent_v1.read(request, Parameters({**sent, "Signature": signature})), "secret") == frozenset()
    with pytest.raises(Unsigned):
        tencent_v1.read(request, Parameters({**forged, "Signature": signature}))


@pytest.mark.parametrize(("name", "spelling"), [(RPC_GET, ("%20", "+")), (ACS, ("+", "%20")), (V1_GET, ("+", "%20"))])
def test_schemes_that_sign_decoded_parameters_take_any_spelling(name: str, spelling: tuple[str, str]) -> None:
    of = capture(name)
    query = _get(of.event, "query")
    assert spelling[0] in query
    assert not refused(_set(of.event, "query", query.replace(*spelling)), of)


@pytest.mark.parametrize(
    "name",
    ["x-tc-action", "x-tc-version", "x-tc-region", "x-tc-language", "x-tc-requestclient", "x-tc-traceid", "user-agent"],
)
def test_tc3_headers_that_are_not_signed(name: str) -> None:
    """The scheme leaves them out: TLS and the clock window protect them, and the SDKs cannot be told otherwise."""
    of = capture("tencent3-tencentcloud-py-Encrypt")
    assert not refused(_set(of.event, name, _get(of.event, name) + "x"), of)


@pytest.mark.parametrize("name", [ACS, RPC_GET])
def test_alibaba_schemes_sign_no_path(name: str) -> None:
    """The SDKs sign `/` even when their endpoint has a path; every path serves the same."""
    of = capture(name)
    assert not refused(_set(of.event, "path", "/some/where"), of)


def test_a_dot_written_as_an_underscore_is_an_unknown_parameter(kms: Kms) -> None:
    of = capture("tencent2-qcloudapi-py-CreateKey-v3Version-POST")
    then = at(kms, of.time)
    add_credential(then, of.access_key_id, of.secret)
    body = _get(of.event, "body")
    assert "Tags.0.TagKey=" in body
    answer = json.loads(then.send(_set(of.event, "body", body.replace("Tags.", "Tags_")))["body"])
    assert answer["Response"]["Error"]["Code"] == "UnknownParameter"
