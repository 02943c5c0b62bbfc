"""Requests signed by a session: taken in every scheme, and refused in the caller's dialect where they are not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kit.action_samples import ListAudit
from kit.captures import at
from kit.catalogue import SCHEMES, WITH_TOKEN, error_code, prepare
from kit.edits import headers
from kit.support import Kms, Signer
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import Unavailable
from tenantkms.model.credential import Session

NOW = 1_800_000_000.0
HOUR = 3600

DENIED = {
    "alibaba": "Forbidden.NoPermission",
    "tencent": "UnauthorizedOperation",
    "tencent-v2": 4103,
    "aws": "AccessDeniedException",
}
DISABLED = {
    "alibaba": "InvalidAccessKeyId.Inactive",
    "tencent": "AuthFailure.InvalidSecretId",
    "tencent-v2": 4100,
    "aws": "UnrecognizedClientException",
}
EXPIRED = {
    "alibaba": "InvalidSecurityToken.Expired",
    "tencent": "AuthFailure.TokenFailure",
    "tencent-v2": 4105,
    "aws": "ExpiredTokenException",
}
FOREIGN = {
    "alibaba": "InvalidSecurityToken.MismatchWithAccessKey",
    "tencent": "AuthFailure.TokenFailure",
    "tencent-v2": 4105,
    "aws": "UnrecognizedClientException",
}
MALFORMED = {
    "alibaba": "InvalidSecurityToken.Malformed",
    "tencent": "AuthFailure.TokenFailure",
    "tencent-v2": 4105,
    "aws": "UnrecognizedClientException",
}
MISMATCH = {
    "alibaba": "SignatureDoesNotMatch",
    "tencent": "AuthFailure.SignatureFailure",
    "tencent-v2": 4100,
    "aws": "InvalidSignatureException",
}
UNAVAILABLE = {
    "alibaba": "ServiceUnavailableTemporary",
    "tencent": "ServiceUnavailable",
    "tencent-v2": 6000,
    "aws": "DependencyTimeoutException",
}
UNKNOWN = {
    "alibaba": "InvalidAccessKeyId.NotFound",
    "tencent": "AuthFailure.SecretIdNotFound",
    "tencent-v2": 4104,
    "aws": "UnrecognizedClientException",
}

LIST = {"alibaba": "ListKeys", "tencent": "ListKeys", "tencent-v2": "ListKey", "aws": "ListKeys"}


@pytest.fixture
def then(kms: Kms) -> Kms:
    return at(kms, NOW)


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def issue(kms: Kms, policy: str = "", *, credential: str = "") -> Session:
    return kms.settings.sessions.issue(credential or kms.signer.access_key_id, HOUR, policy, int(NOW))


def signer(session: Session, kms: Kms, secret: str = "") -> Signer:
    return Signer(session.access_key_id, secret or session.secret, kms.signer.now)


def ask(
    kms: Kms,
    scheme: str,
    session: Session,
    *,
    token: str | None = None,
    secret: str = "",
    action: str = "",
    params: dict[str, str] | None = None,
) -> str | int | None:
    """The code of the refusal, or None."""
    dialect, _ = SCHEMES[scheme]
    by = signer(session, kms, secret)
    request = WITH_TOKEN[scheme](by, session.token if token is None else token, action or LIST[dialect], params or {})
    return error_code(dialect, kms.send(request))


def test_every_scheme_has_its_place_for_a_token() -> None:
    assert WITH_TOKEN.keys() == SCHEMES.keys()


def test_a_session_is_taken(scheme: str, then: Kms) -> None:
    assert ask(then, scheme, issue(then)) is None


def test_a_session_ends_at_its_second(scheme: str, then: Kms) -> None:
    session = issue(then)
    assert ask(at(then, NOW + HOUR - 0.001), scheme, session) is None
    late = at(then, NOW + HOUR)
    assert ask(late, scheme, session) == EXPIRED[SCHEMES[scheme][0]]
    wrong = ask(late, scheme, session, secret="wrong")
    assert wrong == MISMATCH[SCHEMES[scheme][0]], "told to someone who cannot sign"


def test_an_altered_token(scheme: str, then: Kms) -> None:
    """Signed right with what the altered token is sent with: no signature makes it one."""
    session = issue(then)
    for token in (session.token[:-4] + "AAAA", session.token[1:], "token", "A" * 5000):
        assert ask(then, scheme, session, token=token) == MALFORMED[SCHEMES[scheme][0]]


def test_a_token_of_another_session(scheme: str, then: Kms) -> None:
    one, other = issue(then), issue(then)
    assert ask(then, scheme, one, token=other.token) == FOREIGN[SCHEMES[scheme][0]]


def test_a_wrong_secret(scheme: str, then: Kms) -> None:
    session = issue(then)
    for secret in ("wrong", issue(then).secret, then.signer.secret):
        assert ask(then, scheme, session, secret=secret) == MISMATCH[SCHEMES[scheme][0]]


def test_a_session_without_its_token_is_nobody(scheme: str, then: Kms) -> None:
    dialect, sign = SCHEMES[scheme]
    for by, told in ((signer(issue(then), then), True), (Signer("unknown", "secret", then.signer.now), False)):
        answer = then.send(sign(by, LIST[dialect], {}))
        assert error_code(dialect, answer) == UNKNOWN[dialect]
        assert ("its security token must be sent" in json.dumps(answer)) is told


def test_an_access_key_with_a_token_is_refused(scheme: str, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    request = WITH_TOKEN[scheme](then.signer, issue(then).token, LIST[dialect], {})
    assert error_code(dialect, then.send(request)) == FOREIGN[dialect]


def test_a_session_ends_with_its_access_key(scheme: str, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    access = then.settings.access
    ends = {
        "disabled": ({"enabled": False}, DISABLED[dialect]),
        "expired": ({"expires": int(NOW)}, DISABLED[dialect]),
        "of another dialect": ({"dialects": ()}, DENIED[dialect]),
        "deleted": (None, UNKNOWN[dialect]),
    }
    for name, (changes, code) in ends.items():
        made, _ = access.create(name, (dialect,), ALLOW_ALL, int(NOW))
        session = issue(then, credential=made.access_key_id)
        assert ask(then, scheme, session) is None
        if changes is None:
            access.store.delete_credential(made.access_key_id)
        else:
            access.change(made.access_key_id, NOW, **changes)
        access._credentials.drop(made.access_key_id)
        assert ask(then, scheme, session) == code, name


def test_what_is_signed_cannot_be_moved_under_another_token(then: Kms) -> None:
    """TC3 does not sign the token's header, but the secret is of the one token that belongs to it."""
    session, wider = issue(then, policy(("Allow", "ListKeys", "*"))), issue(then)
    request = WITH_TOKEN["tencent-tc3"](signer(session, then), session.token, "ListKeys", {})
    assert error_code("tencent", then.send(request)) is None
    for token in (wider.token, session.token[:-4] + "AAAA"):
        moved = headers(x_tc_token=token)(request)
        assert error_code("tencent", then.send(moved)) == "AuthFailure.TokenFailure"
    own = then.signer.tencent("ListKeys")
    assert error_code("tencent", then.send(headers(x_tc_token=wider.token)(own))) == "AuthFailure.TokenFailure"


