"""Which parent key opens a backup: the one that is named, its own, or one of those that lie in the data directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tenantkms.errors import Unavailable
from tkms.backup.contents import PARENT, Unpacked
from tkms.backup.rows import Rows
from tkms.machine.parents import fingerprint, former_files
from tkms.output import Failed, path_text, read_bytes


class Candidate(Struct, frozen=True):
    """What a parent key's file says, and `words` for where it is."""

    spec: bytes
    words: str


def candidates(given: str, own: bytes, data_dir: Path, name: str, wanted: str = "") -> list[Candidate]:
    """The one of the file `given`; or the backup's `own`; or those in `data_dir`, the one with the fingerprint `wanted`
    first, and then that of now. `name` is the backup's. Raises `Failed` where there is none.
    """
    if given:
        return [Candidate(read_bytes(given), path_text(given))]
    if own:
        return [Candidate(own, "the parent key that is in it")]
    files = [file for file in (data_dir / PARENT, *reversed(former_files(data_dir))) if file.exists()]
    if not files:
        raise Failed(
            f"{name} has no parent key, nor is there {data_dir / PARENT}: name the file with --parent, or put it there."
        )
    found = [Candidate(file.read_bytes(), path_text(file)) for file in files]
    return sorted(found, key=lambda each: fingerprint(each.spec) != wanted)


def rows_of(unpacked: Unpacked, found: Sequence[Candidate], name: str) -> tuple[Rows, Candidate]:
    """Its rows, under the first of them that opens these. Raises `Failed` if all are wrong, and `Unavailable` where one
    was not proven to be: a full disk, or one of AWS that does not answer.
    """
    first: Failed | None = None
    fault: Unavailable | None = None
    for each in found:
        try:
            return Rows(unpacked.store, unpacked.site.tenant, each.spec, name), each
        except Failed as e:
            first = first or e.with_traceback(None)  # which would keep the store open that it was looked at in
        except Unavailable as e:  # of another one nothing is known yet
            fault = fault or e.with_traceback(None)
    try:
        if fault or not found[1:]:
            raise fault or first or Failed(f"{name} has no parent key.")
        raise Failed(f"{first} Nor does {' or '.join(each.words for each in found[1:])} open it.")
    finally:
        del fault, first
