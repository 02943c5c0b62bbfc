"""Which ARNs name keys here: those of the tenant's own region and account, and those that its operator lists.

The rule is one for all dialects; how ARNs look, and which parameters may be one, is data of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tenantkms.errors import KmsError
from tenantkms.model.site import Site


class Arns(Struct, frozen=True, kw_only=True):
    """Of one dialect. `form`: how what is an ARN begins; `services`: what stands before the region of a key's.

    `refs`: each parameter that may name keys by ARN, and the error that one is refused with that is of elsewhere.
    """

    form: re.Pattern[str]
    services: tuple[str, ...]
    refs: Mapping[str, type[KmsError]]

    def home(self, site: Site) -> str:
        """How the ARNs begin that are answered. They stand in users' messages for ever."""
        return f"{self.services[0]}:{site.region}:{site.account}:"

    def check(self, params: Mapping[str, Any], site: Site) -> None:
        """Raises the dialect's error for a key that is not there."""
        for wire, error in self.refs.items():
            value = params.get(wire)
            for ref in value if isinstance(value, list) else (value,):
                if isinstance(ref, str) and self.form.match(ref) and not self._is_here(ref, site):
                    raise error(key=ref)

    def _is_here(self, arn: str, site: Site) -> bool:
        return any(arn.startswith(f"{service}:{home}:") for service in self.services for home in site.homes)


NO_ARNS = Arns(form=re.compile(""), services=(), refs={})
