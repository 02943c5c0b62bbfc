"""Random requests from the vendors' own SDKs, unmodified, as they would leave the machine, and changes of them.

What an SDK signed must verify here and be read as it was given; with a byte changed in what is signed it must not, but
where the change is none: another spelling of the same parameters, or what docs/protocols.md says is not signed.
"""

from __future__ import annotations

import json
import ssl
import string
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any, NoReturn
from unittest.mock import patch
from urllib.parse import urlsplit

from alibabacloud_tea_openapi.client import Client as TeaClient
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import RpcRequest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from darabonba.runtime import RuntimeOptions
from QcloudApi.qcloudapi import QcloudApi
from requests import Session
from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from kit import edits
from kit.edits import Event
from kit.support import event
from tenantkms.errors import KmsError, UnknownAccessKey
from tenantkms.wire.dialects import check_unambiguous, recognise
from tenantkms.wire.http import FORM, check_headers, request_from_event
from tenantkms.wire.parse import parse_json_object
from tenantkms.wire.signing import verify

ACTIONS = ("Encrypt", "Decrypt", "DescribeKey", "CreateKey", "ListKeys", "GenerateDataKey")


# -- what an SDK sends --------------------------------------------------------------------------------------


class Sent(BaseException):
    """A request on its way out. Not an Exception, which the SDKs would wrap or try again."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: str | bytes | None) -> None:
        super().__init__()
        parts = urlsplit(url)
        sent = {"host": parts.netloc, **{name.lower(): _text(value) for name, value in headers.items()}}
        data = body.encode() if isinstance(body, str) else body or b""
        self.event = event(method, parts.path or "/", parts.query, sent, data)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _send(_session: Any, request: Any, **_how: Any) -> NoReturn:
    """Instead of `Session.send` of requests, of which one SDK has a copy of its own."""
    raise Sent(request.method, request.url, request.headers, request.body)


def _request(connection: Any, method: str, url: str, body: Any = None, headers: Mapping[str, str] = {}) -> NoReturn:
    """Instead of `HTTPSConnection.request`; Host as http.client makes it."""
    host = connection.host if connection.port == 443 else f"{connection.host}:{connection.port}"
    raise Sent(method, f"https://{host}{url}", {**headers, "host": host}, body)


def unsent() -> AbstractContextManager[Any]:
    """While it lasts no SDK reaches a network: what it would send is raised as `Sent`."""
    stack = ExitStack()
    for sessions in ("requests.sessions", "aliyunsdkcore.vendored.requests.sessions"):
        stack.enter_context(patch(f"{sessions}.Session.send", _send))
    stack.enter_context(patch("QcloudApi.common.request.MyHTTPSConnection.request", _request))
    # What takes longer than all the rest: a list of endpoints for each client of one SDK, and a context of TLS for each
    # call or host of two others.
    stack.enter_context(patch("aliyunsdkcore.client.DefaultEndpointResolver", lambda *_client: None))
    context, session = ssl.create_default_context(), Session()
    stack.enter_context(patch("ssl._create_default_https_context", lambda: context))
    stack.enter_context(patch("darabonba.core.DaraCore._get_session", lambda **_how: session))
    return stack


# -- random requests ----------------------------------------------------------------------------------------

_LETTERS = string.ascii_letters + string.digits
_MARKS = " %+&=~*'()/?#@;:,!$[]{}|\\^`\"<>-_."
_UNICODE = (
    "\u00e4\u00df\u00e9e\u0301\u4e2d\u6587\u03a9\u200b\u2028\ufeff\uffff\U0001f600\U0010ffff\x00\t\n\r\x7f\x85\xa0"
)
_POOLS = (_LETTERS, _MARKS, _UNICODE, _LETTERS + _MARKS + _UNICODE, "%+ 0aF")
_UNRESERVED = _LETTERS + "-_.~"


def _from(random: Random, pool: str, most: int, least: int = 0) -> str:
    return "".join(random.choices(pool, k=random.randint(least, most)))


def _value(random: Random) -> str:
    return _from(random, random.choice(_POOLS), random.choice((0, 1, 4, 40)))


def _name(random: Random, pool: str) -> str:
    return random.choice(string.ascii_letters) + _from(random, pool, random.choice((0, 3, 12)))


def _nested(random: Random, name: Callable[[], str], value: Callable[[], Any], depth: int) -> Any:
    """A value, or a list or struct of such, never an empty one: flattened those are not sent."""
    kind = random.choice(("value", "list", "struct")) if depth else "value"
    if kind == "list":
        return [_nested(random, name, value, depth - 1) for _ in range(random.randint(1, 3))]
    if kind == "struct":
        return {name(): _nested(random, name, value, depth - 1) for _ in range(random.randint(1, 3))}
    return value()


def flat(params: Mapping[str, Any], first: int) -> dict[str, str]:
    """`{"Tags": [{"Key": 1}]}` as `{"Tags.1.Key": "1"}`, items counted from `first`."""
    found: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, dict | list):
            parts = value if isinstance(value, dict) else {str(n): item for n, item in enumerate(value, first)}
            found |= {f"{name}.{rest}": text for rest, text in flat(parts, first).items()}
        else:
            found[name] = str(value)
    return found


def _host(random: Random) -> str:
    name = random.choice(("127.0.0.1", "localhost", f"{_from(random, string.ascii_lowercase, 9, 1)}.example.test"))
    return name + random.choice(("", ":80", ":443", f":{random.randint(1024, 65535)}"))


@dataclass(frozen=True)
class Sample:
    """What an SDK sent with a credential, and how its parameters must be read."""

    event: Event
    access_key_id: str
    secret: str
    action: str
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Caller:
    """Random choices that all SDKs need. `token`: of a temporary credential, mostly none."""

    random: Random
    access_key_id: str
    secret: str
    token: str
    host: str
    action: str
    method: str

    def sent(self, given: Mapping[str, Any], call: Callable[[], object]) -> Sample:
        try:
            call()
        except Sent as sent:
            return Sample(sent.event, self.access_key_id, self.secret, self.action, given)
        raise AssertionError("the SDK sent nothing")

    def params(self, pool: str, value: Callable[[Random], Any], *, spelled: str = "") -> dict[str, Any]:
        """No two names are the same, nor become it when `spelled` counts as a dot."""
        random = self.random
        name = lambda: _name(random, pool)  # noqa: E731 - the same choices, many times
        found: dict[str, Any] = {}
        for _ in range(random.randint(0, 6)):
            found[name()] = _nested(random, name, lambda: value(random), random.choice((0, 0, 1, 2)))
        if spelled:
            names = [name.replace(spelled, ".") for name in flat(found, 0)]
            return found if len({*names}) == len(names) else self.params(pool, value, spelled=spelled)
        return found


def _caller(random: Random) -> Caller:
    return Caller(
        random,
        _from(random, _LETTERS + "-_.", 30, 8),
        _from(random, _LETTERS + "+/=-_", 40, 8),
        _from(random, _LETTERS + "+/=", 60, 20) if random.random() < 0.1 else "",
        _host(random),
        random.choice(ACTIONS),
        random.choice(("GET", "POST")),
    )


# -- the SDKs -----------------------------------------------------------------------------------------------


def _acs3(caller: Caller) -> Sample:
    """Names that need no escaping: Tea signs others raw (`findings/alibaba-tea-signs-names-unescaped.sh`)."""
    random = caller.random
    params, form = (caller.params(_UNRESERVED, _value) for _ in range(2))
    form = {name: value for name, value in form.items() if name not in params} if caller.method == "POST" else {}
    config = {"access_key_id": caller.access_key_id, "access_key_secret": caller.secret, "endpoint": caller.host}
    if caller.token:
        config |= {"security_token": caller.token, "type": "sts"}
    client = TeaClient(Config(protocol="http", region_id="cn-hangzhou", **config))
    how = Params(
        action=caller.action,
        version="2016-01-20",
        protocol="http",
        pathname="/",
        method=caller.method,
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    extra = {"x-acs-random": "a" + _from(random, _LETTERS + _MARKS, 30)} if random.random() < 0.3 else {}
    request = OpenApiRequest(query=Utils.query(params), body=form or None, headers=extra)
    given = {**flat(params, 1), **flat(form, 1)}
    return caller.sent(given, lambda: client.do_request(how, request, RuntimeOptions()))


def _rpc(caller: Caller) -> Sample:
    pool = _UNRESERVED + _MARKS + _UNICODE
    given = flat(caller.params(pool, _value), 1)
    request = RpcRequest("Kms", "2016-01-20", caller.action)
    request.set_endpoint(caller.host)
    request.set_method(caller.method)
    for name, value in given.items():
        if caller.method == "POST" and caller.random.random() < 0.5:
            request.add_body_params(name, value)
        else:
            request.add_query_param(name, value)
    client = AcsClient(caller.access_key_id, caller.secret, "cn-hangzhou")
    return caller.sent(given, lambda: client.do_action(request))


def _tencent(sign: str) -> Callable[[Caller], Sample]:
    def make(caller: Caller) -> Sample:
        posted = sign.startswith("TC3") and caller.method == "POST"
        value = _json_value if posted else _raw_value
        params = caller.params(_LETTERS + "_-\u4e2d ", value, spelled="_")
        http = HttpProfile(protocol="http", endpoint=caller.host, reqMethod=caller.method)
        client = CommonClient(
            "kms",
            "2019-01-18",
            credential.Credential(caller.access_key_id, caller.secret, caller.token or None),
            "ap-guangzhou",
            ClientProfile(signMethod=sign, httpProfile=http),
        )
        return caller.sent(params if posted else flat(params, 0), lambda: client.call_json(caller.action, params))

    return make


def _json_value(random: Random) -> Any:
    return random.choice((_value(random), random.randint(-(2**53), 2**53), True, False, [], {}))


def _raw_value(random: Random) -> str:
    """Of what is signed as it is: a value that could hide a parameter, or name a file, is refused by intent."""
    value = _value(random)
    return (value.replace("=", "") if "&" in value else value).lstrip("@")


def _qcloud(caller: Caller) -> Sample:
    params = caller.params(_LETTERS + "_-\u4e2d ", _raw_value, spelled="_")
    settings = {
        "Region": "gz",
        "secretId": caller.access_key_id,
        "secretKey": caller.secret,
        "endpoint": caller.host,
        "method": caller.method.lower(),
        "SignatureMethod": caller.random.choice(("HmacSHA1", "HmacSHA256")),
        **({"Token": caller.token} if caller.token else {}),
    }
    return caller.sent(flat(params, 0), lambda: QcloudApi("kms-meta", settings).call(caller.action, params))


_PATHS = ("/", "/prod", "/prod/", "/a%20b/", "/~a-b_c.d", "/%7E")


def _sigv4(caller: Caller) -> Sample:
    """By botocore's signer alone: to make a client takes a hundred times as long."""
    random = caller.random
    params = caller.params(_LETTERS + _MARKS + _UNICODE, _json_value)
    ascii_ = random.random() < 0.5
    url = f"http://{caller.host}{random.choice(_PATHS)}"
    headers = {"X-Amz-Target": f"TrentService.{caller.action}", "Content-Type": "application/x-amz-json-1.1"}
    if random.random() < 0.3:
        headers["X-Amz-Random"] = "a" + _from(random, _LETTERS + _MARKS.strip(), 30) + "a"
    body = json.dumps(params, ensure_ascii=ascii_).encode()
    request = AWSRequest(method="POST", url=url, headers=headers, data=body)
    region = _from(random, _LETTERS + "-_", 20, 1)
    SigV4Auth(Credentials(caller.access_key_id, caller.secret, caller.token or None), "kms", region).add_auth(request)
    host = caller.host.removesuffix(":80")  # as its HTTP library sends it
    sent = {"Host": host, **{name: _text(value) for name, value in request.prepare().headers.items()}}

    def call() -> None:
        raise Sent("POST", url, sent, body)

    return caller.sent(params, call)


