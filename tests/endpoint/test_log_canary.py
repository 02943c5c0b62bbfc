"""Marked secrets go through every Action and many errors of every dialect; no log line and no refusal holds a mark."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote, quote_plus

import msgspec
import pytest

from kit import edits, emf
from kit.captures import add_credential
from kit.catalogue import EXAMPLES, SCHEMES, Tenant, error_code, prepare, refused
from kit.support import Kms, Signer
from tenantkms.audit.line import Audit, Record
from tenantkms.audit.metrics import EmbeddedMetrics
from tenantkms.keys.cache import Cache
from tenantkms.keys.deps import Deps

MARK = "CanaryOf"
SECRET = MARK + "TheAccessKeySecret5e8"
PLAINTEXT = MARK + "ThePlaintext/+7d1"
CONTEXT_KEY, CONTEXT_VALUE = MARK + "AContextKey", MARK + "AContextValue?&="
CONTEXT = json.dumps({CONTEXT_KEY: CONTEXT_VALUE})
RANDOM = (MARK + "RandomBytes!").encode()
"""What the random source gives for keys, data keys and random answers."""
PUBLIC_SIZES = (16, 24)
"""Key ids and salts, which are no secrets and must differ."""


def random(size: int) -> bytes:
    return os.urandom(size) if size in PUBLIC_SIZES else (RANDOM * (size // len(RANDOM) + 1))[:size]


def spellings(secret: bytes) -> Iterator[bytes]:
    """Every form in which it could stand somewhere, and in base64 at each of the three alignments."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield repr(secret).encode()[2:-1]
    for spelling in (quote, quote_plus):
        yield spelling(secret, safe="").encode()
    for shift in range(3):
        # The first and last characters also depend on what stands around it.
        encoded = base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4]
        yield encoded
        yield encoded.replace(b"+", b"-").replace(b"/", b"_")
        yield quote(encoded.decode(), safe="").encode()


def leaks(text: str | bytes, *secrets: str | bytes) -> list[bytes]:
    data = text.encode() if isinstance(text, str) else text
    found = []
    for secret in secrets:
        raw = secret.encode() if isinstance(secret, str) else secret
        found += [form for form in set(spellings(raw)) if form in data]
    return found


@pytest.mark.parametrize(
    "text",
    [
        PLAINTEXT,
        f"a {PLAINTEXT} b",
        PLAINTEXT.encode().hex(),
        quote(PLAINTEXT, safe=""),
        base64.b64encode(PLAINTEXT.encode()).decode(),
        base64.b64encode(f"a{PLAINTEXT}b".encode()).decode(),
        base64.urlsafe_b64encode(f"ab{PLAINTEXT}c".encode()).decode(),
        quote(base64.b64encode(PLAINTEXT.encode()).decode(), safe=""),
        repr(PLAINTEXT.encode()),
    ],
)
def test_a_leak_would_be_seen(text: str) -> None:
    assert leaks(text, PLAINTEXT)
    assert not leaks(text, CONTEXT_VALUE, SECRET, RANDOM)


class BothLogs:
    """One machine's log, and a Lambda function's beside it."""

    def __init__(self, file: Audit, stream: TextIO) -> None:
        self._file, self._function = file, EmbeddedMetrics("test", lambda: bytes(32), stream)

    def write(self, record: Record, *more: Record) -> None:
        self._file.write(record, *more)
        for each in (record, *more):
            self._function.begin((each.action,) if each.action else ())
            self._function.write(each)

    def refuse(self, record: Record) -> None:
        self._file.refuse(record)
        self._function.begin(())
        self._function.refuse(record)


@pytest.fixture
def marked(kms: Kms, tmp_path: Path) -> Iterator[Kms]:
    """The tenant with a random source and a credential that are marked."""
    with (tmp_path / "data" / "audit.jsonl.function").open("w") as stream:
        audit = BothLogs(kms.settings.deps.audit, stream)
        yield _marked(kms, msgspec.structs.replace(kms.settings.deps, random=random, audit=audit))
    lines = (tmp_path / "data" / "audit.jsonl.function").read_text().splitlines()
    assert lines
    # What a change is announced with is no call of its own to count, refusals that were counted are counted, and
    # successes that follow each other are told together.
    for line, said in zip(lines, map(json.loads, lines), strict=True):
        if said.get("outcome") == "intent" or "since" in said:
            assert not emf.values(line)
        elif said.get("outcome") != "ok":
            assert emf.values(line)


def _marked(kms: Kms, deps: Deps) -> Kms:
    settings = msgspec.structs.replace(kms.settings, deps=deps)
    return Kms(settings, add_credential(kms, "TKMScanary", SECRET))


def parent_key(tmp_path: Path) -> bytes:
    return (tmp_path / "data" / "parent.key").read_bytes()


def audit(tmp_path: Path) -> str:
    data = tmp_path / "data"
    return "".join(file.read_text() for name in ("audit*.jsonl*", "refused*.jsonl") for file in data.glob(name))


def mark(dialect: str, params: Mapping[str, Any], plaintext: str) -> dict[str, Any]:
    """The same request with marked secrets; `plaintext` as the dialect wants it."""
    secrets = {"plaintext": plaintext, "encryptioncontext": CONTEXT, "sourceencryptioncontext": CONTEXT}
    if dialect == "aws":
        secrets |= {"encryptioncontext": json.loads(CONTEXT), "sourceencryptioncontext": json.loads(CONTEXT)}
    return {name: secrets.get(name.lower(), value) for name, value in params.items()}


