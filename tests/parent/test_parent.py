"""Sealing: what was sealed opens in its own place, under its own parent key, and nowhere else.

moto's KMS joins context pairs without their lengths and does not refuse disabled keys, so the binding and the
parent's refusals are proved on a strict parent of our own; moto proves that the calls are as AWS wants them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from msgspec.structs import replace

from kit.moto_aws import Fault, Wire, kms_client, refusal
from tenantkms.errors import Unavailable
from tenantkms.parent.aws_kms import AwsParentKey
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import CREDENTIAL, KEY_MATERIAL, Binding, ParentKey, credential_binding, key_binding

KEY_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
OTHER_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7f"
HERE = key_binding("acme", KEY_ID, 1, "AES_256")
SECRET = bytes(range(32))
ARN = "arn:aws:kms:eu-central-1:123456789012:key/parent"

ELSEWHERE: dict[str, Binding] = {
    "tenant": replace(HERE, tenant="acme2"),
    "key": replace(HERE, key_id=OTHER_ID),
    "version": replace(HERE, version=2),
    "spec": replace(HERE, spec="SM4_128"),
    "kind": replace(HERE, kind=CREDENTIAL),
    "tenant and spec, shifted": replace(HERE, tenant="acmeA", spec="ES_256"),
    "a credential": credential_binding("acme", "AKID"),
}


class StrictKms:
    """A KMS client that keeps what it sealed and compares key, context and ciphertext exactly."""

    def __init__(self) -> None:
        self.sealed: dict[bytes, tuple[str, dict[str, str], bytes]] = {}
        self.fault: Exception | None = None
        self.wrong: Callable[[bytes], bytes] = lambda plaintext: plaintext
        self.contexts: list[dict[str, str]] = []

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        if self.fault:
            raise self.fault
        blob = os.urandom(16)
        self.sealed[blob] = (KeyId, dict(EncryptionContext), Plaintext)
        self.contexts.append(dict(EncryptionContext))
        return {"CiphertextBlob": blob}

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> dict[str, Any]:  # noqa: N803
        if self.fault:
            raise self.fault
        key_id, context, plaintext = self.sealed.get(CiphertextBlob, ("", {}, b""))
        if (key_id, context) != (KeyId, dict(EncryptionContext)):
            raise client_error("InvalidCiphertextException")
        return {"Plaintext": self.wrong(plaintext)}


def client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, "Decrypt")


def aws(kms: StrictKms, arn: str = ARN) -> AwsParentKey:
    return AwsParentKey(cast("Any", kms), arn)


@pytest.fixture
def kms() -> StrictKms:
    return StrictKms()


@pytest.fixture(scope="module")
def moto_parent() -> AwsParentKey:
    client = kms_client(Wire())
    return AwsParentKey(client, client.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(params=["file", "strict", "moto"])
def parent(request: pytest.FixtureRequest) -> ParentKey:
    if request.param == "moto":
        moto: AwsParentKey = request.getfixturevalue("moto_parent")
        return moto
    return FileParentKey(os.urandom(32)) if request.param == "file" else aws(StrictKms())


@pytest.mark.parametrize("secret", [b"", b"\x00", SECRET, bytes(range(256)) * 8])
def test_a_secret_comes_back(parent: ParentKey, secret: bytes) -> None:
    for binding in (HERE, credential_binding("acme", "AKID")):
        sealed = parent.seal(secret, binding)
        assert parent.unseal(sealed, binding) == secret
        if len(secret) > 1:
            assert secret not in sealed


def test_two_seals_of_one_secret_differ(parent: ParentKey) -> None:
    assert parent.seal(SECRET, HERE) != parent.seal(SECRET, HERE)


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_blob_that_was_moved_does_not_open(parent: ParentKey, elsewhere: Binding) -> None:
    for here, there in ((HERE, elsewhere), (elsewhere, HERE)):
        with pytest.raises(Unavailable):
            parent.unseal(parent.seal(SECRET, here), there)


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_moved_blob_is_refused_though_the_parent_opens_it(kms: StrictKms, elsewhere: Binding) -> None:
    """The parent's answer is compared with the row, whatever the parent checked."""
    kms.wrong = lambda _: elsewhere.header() + SECRET
    with pytest.raises(Unavailable, match="does not belong"):
        aws(kms).unseal(aws(kms).seal(SECRET, HERE), HERE)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _: b"",
        lambda plaintext: plaintext[:10],
        lambda plaintext: plaintext[1:],
        lambda plaintext: b"TKS2" + plaintext[4:],
        lambda plaintext: bytes(len(plaintext)),
    ],
    ids=["nothing", "cut", "shifted", "magic", "zeros"],
)
def test_a_wrong_answer_of_the_parent_is_refused(kms: StrictKms, wrong: Callable[[bytes], bytes]) -> None:
    parent = aws(kms)
    sealed = parent.seal(SECRET, HERE)
    kms.wrong = wrong
    with pytest.raises(Unavailable):
        parent.unseal(sealed, HERE)


