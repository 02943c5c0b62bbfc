"""The canonical call, and what the parameters and results of Actions have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from tenantkms.model.credential import Principal


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The canonical call. `params` are the Action's own; bytes travel as base64 text."""

    v: Literal[1]
    request_id: str
    action: str
    principal: Principal
    profile: str
    params: dict[str, Any]
    dry_run: bool = False
    source_ip: str = ""
    trace: str = ""


def prepare(kind: type[Struct]) -> None:
    """Let msgspec build what it knows of a type now, on import: two threads that meet it first crash the process."""
    msgspec.json.Decoder(kind)


prepare(Call)


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every Action's parameters."""


class Result(Struct, frozen=True, kw_only=True):
    """Base of every Action's result."""


class Nothing(Result, frozen=True, kw_only=True):
    """The result of an Action that has nothing to tell but success."""


class KeyRefs(Params, frozen=True, kw_only=True):
    """One key or up to a hundred: ids, or `alias/<name>`."""

    key_ids: Annotated[list[str], Meta(min_length=1, max_length=100)]


class Page(Params, frozen=True, kw_only=True):
    """A page of a listing: `limit` rows from `offset` on, or the `page`-th (from 1) of pages of `limit` rows."""

    offset: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 10
    page: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None

    @property
    def start(self) -> int:
        return (self.page - 1) * self.limit if self.page else self.offset
