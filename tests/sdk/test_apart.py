"""Clients of Alibaba Cloud and Tencent Cloud in processes of their own, unmodified, against a running server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.loopback import relay
from kit.sdk_alibaba import wrapped
from kit.sdk_apart import CLIENTS, Apart
from kit.sdk_clients import REQUEST_ID, UNKNOWN_KEY, Login, Refusal, Tea, session
from kit.sdk_java import JavaError
from kit.sdk_programs import Tccli
from kit.speakers import SPEAKERS, Named, Sdk
from kit.support import Server

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑", "z": ""}
HELLO = base64.b64encode(b"hello").decode()
EVERY_BYTE = base64.b64encode(bytes(range(256))).decode()
TEXT = "not base64: 密码 🔑"
# What a vendor's client encrypts, and what the others read: Alibaba's Encrypt takes a text, the others' bytes.
WRITTEN = {
    "alibaba": (TEXT, base64.b64encode(TEXT.encode()).decode()),
    "tencent": (EVERY_BYTE, EVERY_BYTE),
    "aws": (EVERY_BYTE, EVERY_BYTE),
}


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    apart = Apart(tmp_path_factory.mktemp("apart"))
    yield apart
    apart.close()


@dataclass(frozen=True)
class User:
    """A client, and where it is."""

    name: str
    at: Login
    sdk: Sdk
    apart: Apart

    @property
    def vendor(self) -> str:
        return CLIENTS[self.name].vendor

    def again(self, at: Login) -> Sdk:
        return self.apart.start(self.name, at)

    def told(self, sdk: Sdk, action: str, **fields: object) -> Refusal:
        """What this client's user is told of a call that is refused."""
        with pytest.raises(sdk.error) as refused:
            sdk.ask(action, **fields)
        told = sdk.read(refused.value)
        assert REQUEST_ID.fullmatch(told.request_id)
        return told


@pytest.fixture(scope="module", params=CLIENTS)
def user(request: pytest.FixtureRequest, plain: Login, secure: Login, apart: Apart) -> User:
    name: str = request.param
    at = secure if CLIENTS[name].needs_tls else plain
    return User(name, at, apart.start(name, at), apart)


def new_key(at: Login) -> str:
    return str(Tea(at).call("CreateKey").key_metadata.key_id)


def test_a_round_trip(user: User) -> None:
    key, speaker = new_key(user.at), Named(user.sdk)
    blob = speaker.encrypt(key, EVERY_BYTE, CONTEXT)
    assert speaker.decrypt(blob, CONTEXT) == EVERY_BYTE
    plaintext, sealed = speaker.data_key(key, CONTEXT)
    assert len(base64.b64decode(plaintext)) == 16
    assert speaker.decrypt(sealed, CONTEXT) == plaintext


OTHERS = {"alibaba": "tencent tc3", "tencent": "alibaba acs3"}


@pytest.mark.parametrize("other", ["of the other vendor", "of AWS"])
def test_ciphertexts_and_data_keys_cross(user: User, other: str) -> None:
    name = "aws sigv4" if other == "of AWS" else OTHERS[user.vendor]
    key, mine, theirs = new_key(user.at), Named(user.sdk), SPEAKERS[name](user.at)
    plaintext, sealed = mine.data_key(key, CONTEXT)
    assert theirs.decrypt(sealed, CONTEXT) == plaintext
    for vendor, writer, reader in ((user.vendor, mine, theirs), (name.partition(" ")[0], theirs, mine)):
        written, read = WRITTEN[vendor]
        assert reader.decrypt(writer.encrypt(key, written, CONTEXT), CONTEXT) == read


# -- refusals ------------------------------------------------------------------------------------------


def of_another_context(sdk: Sdk, key: str, other: Tea) -> tuple[str, dict[str, object]]:
    blob = other.ask("Encrypt", KeyId=key, Plaintext=HELLO, EncryptionContext=CONTEXT)["CiphertextBlob"]
    return "Decrypt", {"CiphertextBlob": blob, "EncryptionContext": {**CONTEXT, "z": "z"}}


def of_a_disabled_key(sdk: Sdk, key: str, other: Tea) -> tuple[str, dict[str, object]]:
    sdk.ask("DisableKey", KeyId=key)
    return "Encrypt", {"KeyId": key, "Plaintext": HELLO}


def of_a_key_pending_deletion(sdk: Sdk, key: str, other: Tea) -> tuple[str, dict[str, object]]:
    other.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    return "Encrypt", {"KeyId": key, "Plaintext": HELLO}


def of_an_unknown_key(sdk: Sdk, key: str, other: Tea) -> tuple[str, dict[str, object]]:
    return "Encrypt", {"KeyId": UNKNOWN_KEY, "Plaintext": HELLO}


Case = Callable[[Sdk, str, Tea], tuple[str, dict[str, object]]]
REFUSALS: dict[str, dict[Case, tuple[int, str, str]]] = {
    "alibaba": {
        of_another_context: (400, "InvalidParameter", "the EncryptionContext differs"),
        of_a_disabled_key: (409, "Rejected.Disabled", "the key state is Disabled"),
        of_a_key_pending_deletion: (409, "Rejected.PendingDeletion", "the key state is PendingDeletion"),
        of_an_unknown_key: (404, "Forbidden.KeyNotFound", "The specified Key is not found."),
    },
    "tencent": {
        of_another_context: (200, "FailedOperation.DecryptError", "the EncryptionContext differs"),
        of_a_disabled_key: (200, "ResourceUnavailable.CmkDisabled", "disabled"),
        of_a_key_pending_deletion: (200, "ResourceUnavailable.KeyPendingDelete", "delet"),
        of_an_unknown_key: (200, "ResourceUnavailable.CmkNotFound", "The key does not exist."),
    },
}


