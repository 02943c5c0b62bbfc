"""The AWS dialect answers as AWS itself was seen to: codes always, texts exactly."""

from __future__ import annotations

import pytest

from kit.aws_observed import CASES, Replay, endpoint
from kit.support import Kms

LEFT_OUT = {
    "create.multi-region": "one deployment is of one region",
    "replicate": "one deployment is of one region",
}
"""Cases of what is not served, each with the reason."""
SERVED = [name for name in CASES if name not in LEFT_OUT]


@pytest.mark.parametrize("name", SERVED)
def test_it_answers_as_aws_does(name: str, kms: Kms) -> None:
    Replay(endpoint(kms), kms.settings.site).run(CASES[name])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_not_served(name: str, kms: Kms) -> None:
    """Else its row is to go."""
    with pytest.raises(AssertionError, match=r"UnsupportedOperation|UnknownOperation|ValidationException"):
        Replay(endpoint(kms), kms.settings.site).run(CASES[name])
