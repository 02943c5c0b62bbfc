"""A key with 500 versions is as quick as one with one: each opens, and no call reads more rows for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.campaign.tenant import Process, deepen
from kit.campaign.world import STORES, World, make_world
from kit.fakes import Counting

COUNT = 500


@pytest.fixture(scope="module", params=STORES)
def deep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, str, list[str]]:
    """A world, the key in it, and a blob under each of its versions."""
    world = make_world(request.param, tmp_path_factory.mktemp("deep"))
    process = Process(world)
    key_id = process.create()
    return world, key_id, deepen(process, key_id, COUNT)


def counted(world: World) -> tuple[Process, Counting]:
    process = Process(world, Counting)
    store = process.deps.keyring.store
    assert isinstance(store, Counting)
    return process, store


def test_every_version_decrypts(deep: tuple[World, str, list[str]]) -> None:
    world, _, blobs = deep
    process = Process(world)
    assert [process.opens(blob) for blob in blobs] == ["ok"] * COUNT


@pytest.mark.parametrize(
    ("number", "reads"), [(1, {"get": 1, "get_version": 1}), (250, {"get": 1, "get_version": 1}), (COUNT, {"get": 1})]
)
def test_decrypt_reads_two_rows_at_most(deep: tuple[World, str, list[str]], number: int, reads: dict[str, int]) -> None:
    """The key's, and an older version's. Another time within the second, none."""
    world, _, blobs = deep
    process, store = counted(world)
    assert process.opens(blobs[number - 1]) == "ok"
    assert store.calls == reads
    assert process.opens(blobs[number - 1]) == "ok"
    assert store.calls == reads


@pytest.mark.parametrize("action", ["Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
def test_new_ciphertexts_read_one_row(deep: tuple[World, str, list[str]], action: str) -> None:
    world, key_id, _ = deep
    process, store = counted(world)
    params = {"plaintext": "AAAA"} if action == "Encrypt" else {}
    process.result(action, {"key_id": key_id, **params})
    assert store.calls == {"get": 1}


def test_a_rotation_reads_and_writes_once(tmp_path: Path) -> None:
    world = make_world("sqlite", tmp_path)
    key_id = Process(world).create()
    deepen(Process(world), key_id, COUNT)
    process, store = counted(world)
    process.result("CreateKeyVersion", {"key_id": key_id})
    assert store.calls == {"get": 1, "commit": 1}


@pytest.mark.parametrize("size", [1, 99, 100])
def test_versions_are_listed_in_pages(deep: tuple[World, str, list[str]], size: int) -> None:
    """Each once, in their order, through Alibaba's API; every page is one read of the store."""
    world, key_id, _ = deep
    kms = world.process(wrap=Counting)
    pages = range(1, 4) if size == 1 else range(1, -(-COUNT // size) + 1)
    found: list[str] = []
    for page in pages:
        answer = kms.alibaba("ListKeyVersions", KeyId=key_id, PageNumber=str(page), PageSize=str(size))
        assert (answer["TotalCount"], answer["PageNumber"], answer["PageSize"]) == (COUNT, page, size)
        found += [row["KeyVersionId"] for row in answer["KeyVersions"]["KeyVersion"]]
    everyone = Process(world).result("ListKeyVersions", {"key_id": key_id, "limit": 1000})["versions"]
    assert found == [row["key_version_id"] for row in everyone][: len(found)]
    assert len(found) == (3 if size == 1 else COUNT)
    store = kms.settings.deps.keyring.store
    assert isinstance(store, Counting)
    assert store.calls["list_versions"] <= len(pages)
    last = kms.alibaba("ListKeyVersions", KeyId=key_id, PageNumber=str(COUNT + 1), PageSize=str(size))
    assert (last["TotalCount"], last["KeyVersions"]["KeyVersion"]) == (COUNT, [])


def test_the_oldest_ciphertext_moves_to_the_newest_version(deep: tuple[World, str, list[str]]) -> None:
    world, key_id, blobs = deep
    kms = world.process()
    moved = kms.tencent("ReEncrypt", CiphertextBlob=blobs[0])
    assert (moved["ReEncrypted"], moved["KeyId"]) == (True, key_id)
    stays = kms.tencent("ReEncrypt", CiphertextBlob=moved["CiphertextBlob"])
    assert (stays["ReEncrypted"], stays["CiphertextBlob"]) == (False, moved["CiphertextBlob"])
