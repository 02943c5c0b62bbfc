"""Copies of a warmed process that OpenSSL cannot tell from one another, as restores of one snapshot are.

    python -m kit.clones DIRECTORY ACTION..

A fork alone would prove too much: OpenSSL takes new random numbers where the id of its process is another one. So each
copy is the first process of a PID namespace, as the warmed one is: all have the id 1. The kernel's random numbers are
each copy's own, as after a restore, where the virtual machine's generation tells the kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from functions.endpoint.answer import new_request_id
from kit.action_samples import SAMPLES, Tenant, new_key
from tenantkms.runtime.lambda_entry import part_ways

CLONES = 3
_NEW_PID, _NEW_USER = 0x20000000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def _tls_apart() -> str:
    part_ways()
    return ssl.RAND_bytes(16).hex()


OTHERS: dict[str, Callable[[], str]] = {
    "request id": new_request_id,
    "uuid": lambda: str(uuid4()),
    "tls": lambda: ssl.RAND_bytes(16).hex(),
    "tls, apart": _tls_apart,
}
"""What a process makes besides the answers of Actions."""
_MORE = {
    "GenerateDataKeyPair": {"pair_spec": "RSA_2048"},
    "ReEncrypt": {"destination_context": {"for": "another"}},
}
"""Parameters without which OpenSSL would not make the key, and there would be nothing to encrypt anew."""


def _first_of_its_own() -> None:
    """Goes on as process 1 of a PID namespace. Raises `OSError` where nobody may make one."""
    if _libc.unshare(_NEW_PID) and _libc.unshare(_NEW_PID | _NEW_USER):
        raise OSError(ctypes.get_errno(), "no PID namespace")
    if child := os.fork():
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _cloned(work: Callable[[], Any]) -> Any:
    """What `work` answers in a copy of this process."""
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        with os.fdopen(reading) as answers:
            answer = json.load(answers)
        os.waitpid(child, 0)
        return answer
    _first_of_its_own()
    with os.fdopen(writing, "w") as answers:
        json.dump({"pid": os.getpid(), "answer": work()}, answers)
    os._exit(0)


def main(path: Path, actions: list[str]) -> None:
    """Prints, as JSON, for each Action and each of `OTHERS`, what the copies answered to the very same call."""
    _first_of_its_own()
    tenant, works = Tenant(path), {}
    for action in actions:
        key = new_key(tenant, action)
        call = tenant.call(action, {**SAMPLES[action](tenant, key), **_MORE.get(action, {})})
        tenant.run(action, call["params"])  # what it keeps in memory is there
        works[action] = lambda action=action, call=call: tenant.run(action, call["params"])
    for other in OTHERS.values():
        other()
    found = {name: [_cloned(work) for _ in range(CLONES)] for name, work in {**works, **OTHERS}.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
