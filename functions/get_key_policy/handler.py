"""GetKeyPolicy: the policy document of a key, in the form that the caller knows; the default one allows everything."""

from __future__ import annotations

from tenantkms.access import key_policy
from tenantkms.access.translation import shown
from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class GetKeyPolicy(Params, frozen=True, kw_only=True):
    key_id: str


class Policy(Result, frozen=True, kw_only=True):
    key_id: str
    policy: str


@action("GetKeyPolicy", refuses=NOTHING, needs=ANY_KEY)
def get_key_policy(params: GetKeyPolicy, scope: Scope) -> Policy:
    key = scope.use(params.key_id)
    form, account = scope.profile.policy_form, scope.account
    text = key.policy or key_policy.default(form, account)
    if form and key_policy.form_of(text) != form:
        text = shown(text, form, account, key.spec)
    return Policy(key_id=key.id, policy=text)


handler = entry(get_key_policy)
