"""The project's own benchmark: `make bench`. It prints, and with `--json` saves, what design and README promise.

1. CPU of one request in one process, from the API Gateway event to the answer: signature verified, nonce
   remembered, policy asked, audit line written. Process time, the best of many short rounds, so that other load on
   the machine matters less; before and after it what one HMAC-SHA-512 takes, by which machines and minutes can be
   compared. Beside it the share that the cipher and the key derivation take, and that of remembering a nonce.
2. HTTP requests per second of `tkms serve` on keep-alive at 1 and 8 connections, with wrk (Debian: apt-get install
   wrk). moto's server, which verifies no signature, takes its turn after each run: "times moto" is the median of the
   ratios of runs that followed each other.
3. Resident memory of the server after all that, at least 100,000 requests.
4. Sealed files: `tools.bench.files`, which `make bench ARGS=files` measures alone (`--small`: whether it works).
5. Secrets that come as messages: `tools.bench.events`, which `make bench ARGS=events` measures alone.
6. Instructions of a request with and without the pages that are served beside: `tools.bench.pages`, which
   `make bench ARGS=pages` measures alone.

`make bench ARGS=attack`, `ARGS=backup`, `ARGS=caches`, `ARGS=compare`, `ARGS=export`, `ARGS=listings`, `ARGS=load`,
`ARGS=reseal` and `ARGS=scale` measure something else instead: `tools.bench.attack` and so on; export is
`tools.bench.transfer`, load `tools.bench.load_functions`.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hmac
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from kit.support import HOST, Kms, Signer, serving
from tenantkms.crypto.envelope import BYTES
from tenantkms.keys import maintenance
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.limits import OFF
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.store.port import PutKey
from tkms.machine.directory import Directory
from tools.bench import attack, backup, caches, compare, events, files, listings, load, pages, reseal, scale, transfer

ROUNDS, REQUESTS = 20, 300
RELEASES: list[Callable[[], None]] = []
"""Of locks, to be called after some milliseconds, as the server does."""
_HELD = 50  # requests


def _kms(directory: str) -> Kms:
    settings = Directory(Path(directory) / "data", OFF, RELEASES.append).make("bench")
    credential = settings.access.store.list_credentials()[0]
    return Kms(settings, Signer(credential.access_key_id, settings.access.secret(credential)))


def _cpu(
    make: Callable[[], load.Event], send: Callable[[load.Event], load.Event], bad: str, times: int = REQUESTS
) -> float:
    """CPU microseconds of one request in the best of the rounds."""
    results = []
    for _ in range(ROUNDS if times == REQUESTS else 3):
        events = [make() for _ in range(times)]
        answer = send(events.pop())
        assert bad not in answer["body"], answer
        assert "__type" not in answer["body"], answer  # AWS's refusals
        gc.collect()
        start = time.process_time()
        for first in range(0, len(events), _HELD):
            for event in events[first : first + _HELD]:
                send(event)
            while RELEASES:
                RELEASES.pop()()
        results.append((time.process_time() - start) / len(events) * 1e6)
    return min(results)


def _best(work: Callable[[], object], times: int = 200) -> float:
    """CPU microseconds of a call, in the best of many rounds."""
    results = []
    for _ in range(100):
        start = time.process_time()
        for _ in range(times):
            work()
        results.append((time.process_time() - start) / times * 1e6)
    return min(results)


def hmac_us() -> float:
    """How fast the machine is at the moment."""
    key, message = os.urandom(64), bytes(70)
    us = _best(lambda: hmac.digest(key, message, "sha512"))
    print(f"  one HMAC-SHA-512 takes {us:.2f} us now", flush=True)
    return us


def _makers(kms: Kms, key_id: str) -> dict[str, dict[str, Callable[[], load.Event]]]:
    signer = kms.signer
    blob = kms.tencent("Encrypt", KeyId=key_id, Plaintext=load.PLAINTEXT)["CiphertextBlob"]
    pascal = {
        "Encrypt": {"KeyId": key_id, "Plaintext": load.PLAINTEXT},
        "Decrypt": {"CiphertextBlob": blob},
        "GenerateDataKey": {"KeyId": key_id, "KeySpec": "AES_256"},
    }
    camel = {action: {k[0].lower() + k[1:]: v for k, v in params.items()} for action, params in pascal.items()}
    signers: dict[str, tuple[Callable[..., load.Event], dict[str, dict[str, str]]]] = {
        "alibaba ACS3": (signer.alibaba_acs3, pascal),
        "alibaba RPC v1": (signer.alibaba_rpc, pascal),
        "tencent TC3": (signer.tencent, pascal),
        "tencent v1": (signer.tencent_v1, pascal),
        "tencent-v2": (signer.tencent_v2, camel),
        "aws SigV4": (signer.aws, pascal),
    }
    return {
        name: {action: (lambda s=sign, a=action, p=params: s(a, p)) for action, params in table.items()}
        for name, (sign, table) in signers.items()
    }


def cpu_rows() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        kms = _kms(directory)
        key_id = kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
        rows: dict[str, Any] = {}
        for dialect, makers in _makers(kms, key_id).items():
            rows[dialect] = {a: _cpu(make, kms.send, "Error") for a, make in makers.items()}
            print(f"  {dialect:<16}" + "".join(f"{a:>16} {us:6.1f} us" for a, us in rows[dialect].items()), flush=True)
        keyring = kms.settings.deps.keyring
        key = keyring.key(key_id)
        assert key is not None
        crypto = _best(lambda: keyring.encrypt(key, b"x" * 64, content=BYTES, context={}, salt=os.urandom(24)))
        print(f"  of that, deriving the message key and encrypting: {crypto:.1f} us", flush=True)
        store, now = kms.settings.access.store, int(time.time())
        nonce = _best(lambda: store.use_nonce(os.urandom(16), now=now, expires=now + 1800))
        print(f"  and remembering a nonce: {nonce:.1f} us", flush=True)
        return {"cpu_us": rows, "crypto_us": crypto, "nonce_us": nonce}


# -- the key lifecycle ---------------------------------------------------------------------------------


def _call_us(kms: Kms, make: Callable[[], load.Event], times: int) -> float:
    return _cpu(make, kms.send, "Error", times)


def _ten_thousand(kms: Kms, *, due: bool) -> None:
    """10,000 keys more in the store, made below the API, or the deletion of all of them made due."""
    keyring, now = kms.settings.deps.keyring, int(time.time())
    if due:
        _, keys = keyring.store.list_keys(
            KeyFilter(states=frozenset({KeyState.ENABLED})), now=int(time.time()), offset=0, limit=20_000
        )
        for key in keys:
            changes = {"state": KeyState.PENDING_DELETION, "deletion_date": now - 1, "revision": key.revision + 1}
            keyring.commit([PutKey(msgspec.structs.replace(key, **changes))])
        return
    for _ in range(10_000):
        key_id = str(uuid4())
        version = keyring.seal_version(key_id, KeySpec.AES_256, 1, now, os.urandom(32))
        usage, origin = KeyUsage.ENCRYPT_DECRYPT, Origin.KMS
        key = Key(
            id=key_id,
            spec=KeySpec.AES_256,
            usage=usage,
            origin=origin,
            state=KeyState.ENABLED,
            created=now,
            creator="bench",
            primary=version,
        )
        keyring.commit([PutKey(key)])


def lifecycle_rows() -> dict[str, float]:
    """CPU microseconds of a call through endpoint and signature; the sweeper in keys per second of real time."""
    with tempfile.TemporaryDirectory() as directory:
        kms = _kms(directory)
        signer, rows = kms.signer, {}
        digest = base64.b64encode(b"d" * 32).decode()
        for spec, usage, algorithm in (
            ("EC_P256", "SIGN/VERIFY", "ECDSA_SHA_256"),
            ("RSA_2048", "SIGN/VERIFY", "RSA_PSS_SHA_256"),
        ):
            made = kms.alibaba("CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
            params = {
                "KeyId": made["KeyId"],
                "KeyVersionId": made["PrimaryKeyVersion"],
                "Algorithm": algorithm,
                "Digest": digest,
            }
            rows[f"AsymmetricSign {spec}"] = _call_us(
                kms, lambda p=params: signer.alibaba_acs3("AsymmetricSign", p), 500
            )
        blob = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext=load.PLAINTEXT)["CiphertextBlob"]
        for _ in range(499):
            kms.alibaba("CreateKeyVersion", KeyId="alias/default")
        first = {"CiphertextBlob": blob}
        rows["Decrypt, first of 500 versions"] = _call_us(kms, lambda: signer.alibaba_acs3("Decrypt", first), 2000)
        _ten_thousand(kms, due=False)
        for page in ("1", "500"):
            params = {"PageNumber": page, "PageSize": "20"}
            rows[f"ListKeys of 10,000, page {page}"] = _call_us(
                kms, lambda p=params: signer.alibaba_acs3("ListKeys", p), 100
            )
        _ten_thousand(kms, due=True)
        start = time.perf_counter()
        report = maintenance.run(maintenance.DESTROY, kms.settings.deps, "bench")
        rows["sweeper, keys per second"] = report.done / (time.perf_counter() - start)
        for name, value in rows.items():
            print(f"  {name:<34}{value:>12,.1f}", flush=True)
        return rows


# -- HTTP ------------------------------------------------------------------------------------------------


def http_rows(seconds: int) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with serving(directory / "data", "--limit", "off") as server, load.moto() as moto:
            signer = Signer(*server.credential())
            keys = json.loads(server.tkms("key", "list", "--json"))
            key_id = keys[0]["id"]

            params = {"KeyId": key_id, "Plaintext": load.PLAINTEXT}

            def tc3() -> list[str]:
                return [load.raw(signer.tencent("Encrypt", params), HOST)]

            def sigv4() -> list[str]:
                return [load.raw(signer.aws("Encrypt", params), HOST)]

            def acs3() -> list[str]:
                return [load.raw(signer.alibaba_acs3("Encrypt", params), HOST) for _ in range(12_000 * seconds)]

            turns = {
                "tencent TC3": (server.url, tc3),
                "alibaba ACS3": (server.url, acs3),
                "aws SigV4": (server.url, sigv4),
                "moto": (moto.url, lambda: [moto.request]),
            }
            for connections in (1, 8):
                speeds: dict[str, list[float]] = {what: [] for what in turns}
                for _ in range(5):
                    for what, (url, requests) in turns.items():
                        speeds[what].append(load.run(url, connections, seconds, requests(), directory).per_second)
                for what, found in speeds.items():
                    rows[f"{what} at {connections}"] = max(found)
                for what in ("tencent TC3", "aws SigV4"):
                    ratios = [ours / theirs for ours, theirs in zip(speeds[what], speeds["moto"], strict=True)]
                    rows[f"{what}, times moto at {connections}"] = statistics.median(ratios)
            while (sent := _served(server.data_dir)) < 100_000:
                load.run(server.url, 8, max(1, (100_000 - sent) // 10_000), tc3(), directory)
            rows["requests served"] = sent
            rows["MB of memory after them (Pss)"] = attack.memory_mb(server.process.pid, "smaps_rollup", "Pss")
    return rows


def _served(data_dir: Path) -> int:
    """Calls in the audit log, all of which succeeded: an answer of status 200 may be an error."""
    total = 0
    for path in [*data_dir.glob("audit*.jsonl"), *data_dir.glob("refused*.jsonl")]:
        with path.open("rb") as file:
            for line in file:
                if b'"event":' in line or b'"outcome":"intent"' in line:
                    continue
                if b'"outcome":"ok"' not in line:
                    raise SystemExit(f"the server refused a request under load:\n{line.decode()}")
                total += 1
    return total


def _load(args: argparse.Namespace) -> dict[str, Any]:
    from tools.bench import load_functions  # it has the CDK's library, which takes seconds to import

    return load_functions.rows(args.rps, args.seconds)


_MOST = 100_000
_PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "attack": lambda args: attack.rows(args.seconds, args.rounds, args.attacks),
    "backup": lambda args: backup.rows(min(args.keys, _MOST)),
    "caches": lambda args: caches.rows(args.keys),
    "compare": lambda args: compare.rows(args.before, args.seconds, args.local_kms, args.python),
    "events": lambda args: events.rows(small=args.small),
    "export": lambda args: transfer.rows(min(args.keys, _MOST)),
    "files": lambda args: files.rows(small=args.small),
    "listings": lambda args: listings.dynamodb_told(min(args.keys, _MOST)),
    "load": _load,
    "pages": lambda _args: pages.rows(),
    "reseal": lambda args: reseal.rows(min(args.keys, _MOST)),
    "scale": lambda args: scale.rows(args.keys),
}
"""What is measured alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what",
        nargs="?",
        choices=list(_PARTS),
        help="only: this part",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the numbers")
    parser.add_argument("--seconds", type=int, default=3, help="of each HTTP run (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=attack.ROUNDS, help="of attack: turns of each attack (default: %(default)s)"
    )
    parser.add_argument(
        "--attacks", nargs="+", choices=list(attack.KINDS), default=(), help="of attack: only these (default: all)"
    )
    parser.add_argument("--cpu-only", action="store_true", help="only the first part")
    parser.add_argument(
        "--keys",
        type=int,
        default=1_000_000,
        help="of scale and caches, and of backup, export, listings and reseal up to 100000: how many",
    )
    parser.add_argument("--rps", type=int, default=300, help="of load: requests a second (default: %(default)s)")
    parser.add_argument("--small", action="store_true", help="of files and events: little data, one round")
    parser.add_argument("--before", default=compare.BEFORE, metavar="COMMIT", help="of compare: the other build")
    parser.add_argument("--python", metavar="PROGRAM", help="of compare: this build on this interpreter as well")
    parser.add_argument("--local-kms", type=Path, metavar="PROGRAM", help="of compare: nsmithuk/local-kms")
    args = parser.parse_args()
    if args.what:
        save(args.json, {args.what: _PARTS[args.what](args)})
        return
    print("CPU per request, event to answer:", flush=True)
    before = hmac_us()
    results = cpu_rows()
    results["hmac_sha512_us"] = min(before, hmac_us())
    print("the key lifecycle, CPU microseconds of a call:", flush=True)
    results["lifecycle"] = lifecycle_rows()
    if not args.cpu_only:
        print("sealed files, MB per second of CPU:", flush=True)
        results["files"] = files.rows(small=args.small)
        print("messages of seal_messages, AWS in memory:", flush=True)
        results["events"] = events.rows(small=args.small)
        print("instructions of a request, with and without the pages:", flush=True)
        results["pages"] = pages.rows()
        load.check_wrk()
        print(
            "HTTP, 64-byte plaintext, keep-alive, every signature verified, requests per second, best of five:",
            flush=True,
        )
        results["http"] = http_rows(args.seconds)
        for name, value in results["http"].items():
            print(f"  {name:<28}{value:>12,.1f}")
    save(args.json, results)


def save(file: Path | None, results: dict[str, Any]) -> None:
    if file:
        file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
