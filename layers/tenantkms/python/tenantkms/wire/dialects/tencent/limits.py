"""How often an access key may call Tencent Cloud KMS.

Each operation's own page says how many requests a second it takes by default, Encrypt's for example 300 ("Encrypt",
December 2025), and so does "Performance data" (May 2026). The legacy API's pages say nothing: it has the same figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tenantkms.model.limits import Rate

_PER_SECOND = {
    "Encrypt": 300,
    "Decrypt": 300,
    "AsymmetricRsaDecrypt": 200,
    "GenerateDataKey": 150,
    "GenerateRandom": 150,
}
_OTHERS = 100
"""Of all others whose pages were read, and of those that were not."""
OTHERS = Rate("others", _OTHERS)


def rates(operations: Iterable[str]) -> Mapping[str, Rate]:
    """Each operation counts by itself."""
    return {name: Rate(name, _PER_SECOND.get(name, _OTHERS)) for name in operations}