@dataclass(frozen=True)
class Signing:
    """An SDK's way of signing. `places` are what it covers, but for the headers that a request says it has signed."""

    make: Callable[[Caller], Sample]
    places: tuple[str, ...]


PARAMETERS = ("method", "query", "body")
SIGNINGS = {
    "alibaba ACS3 (tea-openapi)": Signing(_acs3, (*PARAMETERS, "authorization")),
    "alibaba RPC v1 (aliyun core)": Signing(_rpc, PARAMETERS),
    "tencent TC3 (tencentcloud)": Signing(
        _tencent("TC3-HMAC-SHA256"), (*PARAMETERS, "authorization", "x-tc-timestamp")
    ),
    "tencent HmacSHA1 (tencentcloud)": Signing(_tencent("HmacSHA1"), (*PARAMETERS, "host")),
    "tencent HmacSHA256 (tencentcloud)": Signing(_tencent("HmacSHA256"), (*PARAMETERS, "host")),
    "tencent-v2 (qcloudapi)": Signing(_qcloud, (*PARAMETERS, "host")),
    "aws SigV4 (botocore)": Signing(_sigv4, (*PARAMETERS, "authorization")),
}


# -- what it is here ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """All that a request that verifies can say to the service."""

    signature: str
    time: int
    token: str
    replay: str
    method: str
    action: str
    params: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...]
    uncovered: frozenset[str]


