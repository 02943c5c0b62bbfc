"""What a key's grants allow, and who may give them. `access/iam.py` has the names of what they are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tenantkms.access import key_policy, policy
from tenantkms.access.conditions import WITH_CONTEXT, Facts, supposed
from tenantkms.access.iam import permissions
from tenantkms.access.policy import Asking
from tenantkms.errors import AccessDenied
from tenantkms.model.grant import EVERYBODY, RETIRE, Grant
from tenantkms.model.key import Key
from tenantkms.model.specs import SYMMETRIC

_ASYMMETRIC = {
    "Decrypt": "AsymmetricDecrypt",
    "Encrypt": "AsymmetricEncrypt",
    "ReEncryptFrom": "AsymmetricDecrypt ReEncrypt",
    "ReEncryptTo": "AsymmetricEncrypt ReEncrypt",
    "Sign": "AsymmetricSign",
    "Verify": "AsymmetricVerify",
}
_SYMMETRIC = {"ReEncryptFrom": "Decrypt ReEncrypt", "ReEncryptTo": "Encrypt ReEncrypt"}


def _asked_for(operation: str, *, symmetric: bool) -> str:
    """What an operation of a grant asks of policies: an Action, or several at once, apart by spaces."""
    return (_SYMMETRIC if symmetric else _ASYMMETRIC).get(operation, operation)


def allowing(asking: Asking, key: Key, asked: str, facts: Facts, about: str = "") -> Grant | None:
    """The grant that allows what is `asked`, which policies do not allow; what they deny none does, nor what a session
    is not for. `about`: the id of the grant that is to be retired."""
    return _allowing(asking, key, asked, facts, lambda grant: _fits(grant, facts.context), about)


def _allowing(
    asking: Asking, key: Key, asked: str, facts: Facts, holds: Callable[[Grant], bool], about: str
) -> Grant | None:
    if not asking.bound:
        return None
    own, *narrowing = asking.policies
    names, actions = policy.names_of(key.id, key.aliases), asked.split(" ")
    if not all(policy.may(text, action, key, facts) for text in narrowing for action in actions):
        return None
    said = min(policy.decide(own, action, names, facts, key.tags) for action in actions)
    if said < 0 or (key.policy and key_policy.decide(key.policy, asking.who, asked, facts, key.tags) < 0):
        return None
    if asked == RETIRE:
        return next((grant for grant in key.grants if grant.id == about and _may_retire(grant, asking.who)), None)
    return _found(key.grants, asking.who, asked, holds, within=said > 0)


def found(grants: Iterable[Grant], who: str, asked: str, context: Mapping[str, str], *, within: bool) -> Grant | None:
    """The first of `grants` that is about what the access key `who` asks; `within`: its own policy allows that, as a
    grant to everybody wants it."""
    return _found(grants, who, asked, lambda grant: _fits(grant, context), within=within)


def _found(
    grants: Iterable[Grant], who: str, asked: str, holds: Callable[[Grant], bool], *, within: bool
) -> Grant | None:
    needed = set(permissions(asked))
    constrained = not WITH_CONTEXT.isdisjoint(asked.split(" "))
    for grant in grants:
        named = grant.grantee == who or (within and grant.grantee == EVERYBODY)
        if named and needed.issubset(grant.operations) and (not constrained or holds(grant)):
            return grant
    return None


def _may_retire(grant: Grant, who: str) -> bool:
    return grant.retiring == who or (grant.grantee == who and RETIRE in grant.operations)


def _fits(grant: Grant, context: Mapping[str, str]) -> bool:
    """Whether the constraints of a grant hold of an encryption context."""
    return (not grant.equals or grant.equals == context) and grant.subset.items() <= context.items()


def _narrower(grant: Grant, than: Grant) -> bool:
    """Whether wherever the constraints of `grant` hold, those of `than` do."""
    known = {**grant.subset, **grant.equals}
    return (not than.equals or than.equals == grant.equals) and than.subset.items() <= known.items()


def check_gift(asking: Asking, key: Key, grant: Grant) -> None:
    """Nobody gives more than they have: each operation must be allowed to the caller wherever the grant's constraints
    hold, whenever and from wherever it is used. To retire the grant anybody may be let. Raises `AccessDenied`.
    """
    facts = supposed({**grant.subset, **grant.equals}, whole=bool(grant.equals))
    for operation in grant.operations:
        asked = _asked_for(operation, symmetric=key.spec in SYMMETRIC)
        if operation != RETIRE and not _has(asking, key, asked, facts, grant):
            raise AccessDenied(
                f"Who creates a grant gives no more than they have, and {operation} is not allowed to them, or only"
                " under conditions that the grant does not have."
            )


def _has(asking: Asking, key: Key, asked: str, facts: Facts, grant: Grant) -> bool:
    said = all(policy.may(text, action, key, facts) for text in asking.policies for action in asked.split(" "))
    if said and (not asking.bound or key_policy.allows(key.policy, asking.who, asked, facts, key.tags)):
        return True
    return _allowing(asking, key, asked, facts, lambda own: _narrower(grant, own), "") is not None