def test_acs3_signs_the_token_s_header(then: Kms) -> None:
    session = issue(then)
    unsigned = headers(x_acs_security_token=session.token)(signer(session, then).alibaba_acs3("ListKeys"))
    assert error_code("alibaba", then.send(unsigned)) == "IncompleteSignature"


# -- what a session may do ---------------------------------------------------------------------------------


def policy(*statements: tuple[str, str, str]) -> str:
    rows = [{"Effect": effect, "Action": action, "Resource": resource} for effect, action, resource in statements]
    return json.dumps({"Statement": rows})


ALL = ("Allow", "*", "*")
BOTH: list[tuple[str, str, str, bool]] = [
    # (what, the access key's policy, the session's, whether Encrypt with alias/first is allowed)
    ("nothing narrowed", policy(ALL), "", True),
    ("both", policy(ALL), policy(ALL), True),
    ("both by another name", policy(("Allow", "Encrypt", "key/{key}")), policy(("Allow", "Encrypt", "alias/f*")), True),
    ("narrowed away", policy(ALL), policy(("Allow", "Decrypt", "*")), False),
    ("narrowed to another key", policy(ALL), policy(("Allow", "Encrypt", "alias/other")), False),
    ("denied by the session", policy(ALL), policy(ALL, ("Deny", "Encrypt", "*")), False),
    ("never more than the access key", policy(("Allow", "Decrypt", "*")), policy(ALL), False),
    ("denied to the access key", policy(ALL, ("Deny", "Encrypt", "alias/first")), policy(ALL), False),
]