def read(request: Event, access_key_id: str, secret: str) -> Reading:
    """By the endpoint's own order of checks, without clock and stores. Raises `KmsError` for what is refused."""
    got = request_from_event(request)
    spoken = recognise(got)
    if spoken is None:
        raise KmsError("It speaks no dialect.")
    check_headers(got)
    check_unambiguous(spoken)
    scheme, dialect = spoken.scheme, spoken.dialect
    parameters = dialect.parameters(got, scheme)
    claim = scheme.read(got, parameters)
    if claim.access_key_id != access_key_id:
        raise UnknownAccessKey
    uncovered = verify(claim, secret)
    params = parameters.all
    if got.body and got.media_type != FORM:
        dialect.parse(got, scheme, parameters)  # which AWS's dialect leaves only the parameters in that it knows
        params = parse_json_object(got.body)
    headers = tuple((name, _free(name, got.headers[name])) for name in _signed(request))
    action = got.header("x-acs-action") or got.header("x-tc-action")
    action = action or got.header("x-amz-target").removeprefix("TrentService.") or params.get("Action", "")
    return Reading(
        claim.signature,
        claim.time,
        claim.token,
        claim.replay,
        got.method,
        action,
        params,
        headers,
        uncovered,
    )


def _signed(request: Event) -> list[str]:
    """The names of the headers that the request says it has signed."""
    _, found, rest = request["headers"].get("authorization", "").partition("SignedHeaders=")
    return rest.partition(",")[0].split(";") if found else []


