"""A console of the fresh tenant `kms`, in this process, and a browser for it that has no window."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from functions.endpoint.dispatch import InlineDispatcher
from kit.console_browser import Browser
from kit.support import Kms
from tenantkms.store.shared import Memory
from tkms.console.here import Here
from tkms.console.pages import Console
from tkms.console.sessions import Sessions
from tkms.machine.timings import Timings


@pytest.fixture
def timings() -> Timings:
    return Timings(Memory())


@pytest.fixture
def console(kms: Kms, timings: Timings) -> Console:
    settings = kms.settings
    assert settings.log
    here = Here(settings, settings.log._calls.path.parent, InlineDispatcher(settings.deps), timings)
    return Console(here, Sessions(Memory(), nullcontext()), secure=False)


@pytest.fixture
def browser(console: Console) -> Browser:
    return Browser(console)
