"""Tags of both generations, lists and their filters, key policies and the service, through both Alibaba SDKs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kit import samples
from kit.sdk_alibaba import HELLO, Alibaba, policy, tags
from kit.sdk_clients import UNKNOWN_KEY, Classic, Login, Tea, login, refused
from kit.support import Server, serving
from tenantkms.model.limits import OFF
from tenantkms.store.port import PutKey
from tkms.machine.directory import Directory

_BAD = ("InvalidParameter", 400)


@pytest.fixture(scope="module", params=["tea", "classic"])
def user(request: pytest.FixtureRequest, tea: Tea, classic: Classic) -> Alibaba:
    return Alibaba(tea if request.param == "tea" else classic)


# -- tags ----------------------------------------------------------------------------------------------


def tagged(user: Alibaba, key: str) -> dict[str, str]:
    """The tags of a key, as both generations of operations agree on."""
    rows = user.ask("ListResourceTags", KeyId=key)["Tags"]["Tag"]
    newer = user.ask("ListTagResources", ResourceType="key", ResourceId=[key])["TagResources"]["TagResource"]
    assert {row["KeyId"] for row in rows} <= {key}
    assert {(row["ResourceId"], row["ResourceType"]) for row in newer} <= {(key, "key")}
    found = {row["TagKey"]: row["TagValue"] for row in rows}
    assert found == {row["TagKey"]: row["TagValue"] for row in newer}
    return found


def test_tags_of_one_key(user: Alibaba) -> None:
    key = user.key(Tags=tags(env="prod", team="blue"))
    assert tagged(user, key) == {"env": "prod", "team": "blue"}
    user.ask("TagResource", KeyId=key, Tags=tags(env="test", 数据="ü"))
    assert tagged(user, key) == {"env": "test", "team": "blue", "数据": "ü"}
    user.ask("UntagResource", KeyId=key, TagKeys='["数据", "none"]')
    user.ask("UntagResource", KeyId=key, TagKeys="team,other")
    assert tagged(user, key) == {"env": "test"}


def test_tags_of_many_keys(user: Alibaba) -> None:
    keys = [user.key() for _ in range(3)]
    many: dict[str, Any] = {"ResourceType": "key", "ResourceId": keys}
    user.ask("TagResources", **many, Tag=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    user.ask("TagResources", ResourceType="key", ResourceId=keys[:1], Tag=[{"Key": "a", "Value": "2"}])
    assert [tagged(user, key) for key in keys] == [{"a": "2", "b": ""}, {"a": "1", "b": ""}, {"a": "1", "b": ""}]
    user.ask("UntagResources", ResourceType="key", ResourceId=keys[:2], TagKey=["b"])
    assert [tagged(user, key) for key in keys] == [{"a": "2"}, {"a": "1"}, {"a": "1", "b": ""}]
    user.ask("UntagResources", **many, All="true")
    assert [tagged(user, key) for key in keys] == [{}, {}, {}]


def pages_of_tags(user: Alibaba, token: str = "", **asked: Any) -> list[list[dict[str, Any]]]:
    """The rows of each page, as a program reads them: until there is no NextToken."""
    pages = list[list[dict[str, Any]]]()
    while token or not pages:
        answer = user.ask("ListTagResources", ResourceType="key", **asked, **({"NextToken": token} if token else {}))
        pages.append(answer["TagResources"]["TagResource"])
        token = answer.get("NextToken", "")
    return pages


def test_tagged_keys_are_found_page_by_page(user: Alibaba) -> None:
    mark = uuid4().hex
    full = [{"Key": mark, "Value": "1"}, *({"Key": f"k{n}", "Value": "v"} for n in range(19))]
    keys = [user.key() for _ in range(11)]
    user.ask("TagResources", ResourceType="key", ResourceId=keys, Tag=full)
    pages = pages_of_tags(user, Tag=[{"Key": mark, "Value": "1"}])
    assert sum(map(len, pages)) == 220
    assert all(len(page) <= 200 for page in pages)
    assert {(row["ResourceId"], row["TagKey"]) for page in pages for row in page} == {
        (key, tag["Key"]) for key in keys for tag in full
    }
    assert not any(pages_of_tags(user, Tag=[{"Key": mark, "Value": "2"}]))
    named = [[row["ResourceId"] for row in page] for page in pages_of_tags(user, ResourceId=keys)]
    assert [len(page) for page in named] == [200, 20]
    with refused(user, *_BAD):
        user.ask("ListTagResources", ResourceType="key", NextToken="next")


@pytest.mark.parametrize("kind", [Tea, Classic])
def test_few_tagged_keys_among_many_are_found_page_by_page(kind: type[Tea | Classic], tmp_path: Path) -> None:
    """A page of two hundred keys that have none is empty, and has a NextToken."""
    with serving(tmp_path / "data") as server:
        user = Alibaba(kind(login(server)))
        store = Directory(tmp_path / "data", OFF).open().deps.keyring.store
        numbers = range(1, 1_001)
        some = {n: {"team": "payments", "n": str(n)} for n in (7, 250, 251, 999)}
        for start in range(0, len(numbers), 100):
            store.commit([PutKey(samples.key(n, tags=some.get(n, {}))) for n in numbers[start : start + 100]])
        pages = pages_of_tags(user, Tag=[{"Key": "team", "Value": "payments"}])
        found = [[row["TagValue"] for row in page if row["TagKey"] == "n"] for page in pages]
        assert found == [["7"], ["250", "251"], [], [], ["999"], []]
        old = pages_of_tags(user, token="4")
        assert [row["TagValue"] for page in old for row in page if row["TagKey"] == "n"] == ["251", "999"]


TOO_MUCH: dict[str, tuple[str, tuple[str, int]]] = {
    "a name of aliyun's": (tags(aliyun="x"), _BAD),
    "a name of acs": (json.dumps([{"TagKey": "acs:x", "TagValue": ""}]), _BAD),
    "a long name": (json.dumps([{"TagKey": "k" * 129, "TagValue": ""}]), _BAD),
    "a long value": (tags(k="v" * 129), _BAD),
    "a name twice": (json.dumps([{"TagKey": "k", "TagValue": str(n)} for n in range(2)]), _BAD),
    "no name": (json.dumps([{"TagKey": "", "TagValue": ""}]), _BAD),
    "no list": ('{"TagKey": "k"}', _BAD),
    "no JSON": ("k=v", _BAD),
    "the 21st": (tags(**{f"k{n}": "" for n in range(20)}), ("Rejected.LimitExceeded", 400)),
}


@pytest.mark.parametrize(("text", "refusal"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_tags_that_a_key_does_not_take(user: Alibaba, text: str, refusal: tuple[str, int]) -> None:
    key = user.key(Tags=tags(a="b"))
    with refused(user, *refusal):
        user.ask("TagResource", KeyId=key, Tags=text)
    assert tagged(user, key) == {"a": "b"}


def test_tagging_many_keys_is_all_or_nothing(user: Alibaba) -> None:
    key = user.key()
    for other, code, status in (
        ("no-key", "InvalidResourceId.NotFound", 404),
        (UNKNOWN_KEY, "Forbidden.KeyNotFound", 404),
    ):
        with refused(user, code, status):
            user.ask("TagResources", ResourceType="key", ResourceId=[key, other], Tag=[{"Key": "a", "Value": "b"}])
    with refused(user, "UnsupportedOperation", 400):
        user.ask("TagResources", ResourceType="secret", ResourceId=[key], Tag=[{"Key": "a", "Value": "b"}])
    with refused(user, "MissingParameter", 400):
        user.ask("UntagResources", ResourceType="key", ResourceId=[key])
    assert tagged(user, key) == {}


# -- lists ---------------------------------------------------------------------------------------------


def test_keys_are_listed_by_every_filter(user: Alibaba) -> None:
    mark = {"Tags": tags(**{f"m{uuid4().hex}": "1"})}
    keys = {
        "plain": user.key(**mark),
        "sm4": user.key(**mark, KeySpec="Aliyun_SM4"),
        "curve": user.key(**mark, KeySpec="EC_P256"),
        "disabled": user.key(**mark),
        "pending": user.key(**mark),
        "waiting": user.key(**mark, Origin="EXTERNAL"),
    }
    user.ask("DisableKey", KeyId=keys["disabled"])
    user.ask("ScheduleKeyDeletion", KeyId=keys["pending"], PendingWindowInDays=7)
    alias = user.alias(keys["plain"])
    names = {key: name for name, key in keys.items()}
    marked = {"Key": "TagKey", "Values": [json.loads(mark["Tags"])[0]["TagKey"]]}

    def found(key: str, *values: str) -> set[str]:
        filters = json.dumps([marked, {"Key": key, "Values": values}])
        answer = user.ask("ListKeys", Filters=filters, PageSize=100)
        rows = [names[row["KeyId"]] for row in answer["Keys"]["Key"]]
        assert answer["TotalCount"] == len(rows)
        return set(rows)

    assert found("KeyState", "Enabled") == {"plain", "sm4", "curve"}
    assert found("KeyState", "PendingDeletion", "Disabled") == {"pending", "disabled"}
    assert found("KeyState", "PendingImport") == {"waiting"}
    assert found("KeySpec", "EC_P256", "Aliyun_SM4") == {"curve", "sm4"}
    assert found("KeyUsage", "SIGN/VERIFY") == {"curve"}
    assert found("AliasName", alias) == {"plain"}
    assert found("keyId", keys["sm4"], UNKNOWN_KEY) == {"sm4"}
    assert found("ProtectionLevel", "SOFTWARE") == found("CreatorType", "User") == set(keys)
    assert found("ProtectionLevel", "HSM") == found("CreatorType", "Service") == set()
    assert found("TagValue", "1") == set(keys)
    assert found("TagValue", "2") == set()


# -- policies ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guest(server: Server) -> Login:
    """A second credential, that its own policy allows everything."""
    return login(server, "--name", "guest")


def test_a_policy_reads_back_and_has_a_default(user: Alibaba) -> None:
    key = user.key()
    default = json.loads(user.ask("GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"])
    assert [row["Effect"] for row in default["Statement"]] == ["Allow"]
    text = policy("Deny", "Decrypt")
    user.ask("SetKeyPolicy", KeyId=key, Policy=text, PolicyName="default")
    assert user.ask("GetKeyPolicy", KeyId=key)["Policy"] == text
    assert user.ask("GetKeyPolicy", KeyId=user.key(Policy=text))["Policy"] == text


def test_a_policy_tells_two_credentials_apart(user: Alibaba, plain: Login, guest: Login) -> None:
    key = user.key()
    other = Alibaba(type(user.sdk)(guest))
    blob = user.blob(key)
    assert other.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO
    user.ask("SetKeyPolicy", KeyId=key, Policy=policy("Deny", "Decrypt", guest.access_key_id))
    with refused(other, "Forbidden.NoPermission", 403):
        other.ask("Decrypt", CiphertextBlob=blob)
    assert other.ask("Encrypt", KeyId=key, Plaintext=HELLO)["KeyId"] == key
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO
    locking = policy("Deny", "*", plain.access_key_id)
    with refused(user, *_BAD):  # it could not set another one
        user.ask("SetKeyPolicy", KeyId=key, Policy=locking)
    other.ask("SetKeyPolicy", KeyId=key, Policy=locking)
    for action in ("DescribeKey", "SetKeyPolicy"):
        with refused(user, "Forbidden.NoPermission", 403):
            user.ask(action, KeyId=key, **({"Policy": policy("Allow", "*")} if action == "SetKeyPolicy" else {}))
    assert other.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO


@pytest.mark.parametrize(
    "text", ["{}", "[]", "allow", policy("Allow", "!"), policy("Perhaps", "Encrypt"), policy("Allow", "*", "a b")]
)
def test_a_bad_policy_is_refused(user: Alibaba, text: str) -> None:
    key = user.key()
    before = user.ask("GetKeyPolicy", KeyId=key)["Policy"]
    with refused(user, *_BAD):
        user.ask("SetKeyPolicy", KeyId=key, Policy=text)
    with refused(user, *_BAD):
        user.ask("CreateKey", Policy=text)
    assert user.ask("GetKeyPolicy", KeyId=key)["Policy"] == before
    with refused(user, *_BAD):
        user.ask("GetKeyPolicy", KeyId=key, PolicyName="other")


# -- the service ---------------------------------------------------------------------------------------


def test_the_service_is_open(user: Alibaba) -> None:
    assert user.ask("OpenKmsService").keys() == {"RequestId"}
    assert user.ask("DescribeAccountKmsStatus")["AccountStatus"] == "Enabled"
    assert user.ask("DescribeRegions")["Regions"]["Region"] == [{"RegionId": "cn-hangzhou"}]