def _free(name: str, value: str) -> str:
    """A signed header without what is free in it: capitals in TC3's two, and the port that some sign without."""
    value = value.strip(" \t")
    return value.partition(":")[0].lower() if name == "host" else value.lower() if name == "content-type" else value


# -- changes ------------------------------------------------------------------------------------------------


def _get(request: Event, place: str) -> str:
    if place == "method":
        return str(request["requestContext"]["http"]["method"])
    if place == "body":
        return edits.body(request).decode("latin-1")
    return str(request["rawQueryString"] if place == "query" else request["headers"].get(place, ""))


def _set(request: Event, place: str, text: str) -> Event:
    if place == "method":
        return edits.with_method(request, text)
    if place == "body":
        return edits.with_body(request, text.encode("latin-1"))
    if place == "query":
        return edits.with_query(request, text)
    return {**request, "headers": {**request["headers"], place: text}}


_OTHERS = _LETTERS + _MARKS + "\x00\n\x7f\xe9"


def changed(random: Random, request: Event, places: tuple[str, ...]) -> tuple[str, Event]:
    """One byte replaced, taken away or added in what is signed, and where."""
    full = [place for place in {*places, *_signed(request)} if _get(request, place)]
    place = random.choice(sorted(full))
    before = _get(request, place)
    at, other = random.randrange(len(before)), random.choice(_OTHERS)
    after = random.choice(
        (before[:at] + other + before[at + 1 :], before[:at] + before[at + 1 :], before[:at] + other + before[at:])
    )
    return (place, _set(request, place, after)) if after != before else changed(random, request, places)


@dataclass
class Tally:
    """How many requests were read as given, and how many changed ones were refused, or say the same."""

    read: int = 0
    refused: int = 0
    same: int = 0


class Disagreement(AssertionError):
    """Between an SDK and us; it holds the request."""


def compare(name: str, count: int, seed: int) -> Tally:
    """`count` random requests of `SIGNINGS[name]` and one change of each. Raises `Disagreement`."""
    random, tally, signing = Random(f"{name} {seed}"), Tally(), SIGNINGS[name]
    with unsent():
        for _ in range(count):
            sample = signing.make(_caller(random))
            reading = _read_as_given(sample)
            tally.read += 1
            place, other = changed(random, sample.event, signing.places)
            try:
                again = read(other, sample.access_key_id, sample.secret)
            except KmsError:
                tally.refused += 1
                continue
            if again != reading:
                raise Disagreement(f"changed in {place}, and it verifies: {sample.event} {other}")
            tally.same += 1
    return tally


def _read_as_given(sample: Sample) -> Reading:
    try:
        reading = read(sample.event, sample.access_key_id, sample.secret)
    except KmsError as error:
        raise Disagreement(f"{type(error).__name__} for {sample.event}, given {sample.given}") from error
    own = {name: reading.params[name] for name in sample.given if name in reading.params}
    if (reading.action, reading.uncovered, own) != (sample.action, frozenset(), dict(sample.given)):
        raise Disagreement(f"read as {reading}, given {sample.given}: {sample.event}")
    return reading