def test_the_header_keeps_its_published_layout() -> None:
    """Rows of a released version must open for ever."""
    assert HERE.header() == (
        b"TKS1"
        + bytes([KEY_MATERIAL])
        + bytes.fromhex(KEY_ID.replace("-", ""))
        + b"\0\0\0\x01"
        + b"\x04acme\x07AES_256"
    )
    assert credential_binding("acme", "AKID").header() == b"TKS1\x02" + bytes(16) + b"\0\0\0\x01" + b"\x04acme\x04AKID"


def test_no_two_places_have_one_header() -> None:
    headers = {b.header() for b in (HERE, *ELSEWHERE.values())}
    assert len(headers) == len(ELSEWHERE) + 1
    assert not any(a != b and a.startswith(b) for a in headers for b in headers)


# -- the file of one machine -------------------------------------------------------------------------


def key_file(tmp_path: Path, data: bytes = bytes(32), mode: int = 0o600) -> Path:
    path = tmp_path / "parent.key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_parent_key_of_its_owner_alone_loads(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, SECRET, mode)
    sealed = FileParentKey.load(path).seal(b"secret", HERE)
    assert FileParentKey(SECRET).unseal(sealed, HERE) == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o606, 0o610, 0o601, 0o777])
def test_a_parent_key_open_to_others_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    with pytest.raises(Unavailable, match="chmod 600"):
        FileParentKey.load(key_file(tmp_path, mode=mode))


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_damaged_parent_key_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(Unavailable, match="not 32 bytes"):
        FileParentKey.load(key_file(tmp_path, bytes(size)))


def test_a_missing_or_unreadable_parent_key_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "parent.key", tmp_path):
        with pytest.raises(Unavailable, match=str(path)):
            FileParentKey.load(path)


def test_every_damaged_byte_and_every_cut_is_refused() -> None:
    parent = FileParentKey(os.urandom(32))
    sealed = parent.seal(SECRET, HERE)
    damaged = [
        sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :] for at in range(len(sealed)) for bit in (1, 128)
    ]
    for blob in (*damaged, *(sealed[:end] for end in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(Unavailable):
            parent.unseal(blob, HERE)
    assert parent.unseal(sealed, HERE) == SECRET


def test_another_parent_key_does_not_open() -> None:
    with pytest.raises(Unavailable):
        FileParentKey(os.urandom(32)).unseal(FileParentKey(os.urandom(32)).seal(SECRET, HERE), HERE)


def test_a_file_sealed_blob_of_a_released_version_opens() -> None:
    sealed = FileParentKey(bytes(32), random=lambda n: bytes(range(n))).seal(SECRET, HERE)
    assert sealed[:13] == b"\x01" + bytes(range(12))
    assert FileParentKey(bytes(32)).unseal(sealed, HERE) == SECRET


# -- AWS KMS -----------------------------------------------------------------------------------------


def test_the_context_given_to_aws_names_the_place_but_no_access_key(kms: StrictKms) -> None:
    aws(kms).seal(SECRET, HERE)
    aws(kms).seal(SECRET, credential_binding("acme", "AKIDSECRETNAME"))
    of_key, of_credential = kms.contexts
    assert of_key == {"tenant": "acme", "kind": "1", "key": KEY_ID, "version": "1", "spec": "AES_256"}
    assert of_credential["tenant"] == "acme"
    assert "AKIDSECRETNAME" not in str(of_credential)
    assert len(of_credential["spec"]) == 64


def test_another_aws_key_does_not_open(kms: StrictKms) -> None:
    with pytest.raises(Unavailable):
        aws(kms, ARN + "2").unseal(aws(kms).seal(SECRET, HERE), HERE)


FAULTS: dict[str, Exception] = {
    **{
        code: client_error(code)
        for code in (
            "ThrottlingException",
            "AccessDeniedException",
            "DisabledException",
            "KMSInvalidStateException",
            "NotFoundException",
            "InvalidCiphertextException",
            "IncorrectKeyException",
            "KMSInternalException",
            "DependencyTimeoutException",
            "KeyUnavailableException",
        )
    },
    "connect": ConnectTimeoutError(endpoint_url=ARN),
    "read": ReadTimeoutError(endpoint_url=ARN),
    "no network": EndpointConnectionError(endpoint_url=ARN),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_fault_of_aws_is_unavailable_and_passes(kms: StrictKms, fault: Exception) -> None:
    parent = aws(kms)
    sealed = parent.seal(SECRET, HERE)
    kms.fault = fault
    for call in (lambda: parent.seal(SECRET, HERE), lambda: parent.unseal(sealed, HERE)):
        with pytest.raises(Unavailable) as raised:
            call()
        assert raised.value.__cause__ is fault
        assert "refused" not in raised.value.message
    kms.fault = None
    assert parent.unseal(sealed, HERE) == SECRET


def test_faults_on_the_wire_are_unavailable_and_pass() -> None:
    wire = Wire()
    client = kms_client(wire)
    parent = AwsParentKey(client, client.create_key()["KeyMetadata"]["Arn"])
    sealed = parent.seal(SECRET, HERE)
    for answer in (
        refusal("ThrottlingException"),
        refusal("KMSInternalException", 500),
        ReadTimeoutError(endpoint_url=""),
    ):
        wire.faults.append(Fault("Decrypt", answer))
        with pytest.raises(Unavailable):
            parent.unseal(sealed, HERE)
    assert parent.unseal(sealed, HERE) == SECRET
