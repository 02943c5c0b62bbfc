"""UpdateKeyDescription."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey


class UpdateKeyDescription(Params, frozen=True, kw_only=True):
    key_id: str
    description: str


@action("UpdateKeyDescription", refuses=EDIT, needs=ANY_KEY)
def update_key_description(params: UpdateKeyDescription, scope: Scope) -> Nothing:
    if len(params.description) > scope.profile.description_limit:
        raise InvalidParameter(f"Description is longer than {scope.profile.description_limit} characters.")
    scope.update(
        [params.key_id],
        lambda keys: [PutKey(scope.revise(key, description=params.description)) for key in keys],
    )
    return Nothing()


handler = entry(update_key_description)