def requests(kms: Kms, scheme: str, signer: Signer) -> list[tuple[str, edits.Event]]:
    dialect, sign = SCHEMES[scheme]
    made = prepare(kms)
    text = PLAINTEXT if scheme == "alibaba-rpc" else base64.b64encode(PLAINTEXT.encode()).decode()
    sealed = text if dialect == "alibaba" else PLAINTEXT
    answer = kms.alibaba("Encrypt", KeyId=made.key_id, Plaintext=sealed, EncryptionContext=CONTEXT)
    tenant = Tenant(made.key_id, made.other_id, made.alias, answer["CiphertextBlob"], made.account)
    examples = EXAMPLES[dialect](tenant)
    return [(action, sign(signer, action, mark(dialect, params, text))) for action, params in examples.items()]


MAY_HOLD = {"Decrypt": PLAINTEXT, **dict.fromkeys(("GenerateDataKey", "GenerateDataKeyPair", "GenerateRandom"), RANDOM)}
"""The successes whose purpose is to hand out a secret."""
EVERYTHING = (SECRET, PLAINTEXT, CONTEXT_KEY, CONTEXT_VALUE, RANDOM)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_successes(scheme: str, marked: Kms, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for action, request in requests(marked, scheme, marked.signer):
        answer = marked.send(request)
        assert error_code(SCHEMES[scheme][0], answer) is None, answer["body"]
        held = leaks(json.dumps(answer), *EVERYTHING, parent_key(tmp_path))
        if action in MAY_HOLD:
            held = [form for form in held if form not in set(spellings(_bytes(MAY_HOLD[action])))]
            assert leaks(answer["body"], MAY_HOLD[action]), "the mark did not go through the Action"
        assert held == []
    _check_logs(tmp_path, capfd)


def _bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def _check_logs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, err = capfd.readouterr()
    log = audit(tmp_path)
    assert log.count("\n") > 10
    for text in (out, err, log):
        assert leaks(text, *EVERYTHING, parent_key(tmp_path)) == []


ERRORS: dict[str, edits.Edit] = {
    "another signature": edits.headers(authorization="SKIP"),
    "another host": edits.headers(host="other.example.test"),
    "another method": edits.method("PUT"),
    "a presigned carrier": edits.query_more("&X-Amz-Signature=a"),
    "a bad escape": edits.query_more("&%zz"),
    "one more parameter": edits.query_more("&a=b"),
    "half a form": lambda request: edits.with_body(request, edits.body(request)[:-7] + b"\xff"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_refusals(scheme: str, marked: Kms, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = Signer("TKMScanary", SECRET + "x")
    answers = [marked.send(request) for _, request in requests(marked, scheme, wrong)]
    for edit in ERRORS.values():
        answers += [marked.send(edit(request)) for _, request in requests(marked, scheme, marked.signer)]
    repeated = [marked.send(request) for request in _bad_values(marked, scheme)]
    told = [answer for answer in (*answers, *repeated) if refused(answer)]
    assert len(told) > (len(answers) + len(repeated)) * 0.6
    for answer in told:
        # AWS tells the caller its own wrong value, if it is no blob: programs look for its words.
        own = scheme == "aws-sigv4" and answer in repeated
        secrets = (SECRET, RANDOM) if own else EVERYTHING
        assert leaks(json.dumps(answer), *secrets, parent_key(tmp_path)) == []
    _check_logs(tmp_path, capfd)


def _bad_values(kms: Kms, scheme: str) -> Iterator[edits.Event]:
    """Signed requests whose secrets stand in the wrong place, or make an error that could quote them."""
    dialect, sign = SCHEMES[scheme]
    tenant = prepare(kms)
    for action, params in EXAMPLES[dialect](tenant).items():
        for name in params:
            for value in (PLAINTEXT, CONTEXT, "\u7a7a" + PLAINTEXT, PLAINTEXT * 300):
                yield sign(kms.signer, action, {**params, name: value})


class BrokenStore:
    """A store all of whose answers are an exception that quotes a secret."""

    def __getattr__(self, name: str) -> Any:
        def fail(*args: object, **kwargs: object) -> Any:
            raise RuntimeError(f"{PLAINTEXT} {args} {kwargs}")

        return fail


def _forget(holder: object) -> None:
    for cache in vars(holder).values():
        if isinstance(cache, Cache):
            cache._rows.clear()


def _break_keys(kms: Kms) -> None:
    keyring = kms.settings.deps.keyring
    keyring.store = BrokenStore()  # type: ignore[assignment]
    _forget(keyring)


def _break_access(kms: Kms) -> None:
    access = kms.settings.access
    access.store = BrokenStore()  # type: ignore[assignment]
    _forget(access)


@pytest.mark.parametrize("broken", [_break_keys, _break_access])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_faults(
    scheme: str, broken: Callable[[Kms], None], marked: Kms, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """An exception's text may quote what was being handled: the log and the caller get its type alone."""
    dialect, _ = SCHEMES[scheme]
    made = requests(marked, scheme, marked.signer)
    broken(marked)
    faults = [answer for answer in (marked.send(request) for _, request in made) if refused(answer)]
    assert len(faults) >= 7
    for answer in faults:
        assert error_code(dialect, answer) in {"InternalFailure", "InternalError", 6000, "KMSInternalException"}
        assert leaks(json.dumps(answer), *EVERYTHING, parent_key(tmp_path)) == []
        assert "RuntimeError" not in answer["body"]
    out, err = capfd.readouterr()
    assert err.count("RuntimeError") >= 7, "the faults were not logged"
    for text in (out, err, audit(tmp_path)):
        assert leaks(text, *EVERYTHING, parent_key(tmp_path)) == []
