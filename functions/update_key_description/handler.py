"""UpdateKeyDescription."""

from __future__ import annotations

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.errors import InvalidParameter
from tenantkms.keystore import PutKey
from tenantkms.settings import entry


class UpdateKeyDescription(Params, frozen=True, kw_only=True):
    key_id: str
    description: str


@action("UpdateKeyDescription")
def update_key_description(params: UpdateKeyDescription, scope: Scope) -> Nothing:
    if len(params.description) > scope.profile.description_limit:
        raise InvalidParameter(f"Description is longer than {scope.profile.description_limit} characters.")
    scope.update(
        [params.key_id],
        lambda keys: [PutKey(scope.revise(key, description=params.description)) for key in keys],
    )
    return Nothing()


handler = entry(update_key_description)
