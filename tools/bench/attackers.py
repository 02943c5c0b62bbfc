"""The attackers of `tools.bench.attack`, as a process of their own: `python -m tools.bench.attackers NAME`.

Standard input has a JSON object on its first line: the port, an access key, a key to use or to sign with. The attack
ends when standard input does. It goes to 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvloop

from kit.connections import request_bytes
from kit.support import Signer

HOST = "127.0.0.1"
PAUSE_SECONDS = 1
"""Before a connection is made again that the server has ended."""
REPEATED_HEADERS = 51_000
_BEGIN = "POST / HTTP/1.1\r\nHost: a\r\n"


@dataclass
class Target:
    port: int
    access_key_id: str
    secret: str
    key_id: str
    key_version_id: str
    spec: str
    """Of the key, where it signs."""

    @property
    def signer(self) -> Signer:
        return Signer(self.access_key_id, self.secret)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port)


Attack = Callable[[Target], Awaitable[None]]


async def _hold(target: Target, first: bytes) -> None:
    reader, writer = await target.open()
    writer.write(first)
    with suppress(OSError):
        await reader.read()
    writer.close()
    await asyncio.sleep(PAUSE_SECONDS)


async def idle(target: Target) -> None:
    await _hold(target, b"")


async def stalled_handshake(target: Target) -> None:
    """The first bytes of a ClientHello, and no more."""
    await _hold(target, b"\x16\x03\x01\x02\x00\x01")


async def _send(target: Target, *parts: bytes) -> None:
    """All of it, as fast as the server takes it, until it answers or ends the connection."""
    reader, writer = await target.open()
    answered = asyncio.ensure_future(reader.read(1))
    with suppress(OSError):
        for part in parts:
            if answered.done():
                break
            writer.write(part)
            await writer.drain()
        await answered
    answered.cancel()
    writer.close()


async def repeated_headers(target: Target) -> None:
    await _send(target, _BEGIN.encode() + b"a: b\r\n" * REPEATED_HEADERS + b"\r\n")


async def one_byte_chunks(target: Target) -> None:
    head = f"{_BEGIN}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _send(target, head.encode(), *[b"1\r\na\r\n" * 5_000] * 12)


async def pipelining(target: Target) -> None:
    """Signed requests, hundreds at once; the answers are read and thrown away."""
    params = {"KeyId": target.key_id, "Plaintext": base64.b64encode(bytes(64)).decode()}
    requests = request_bytes(target.signer.tencent("Encrypt", params)) * 200
    reader, writer = await target.open()

    async def read() -> None:
        while await reader.read(1 << 20):
            pass

    reading = asyncio.ensure_future(read())
    while not reading.done():
        writer.write(requests)
        await writer.drain()
    writer.close()


SIGNATURES = {
    "RSA_4096": ("RSA_PSS_SHA_256", 32),
    "EC_P256": ("ECDSA_SHA_256", 32),
    "EC_P256K": ("ECDSA_SHA_256", 32),
    "EC_P384": ("ECDSA_SHA_384", 48),
}
"""By the spec of a key: what it signs by, and the bytes of a digest."""


async def signing(target: Target) -> None:
    """One signature after the other."""
    algorithm, size = SIGNATURES[target.spec]
    params = {
        "KeyId": target.key_id,
        "KeyVersionId": target.key_version_id,
        "Algorithm": algorithm,
        "Digest": base64.b64encode(bytes(size)).decode(),
    }
    reader, writer = await target.open()
    while True:
        writer.write(request_bytes(target.signer.alibaba_acs3("AsymmetricSign", params)))
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))


@dataclass
class Kind:
    """How many connections do `attack` again and again, and what the table calls it. `spec`: of the key that signs."""

    title: str
    connections: int
    attack: Attack
    tls: bool = False
    spec: str = ""


KINDS = {
    "idle": Kind("1,000 idle connections", 1000, idle),
    "handshakes": Kind("1,000 stalled TLS handshakes", 1000, stalled_handshake, tls=True),
    "headers": Kind("51,000 repeated headers", 4, repeated_headers),
    "chunks": Kind("one-byte chunks", 10, one_byte_chunks),
    "pipelining": Kind("10 pipelining connections", 10, pipelining),
    "signing": Kind("4 clients signing RSA-4096", 4, signing, spec="RSA_4096"),
    "signing-p256": Kind("4 clients signing EC P-256", 4, signing, spec="EC_P256"),
    "signing-p384": Kind("4 clients signing EC P-384", 4, signing, spec="EC_P384"),
    "signing-secp256k1": Kind("4 clients signing EC secp256k1", 4, signing, spec="EC_P256K"),
}


async def _again(kind: Kind, target: Target) -> None:
    while True:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            await kind.attack(target)
        await asyncio.sleep(0)


async def _run(kind: Kind, target: Target) -> None:
    attackers = [asyncio.ensure_future(_again(kind, target)) for _ in range(kind.connections)]
    await asyncio.to_thread(sys.stdin.read)
    for attacker in attackers:
        attacker.cancel()
    os._exit(0)  # what is open is the server's to end


def main() -> None:
    os.nice(10)  # attackers have machines of their own: here they share the server's processors
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    uvloop.run(_run(KINDS[sys.argv[1]], Target(**told)))


if __name__ == "__main__":
    main()
