"""Rules about what keys are called and told apart by: aliases, descriptions, tags, policies, listings."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from kit.campaign.codes import ALIBABA, TENCENT, TENCENT_V2
from kit.campaign.machine import ALIASES, ANY, DIALECTS, TWO, Machine, json_text
from kit.campaign.reference import RefKey

_PAGES = st.sampled_from([1, 3, 100])
_DENYING = json_text(
    {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Principal": {"RAM": ["*"]}, "Action": ["kms:*"], "Resource": ["*"]},
            {"Effect": "Deny", "Principal": {"RAM": ["*"]}, "Action": ["kms:Encrypt"], "Resource": ["*"]},
        ],
    }
)
_ALLOWING = json_text({"Version": "1", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*"}]})
_NUMBERS = {"Enabled": 1, "Disabled": 2, "PendingDeletion": 3, "PendingImport": 4, "Archived": 5}
_SERVICE = [
    (ALIBABA, "OpenKmsService"),
    (ALIBABA, "DescribeAccountKmsStatus"),
    (ALIBABA, "DescribeRegions"),
    (TENCENT, "GetServiceStatus"),
    (TENCENT, "GetRegions"),
    (TENCENT, "ListAlgorithms"),
]


class NameRules(Machine):
    # -- aliases --

    @rule(alias=ALIASES, number=ANY)
    def create_alias(self, alias: str, number: int) -> None:
        key = self.pick(number)
        name = self.name(ALIBABA, key, number)
        wrong = self.ref.create_alias(key, self.now, alias)
        self.ask(ALIBABA, "CreateAlias", wrong, KeyId=name, AliasName=f"alias/{alias}")

    @rule(alias=ALIASES, number=ANY)
    def update_alias(self, alias: str, number: int) -> None:
        key = self.pick(number)
        name = self.name(ALIBABA, key, number)
        wrong = self.ref.move_alias(key, self.now, alias)
        self.ask(ALIBABA, "UpdateAlias", wrong, KeyId=name, AliasName=f"alias/{alias}")

    @rule(alias=ALIASES)
    def delete_alias(self, alias: str) -> None:
        self.ask(ALIBABA, "DeleteAlias", self.ref.delete_alias(alias), AliasName=f"alias/{alias}")

    @rule(dialect=st.sampled_from([TENCENT, TENCENT_V2]), alias=ALIASES, number=ANY)
    def rename(self, dialect: str, alias: str, number: int) -> None:
        key = self.pick(number)
        wrong = self.ref.rename(key, self.now, alias)
        operation = "UpdateAlias" if dialect == TENCENT else "SetKeyAttributes"
        self.ask(dialect, operation, wrong, KeyId=key.id, Alias=alias)

    @rule(number=ANY, size=_PAGES)
    def list_aliases(self, number: int, size: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        page = {"PageSize": str(size), "PageNumber": "1"}
        answer = self.ask(ALIBABA, "ListAliasesByKeyId", wrong, KeyId=self.name(ALIBABA, key, number), **page)
        if not wrong:
            names = [row["AliasName"] for row in answer["Aliases"]["Alias"]]
            assert names == [f"alias/{alias}" for alias in sorted(key.aliases)[:size]]
        rows = self.ask(ALIBABA, "ListAliases", "", **page)
        everyone = sorted((alias, key.id) for key in self.ref.live for alias in key.aliases)
        found = [(row["AliasName"].removeprefix("alias/"), row["KeyId"]) for row in rows["Aliases"]["Alias"]]
        assert (rows["TotalCount"], found) == (len(everyone), everyone[:size])

    # -- descriptions, tags and policies --

    @rule(dialect=TWO, number=ANY, text=st.sampled_from(["", "first", "второе"]))
    def describe_anew(self, dialect: str, number: int, text: str) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "edit")
        self.ask(dialect, "UpdateKeyDescription", wrong, KeyId=self.name(dialect, key, number), Description=text)
        if not wrong:
            key.description = text

    @rule(numbers=st.lists(ANY, min_size=1, max_size=3), first=st.integers(0, 30), count=st.integers(1, 8))
    def tag(self, numbers: list[int], first: int, count: int) -> None:
        keys = list({key.id: key for key in map(self.pick, numbers)}.values())
        tags = {f"t{n}": str(count) for n in range(first, first + count)}
        wrong = self.ref.tag(keys, self.now, tags)
        if len(keys) == 1:
            listed = json_text([{"TagKey": name, "TagValue": value} for name, value in tags.items()])
            self.ask(ALIBABA, "TagResource", wrong, KeyId=keys[0].id, Tags=listed)
            return
        rows = enumerate(tags.items(), 1)
        flat = {f"Tag.{n}.{part}": text for n, row in rows for part, text in zip(("Key", "Value"), row, strict=True)}
        self.ask(ALIBABA, "TagResources", wrong, ResourceType="key", **_named(keys), **flat)

    @rule(numbers=st.lists(ANY, min_size=1, max_size=2), first=st.integers(0, 30), everything=st.booleans())
    def untag(self, numbers: list[int], first: int, everything: bool) -> None:
        keys = list({key.id: key for key in map(self.pick, numbers)}.values())
        names = {f"t{n}" for n in range(first, first + 10)}
        wrong = next((w for key in keys if (w := self.refused(key, "edit"))), "")
        if len(keys) == 1:
            everything = False
            self.ask(ALIBABA, "UntagResource", wrong, KeyId=keys[0].id, TagKeys=json_text(sorted(names)))
        else:
            what = {"All": "true"} if everything else {f"TagKey.{n}": name for n, name in enumerate(sorted(names), 1)}
            self.ask(ALIBABA, "UntagResources", wrong, ResourceType="key", **_named(keys), **what)
        for key in keys if not wrong else []:
            key.tags = {name: value for name, value in key.tags.items() if not everything and name not in names}

    @rule(number=ANY)
    def list_tags(self, number: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        one = self.ask(ALIBABA, "ListResourceTags", wrong, KeyId=self.name(ALIBABA, key, number))
        many = self.ask(ALIBABA, "ListTagResources", wrong, ResourceType="key", **{"ResourceId.1": key.id})
        if not wrong:
            assert {row["TagKey"]: row["TagValue"] for row in one["Tags"]["Tag"]} == key.tags
            assert {row["TagKey"]: row["TagValue"] for row in many["TagResources"]["TagResource"]} == key.tags

    @rule(number=ANY, deny=st.integers(0, 3).map(lambda n: n == 0))
    def set_policy(self, number: int, deny: bool) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "edit")
        policy = _DENYING if deny else _ALLOWING
        self.ask(ALIBABA, "SetKeyPolicy", wrong, KeyId=self.name(ALIBABA, key, number), Policy=policy)
        if not wrong:
            key.denied = frozenset({"Encrypt"} if deny else ())
            assert self.ask(ALIBABA, "GetKeyPolicy", "", KeyId=key.id)["Policy"] == policy

    # -- what is told of keys --

    @rule(dialect=DIALECTS, number=ANY)
    def describe(self, dialect: str, number: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        operation = "GetKeyAttributes" if dialect == TENCENT_V2 else "DescribeKey"
        answer = self.ask(dialect, operation, wrong, KeyId=self.name(dialect, key, number))
        if wrong:
            return
        told = answer["keyMetadata" if dialect == TENCENT_V2 else "KeyMetadata"]
        seen = key.seen_state(self.now)
        if dialect == ALIBABA:
            state = "Disabled" if seen == "Archived" else seen
            assert (told["KeyId"], told["KeyState"], told["Description"]) == (key.id, state, key.description)
            assert told["DeletionProtection"] == ("Enabled" if key.protected else "Disabled")
            self._told_version(key, told["PrimaryKeyVersion"])
            return
        told = {name[0].upper() + name[1:]: value for name, value in told.items()}
        state = "PendingDelete" if seen == "PendingDeletion" else seen
        assert (told["KeyId"], told["KeyState"], told["Description"]) == (key.id, state, key.description)
        assert told["Alias"] == (key.aliases[0] if key.aliases else "")
        assert told.get("DeletionDate", told.get("DeleteTime")) == key.deletion_date

    def _told_version(self, key: RefKey, version_id: str) -> None:
        """A version has one id for ever, and no other version has it."""
        gone = key.expired(self.now) or key.state == "PendingImport"
        assert bool(version_id) == (key.versions > 0 and not gone)
        if version_id:
            assert key.version_ids.setdefault(key.versions, version_id) == version_id
            assert len(set(key.version_ids.values())) == len(key.version_ids)

    @rule(numbers=st.lists(ANY, min_size=1, max_size=4))
    def describe_many(self, numbers: list[int]) -> None:
        keys = list({key.id: key for key in map(self.pick, numbers)}.values())
        wrong = next((w for key in keys if (w := self.refused(key, "any"))), "")
        answer = self.ask(TENCENT, "DescribeKeys", wrong, KeyIds=[key.id for key in keys])
        if not wrong:
            assert [row["KeyId"] for row in answer["KeyMetadatas"]] == [key.id for key in keys]
        status = self.ask(TENCENT, "GetKeyRotationStatus", self.refused(keys[0], "any"), KeyId=keys[0].id)
        if not keys[0].gone:
            assert status["KeyRotationEnabled"] == (keys[0].rotation > 0)

    @rule(number=ANY, size=_PAGES)
    def list_versions(self, number: int, size: int) -> None:
        key = self.pick(number)
        wrong = self.refused(key, "any")
        name = self.name(ALIBABA, key, number)
        listed: list[Any] = []
        page = 1
        while True:
            params = {"KeyId": name, "PageNumber": str(page), "PageSize": str(size)}
            answer = self.ask(ALIBABA, "ListKeyVersions", wrong, **params)
            if wrong or not answer["KeyVersions"]["KeyVersion"]:
                break
            listed += answer["KeyVersions"]["KeyVersion"]
            page += 1
        if wrong:
            return
        ids = [row["KeyVersionId"] for row in listed]
        assert answer["TotalCount"] == len(ids) == key.versions
        for version, version_id in key.version_ids.items():
            assert version > len(ids) or ids[version - 1] == version_id
        for row in listed[-1:]:
            told = self.ask(ALIBABA, "DescribeKeyVersion", "", KeyId=name, KeyVersionId=row["KeyVersionId"])
            assert told["KeyVersion"] == row

    @rule(dialect=DIALECTS, size=_PAGES)
    def list_keys(self, dialect: str, size: int) -> None:
        live = sorted(self.ref.live, key=lambda key: (key.created, key.id))
        if dialect == ALIBABA:
            answer = self.ask(ALIBABA, "ListKeys", "", PageNumber="1", PageSize=str(size))
            found = (answer["TotalCount"], [row["KeyId"] for row in answer["Keys"]["Key"]])
        elif dialect == TENCENT:
            live = [key for key in live if key.seen_state(self.now) not in ("PendingDeletion", "Archived")]
            answer = self.ask(TENCENT, "ListKeys", "", Limit=size)
            found = (answer["TotalCount"], [row["KeyId"] for row in answer["Keys"]])
        else:
            answer = self.ask(TENCENT_V2, "ListKey", "", Limit=str(size))
            found = (answer["totalCount"], [row["keyId"] for row in answer["keys"]])
        assert found == (len(live), [key.id for key in live[:size]])

    @rule(state=st.sampled_from(list(_NUMBERS)), size=_PAGES)
    def list_detail(self, state: str, size: int) -> None:
        params = {"KeyState": _NUMBERS[state], "KeyUsage": "ALL", "OrderType": 1, "Limit": size}
        answer = self.ask(TENCENT, "ListKeyDetail", "", **params)
        keys = [key for key in self.ref.live if key.seen_state(self.now) == state]
        ids = [key.id for key in sorted(keys, key=lambda key: (key.created, key.id))]
        assert (answer["TotalCount"], [row["KeyId"] for row in answer["KeyMetadatas"]]) == (len(ids), ids[:size])

    @rule(which=st.sampled_from(_SERVICE))
    def service(self, which: tuple[str, str]) -> None:
        self.ask(*which, "")


def _named(keys: list[RefKey]) -> dict[str, str]:
    return {f"ResourceId.{n}": key.id for n, key in enumerate(keys, 1)}
