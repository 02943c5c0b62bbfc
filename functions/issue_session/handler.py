"""IssueSession: temporary access keys, for whom IAM allows to invoke this function. No dialect serves it."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.runtime.lambda_entry import entry


class IssueSession(Params, frozen=True, kw_only=True):
    """`credential` is an access key's name or id; `duration` in seconds; `policy` narrows the access key's own."""

    credential: str
    duration: int = 3600
    policy: str = ""


class Issued(Result, frozen=True, kw_only=True):
    """`expires` in Unix seconds; `parent` is the id of the access key whose session it is."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    expires: int
    parent: str


@action("IssueSession", refuses=NO_KEY, needs=NO_KEY)
def issue_session(params: IssueSession, scope: Scope) -> Issued:
    scope.allow()
    session = scope.issue(params.credential, params.duration, params.policy)
    return Issued(
        access_key_id=session.access_key_id,
        access_key_secret=str(session.secret),
        security_token=session.token,
        expires=session.expires,
        parent=session.parent,
    )


handler = entry(issue_session)