@pytest.mark.parametrize("case", REFUSALS["alibaba"])
def test_each_refusal_reaches_its_user(user: User, case: Case) -> None:
    status, code, message = REFUSALS[user.vendor][case]
    action, fields = case(user.sdk, new_key(user.at), Tea(user.at))
    told = user.told(user.sdk, action, **fields)
    assert (told.status, told.code) == (status if CLIENTS[user.name].tells_status else 0, code)
    assert message in told.message


def test_a_wrong_secret_is_told(user: User) -> None:
    code = {"alibaba": "SignatureDoesNotMatch", "tencent": "AuthFailure.SignatureFailure"}[user.vendor]
    assert user.told(user.again(user.at.but(secret="wrong")), "ListKeys").code == code


# -- access keys and certificates ----------------------------------------------------------------------


def test_a_session_is_taken(user: User, server: Server, secure_server: Server) -> None:
    name = user.at.access_key_id
    issued = session(secure_server if user.at.ca else server, "--name", name, ca=user.at.ca)
    assert "Keys" in user.again(issued).ask("ListKeys")


@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if client.takes_ca])
def test_a_private_certificate_is_trusted(apart: Apart, secure: Login, name: str) -> None:
    assert "Keys" in apart.start(name, secure).ask("ListKeys")


# -- what each does in a way of its own ----------------------------------------------------------------


def test_a_context_that_is_an_object_is_none_to_kms_sdk(apart: Apart, secure: Login) -> None:
    """It says nothing of that (findings/alibaba-kms-sdk-drops-context.sh)."""
    sdk, key = apart.npm("kms-sdk", secure), new_key(secure)
    fields = {"KeyId": key, "Plaintext": HELLO, "EncryptionContext": {"tenant": "blue"}}
    blob = sdk.call("ask", "Encrypt", fields)["CiphertextBlob"]
    assert Tea(secure).call("Decrypt", ciphertext_blob=blob).plaintext == HELLO


def test_kms_sdk_returns_a_refusal(apart: Apart, secure: Login) -> None:
    answer = apart.npm("kms-sdk", secure).call("ask", "DescribeKey", {"KeyId": UNKNOWN_KEY})
    assert answer["Code"] == "Forbidden.KeyNotFound"


def test_kms_sdk_imports_material_for_ever(apart: Apart, secure: Login) -> None:
    """It leaves KeyMaterialExpireUnix out, or sends what it is told."""
    sdk = apart.npm("kms-sdk", secure)
    key = sdk.ask("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    how = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    made = sdk.ask("GetParametersForImport", KeyId=key, **how)
    sealed = wrapped(made["PublicKey"], how["WrappingAlgorithm"], bytes(range(32)))
    sdk.ask("ImportKeyMaterial", KeyId=key, EncryptedKeyMaterial=sealed, ImportToken=made["ImportToken"])
    seen = sdk.ask("DescribeKey", KeyId=key)["KeyMetadata"]
    assert (seen["KeyState"], seen["MaterialExpireTime"]) == ("Enabled", "")


def test_an_error_of_pop_core_quotes_the_request(apart: Apart, plain: Login) -> None:
    """With GET, its default, that is the plaintext (docs/clients.md); the code is on the error apart from it."""
    for method, quoted in (("GET", True), ("POST", False)):
        sdk = apart.npm("pop-core", plain, method=method)
        with pytest.raises(sdk.error, match=r"Forbidden\.KeyNotFoundError: The specified Key") as refused:
            sdk.ask("Encrypt", KeyId=UNKNOWN_KEY, Plaintext="hunter2")
        assert ("hunter2" in refused.value.message) is quoted


def test_tccli_writes_each_command_line_into_its_log(apart: Apart, plain: Login, tmp_path: Path) -> None:
    Tccli(plain, tmp_path).ask("ListKeys", Limit=1)
    assert "tccli kms ListKeys" in (tmp_path / ".tccli/log/tccli.log").read_text()


@pytest.mark.parametrize("version", ["HTTP_1_1", "HTTP_2"])
@pytest.mark.parametrize("scheme", ["rpc", "acs3", "tc3"])
def test_java_s_client_keeps_its_connection(apart: Apart, plain: Login, scheme: str, version: str) -> None:
    """With HTTP_2 it asks for an upgrade each time, which is not taken. Of three users two have bodies that wait."""
    key = new_key(plain)
    with relay(int(plain.host.rpartition(":")[2])) as between:
        at = plain.but(host=f"127.0.0.1:{between.port}")
        for expect in (True, False, True):
            speaker = Named(apart.java(scheme, at, version, expect=expect))
            assert speaker.decrypt(speaker.encrypt(key, EVERY_BYTE, CONTEXT), CONTEXT) == EVERY_BYTE
            with pytest.raises(JavaError):
                speaker.sdk.ask("Encrypt", KeyId=UNKNOWN_KEY, Plaintext=HELLO)
        assert between.accepted == 1