@pytest.mark.parametrize(("what", "own", "narrowed", "allowed"), BOTH, ids=[row[0] for row in BOTH])
def test_both_policies_must_allow(scheme: str, what: str, own: str, narrowed: str, allowed: bool, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    tenant = prepare(then)
    made, _ = then.settings.access.create(what, (dialect,), own.replace("{key}", tenant.key_id), int(NOW))
    session = issue(then, narrowed, credential=made.access_key_id)
    names = ("keyId", "plaintext") if dialect == "tencent-v2" else ("KeyId", "Plaintext")
    params = dict(zip(names, (tenant.key_id, "aGk="), strict=True))
    code = ask(then, scheme, session, action="Encrypt", params=params)
    assert code == (None if allowed else DENIED[dialect])


def test_a_narrowed_session_is_bound_where_no_key_is_used(then: Kms) -> None:
    narrow = issue(then, policy(("Allow", "Encrypt", "*")))
    assert ask(then, "alibaba-rpc", narrow) == DENIED["alibaba"]
    assert ask(then, "alibaba-rpc", narrow, action="CreateKey") == DENIED["alibaba"]


def test_a_narrowed_session_is_bound_in_what_becomes_of_aliases(then: Kms) -> None:
    tenant = prepare(then)
    narrow = issue(then, policy(("Allow", "*", "alias/first"), ("Allow", "CreateAlias", "alias/mine")))
    for alias, code in (("alias/mine", None), ("alias/theirs", DENIED["alibaba"])):
        params = {"AliasName": alias, "KeyId": tenant.key_id}
        assert ask(then, "alibaba-rpc", narrow, action="CreateAlias", params=params) == code
    # To move the one alias that it may use to another key would open that key.
    moved = {"AliasName": "alias/first", "KeyId": tenant.other_id}
    allowed = issue(then, policy(("Allow", "UpdateAlias", "*"), ("Allow", "Decrypt", "alias/first")))
    assert ask(then, "alibaba-rpc", allowed, action="UpdateAlias", params=moved) == DENIED["alibaba"]


def test_who_may_not_know_is_not_told_by_way_of_a_session(then: Kms) -> None:
    narrow = issue(then, policy(("Allow", "*", "alias/first")))
    for missing in ("alias/none", "00000000-0000-4000-8000-000000000000"):
        assert ask(then, "alibaba-rpc", narrow, action="DescribeKey", params={"KeyId": missing}) == DENIED["alibaba"]


def test_a_key_policy_knows_a_session_by_its_access_key(then: Kms) -> None:
    tenant = prepare(then)
    made, _ = then.settings.access.create("known", ("alibaba",), ALLOW_ALL, int(NOW))
    everything = {"Effect": "Allow", "Principal": {"RAM": ["*"]}, "Action": ["kms:*"]}
    for who, code in ((made.access_key_id, DENIED["alibaba"]), ("TKMTother", None)):
        deny = {"Effect": "Deny", "Principal": {"RAM": [f"acs:ram::*:user/{who}"]}, "Action": ["kms:Encrypt"]}
        document = json.dumps({"Version": "1", "Statement": [everything, deny]})
        then.alibaba("SetKeyPolicy", KeyId=tenant.key_id, PolicyName="default", Policy=document)
        params = {"KeyId": tenant.key_id, "Plaintext": "aGk="}
        session = issue(then, credential=made.access_key_id)
        then.settings.deps.keyring._keys.drop(tenant.key_id)
        assert ask(then, "alibaba-rpc", session, action="Encrypt", params=params) == code


# -- what is left of it --------------------------------------------------------------------------------------


def listening(kms: Kms) -> tuple[Kms, ListAudit]:
    audit = ListAudit()
    deps = msgspec.structs.replace(kms.settings.deps, audit=audit)
    return Kms(msgspec.structs.replace(kms.settings, deps=deps), kms.signer), audit


def test_the_audit_log_names_the_access_key_and_the_session(scheme: str, then: Kms) -> None:
    kms, audit = listening(then)
    session = issue(kms)
    dialect, _ = SCHEMES[scheme]
    ask(kms, scheme, session)
    ask(kms, scheme, session, action="NoSuchAction")
    ask(at_(kms, NOW + HOUR), scheme, session)
    assert [(r.principal, r.session) for r in audit.records] == [(session.parent, session.access_key_id)] * 3
    assert [r.outcome for r in audit.records] == ["ok", "UnknownAction", "ExpiredSecurityToken"]
    text = repr(audit.records)
    assert session.token not in text
    assert session.secret not in text
    error = kms.send(SCHEMES[scheme][1](kms.signer, LIST[dialect], {}))
    assert error_code(dialect, error) is None
    assert audit.records[-1].session == ""


def at_(kms: Kms, now: float) -> Kms:
    """`at`, with the same audit log."""
    moved = at(kms, now)
    deps = msgspec.structs.replace(moved.settings.deps, audit=kms.settings.deps.audit)
    return Kms(msgspec.structs.replace(moved.settings, deps=deps), moved.signer)


def test_a_use_of_a_session_is_one_of_its_access_key(then: Kms) -> None:
    then.settings.access._apart = lambda work: work()
    session = issue(then)
    assert [ask(then, "tencent-tc3", session) for _ in range(3)] == [None] * 3
    assert then.settings.access.store.last_uses() == {session.parent: int(NOW) // 3600 * 3600}


def test_a_root_secret_that_does_not_open_is_a_retryable_fault(scheme: str, then: Kms) -> None:
    session = issue(then)

    def fail(_: str) -> Any:
        raise Unavailable

    then.settings.sessions._root.key = fail  # type: ignore[method-assign]
    assert ask(then, scheme, session) == UNAVAILABLE[SCHEMES[scheme][0]]
