"""Keys that scheduled work is due for, and how many of them are done."""

from __future__ import annotations

from kit.campaign.tenant import Process
from kit.campaign.world import DAY, START, World
from kit.samples import key_id as numbered
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.store.port import MAX_WRITES, PutKey


def due_key(process: Process, number: int, job: str, due: int) -> Key:
    """The `number`-th key, due for `job` at `due`; to be destroyed, it has been out of use for a day by then."""
    ring, id_ = process.deps.keyring, numbered(number)
    leaving = job == "destroy"
    return Key(
        id=id_,
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.KMS,
        state=KeyState.PENDING_DELETION if leaving else KeyState.ENABLED,
        created=due - 7 * DAY,
        creator="test",
        primary=ring.seal_version(id_, KeySpec.AES_256, 1, 1, bytes(32)),
        deletion_date=due - DAY if leaving else 0,
        rotation_seconds=0 if leaving else 7 * DAY,
        token=f"made-{number}",
    )


def fill(world: World, count: int, job: str, due: int = START) -> list[str]:
    """So many keys due at the same time, and three that are due a second later."""
    process = Process(world)
    world.watch()
    keys = [due_key(process, number, job, due) for number in range(1, count + 1)]
    later = [due_key(process, number, job, due + 1) for number in range(count + 1, count + 4)]
    writes = [PutKey(key) for key in keys + later]
    for first in range(0, len(writes), MAX_WRITES):
        process.deps.keyring.commit(writes[first : first + MAX_WRITES])
    return [key.id for key in keys]


def rows(world: World) -> list[Key]:
    return world.keys.list_keys(KeyFilter(), now=0, offset=0, limit=100_000)[1]


def finished(world: World, job: str) -> int:
    """How many of the keys are done, of those that there were."""
    found = rows(world)
    return sum(key.primary is not None and key.primary.number == 2 for key in found) if job == "rotate" else len(found)
