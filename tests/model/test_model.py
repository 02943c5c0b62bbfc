"""Names, computed version ids and the filter of listings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.action_samples import rules
from kit.samples import key as sample_key
from tenantkms.errors import InvalidAlias, InvalidKeyId
from tenantkms.model.alias import check_alias
from tenantkms.model.key import KeyFilter, check_key_id
from tenantkms.model.profiles import PROFILES
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import version_id, version_number

ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
key_ids = st.uuids().map(str)
numbers = st.integers(1, 2**32 - 1)


# -- ids of versions -------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(key_ids, numbers)
def test_an_id_gives_its_number_back(key_id: str, number: int) -> None:
    name = version_id(key_id, number)
    assert check_key_id(name) == name
    assert UUID(name).version == 8
    assert UUID(name).variant == "specified in RFC 4122"
    assert version_number(key_id, name) == number


@settings(max_examples=200, deadline=None)
@given(key_ids, key_ids, numbers, numbers)
def test_ids_of_other_keys_and_numbers_are_others(one: str, other: str, number: int, more: int) -> None:
    same = (one, number) == (other, more)
    assert (version_id(one, number) == version_id(other, more)) is same
    if one != other:
        assert version_number(other, version_id(one, number)) is None


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=40), key_ids), st.integers(0, 35))
def test_what_is_not_an_id_of_the_key_has_no_number(text: str, position: int) -> None:
    assert version_number(ID, text) is None
    real = version_id(ID, 3)
    changed = real[:position] + ("0" if real[position] != "0" else "1") + real[position + 1 :]
    assert version_number(ID, changed) is None
    assert version_number(ID, real.upper()) is None


def test_version_0_has_no_id_that_counts() -> None:
    assert version_number(ID, version_id(ID, 0)) is None


def test_ids_stay_the_same_for_ever() -> None:
    assert version_id(ID, 1) == "8c8c36c0-1340-8abf-80bc-24c800000001"
    assert version_id(ID, 2**32 - 1) == "ea724f26-fcec-84f2-9829-a85effffffff"


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "A-z_0/9", "x" * 255, "-", "a//b", "acs/x", "a:b"])
def test_aliases(name: str) -> None:
    assert check_alias(name) == name


@pytest.mark.parametrize("name", ["", "x" * 256, "a b", "a\n", "é", "a.b", "a*", "\ud800", "a\0"])
def test_not_aliases(name: str) -> None:
    with pytest.raises(InvalidAlias):
        check_alias(name)


@pytest.mark.parametrize("name", [ID, ID.upper(), "00000000-0000-0000-0000-000000000000"])
def test_key_ids_are_uuids_in_lower_case(name: str) -> None:
    assert check_key_id(name) == name.lower()


@pytest.mark.parametrize(
    "name",
    ["", ID[:-1], ID + "0", ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", ID + "\n", "key/" + ID, ID[:-1] + "g"],
)
def test_not_key_ids(name: str) -> None:
    with pytest.raises(InvalidKeyId):
        check_key_id(name)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_other_text_is_refused_and_never_anything_else(text: str) -> None:
    for check, error in ((check_alias, InvalidAlias), (check_key_id, InvalidKeyId)):
        try:
            assert check(text) == (text if check is check_alias else text.lower())
        except error as refused:
            refused.message.encode("ascii")


# -- the filter ------------------------------------------------------------------------------------------

KEY = sample_key(
    1,
    state=KeyState.DISABLED,
    spec=KeySpec.SM4,
    creator="TKMSme",
    aliases=("app/db", "billing"),
    tags={"env": "prod", "team": "a"},
)
FIELDS: list[tuple[str, Any, Any]] = [
    # (field, a value that matches KEY, one that does not)
    ("states", {KeyState.DISABLED, KeyState.ENABLED}, {KeyState.ENABLED}),
    ("specs", {KeySpec.SM4}, {KeySpec.AES_256}),
    ("usages", {KeyUsage.ENCRYPT_DECRYPT}, {KeyUsage.SIGN_VERIFY}),
    ("origins", {Origin.KMS}, {Origin.EXTERNAL}),
    ("creators", {"x", "TKMSme"}, {"tkmsme"}),
    ("ids", {KEY.id}, {ID}),
    ("aliases", {"billing", "none"}, {"bill"}),
    ("alias_contains", "pp/d", "PP"),
    ("tags", [({"env"}, {"prod", "test"})], [({"env"}, {"test"})]),
    ("tags", [({"env"}, ())], [({"stage"}, ())]),
    ("tags", [((), {"prod"})], [((), {"env"})]),
    ("tags", [({"env"}, {"prod"}), ({"team"}, {"a"})], [({"env"}, {"prod"}), ({"team"}, {"b"})]),
    ("tags", [({"env", "team"}, {"a"})], [({"env"}, {"a"})]),
]


def a_filter(**fields: Any) -> KeyFilter:
    made = {
        name: tuple((frozenset(names), frozenset(values)) for names, values in value)
        if name == "tags"
        else (value if isinstance(value, str) else frozenset(value))
        for name, value in fields.items()
    }
    return KeyFilter(**made)


@pytest.mark.parametrize(("field", "match", "miss"), FIELDS)
def test_one_field(field: str, match: Any, miss: Any) -> None:
    assert a_filter(**{field: match}).matches(KEY, 0)
    assert not a_filter(**{field: miss}).matches(KEY, 0)


@pytest.mark.parametrize("field", ["states", "specs", "usages", "origins", "creators", "ids", "aliases"])
def test_a_field_that_allows_nothing_shows_nothing(field: str) -> None:
    assert not a_filter(**{field: ()}).matches(KEY, 0)


@pytest.mark.parametrize(("field", "_match", "miss"), FIELDS)
def test_every_field_must_match(field: str, _match: Any, miss: Any) -> None:
    all_match = {name: match for name, match, _ in FIELDS}
    assert a_filter(**all_match).matches(KEY, 0)
    assert not a_filter(**{**all_match, field: miss}).matches(KEY, 0)


@pytest.mark.parametrize("state", KeyState)
def test_expired_material_is_none_from_its_second_on(state: KeyState) -> None:
    imported = sample_key(1, origin=Origin.EXTERNAL, state=state, material_expires=100, deletion_date=50)
    expired = state if state is KeyState.PENDING_DELETION else KeyState.PENDING_IMPORT
    for_ever = sample_key(1, origin=Origin.EXTERNAL, state=state)
    for now, seen in ((99, state), (100, expired), (10**10, expired)):
        assert (imported.state_at(now), imported.expired(now)) == (seen, now >= 100)
        assert [s for s in KeyState if a_filter(states={s}).matches(imported, now)] == [seen]
        assert (for_ever.state_at(now), for_ever.expired(now)) == (state, False)


def test_no_filter_shows_every_key() -> None:
    assert KeyFilter().matches(KEY, 0)
    assert KeyFilter().matches(sample_key(2, aliases=(), tags={}), 0)


def test_a_key_without_aliases_or_tags_matches_no_filter_for_them() -> None:
    bare = sample_key(2, aliases=(), tags={})
    assert not a_filter(alias_contains="a").matches(bare, 0)
    assert not a_filter(aliases={"a"}).matches(bare, 0)
    assert not a_filter(tags=[((), ())]).matches(bare, 0)


# -- tables ----------------------------------------------------------------------------------------------


# What the providers document: D KeyDisabled, P KeyPendingDeletion, I KeyPendingImport, A KeyArchived,
# S StateConflict, N KeyNotPendingDeletion, - allowed; in the order Enabled, Disabled, PendingDeletion, PendingImport,
# Archived (which is Tencent's).
DOCUMENTED = {
    "Encrypt": "- D P I A",
    "Decrypt": "- D P I -",
    "GenerateDataKey": "- D P I A",
    "GenerateDataKeyPair": "- D P I A",
    "GenerateDataKeyWithoutPlaintext": "- D P I A",
    "AsymmetricSign": "- D P I A",
    "AsymmetricDecrypt": "- D P I -",
    "DeriveSharedSecret": "- D P I -",
    "UpdateRotationPolicy": "- D P I S",
    "DescribeKey": "- - - - -",
    "ListAliases": "- - - - -",
    "DeleteAlias": "- - - - -",
    "GetParametersForImport": "- - - - -",
    "DeleteKeyMaterial": "- - - - -",
    "EnableKey": "- - S S S",
    "DisableKey": "- - S S S",
    "ScheduleKeyDeletion": "- - S - -",
    "CancelKeyDeletion": "N N - N N",
    "CancelKeyArchive": "S S S S -",
    "CreateAlias": "- - S - -",
    "UpdateAlias": "- - P - -",
    "SetKeyAlias": "- - P - -",
    "UpdateKeyDescription": "- - P - -",
}
LETTERS = {
    "KeyDisabled": "D",
    "KeyPendingDeletion": "P",
    "KeyPendingImport": "I",
    "KeyArchived": "A",
    "StateConflict": "S",
    "KeyNotPendingDeletion": "N",
}


@pytest.mark.parametrize("action", DOCUMENTED)
def test_states_refuse_what_the_providers_document(action: str) -> None:
    row = rules()[action].refuses
    assert row is not None
    assert " ".join(LETTERS[row[state].__name__] if state in row else "-" for state in KeyState) == DOCUMENTED[action]


def test_limits_are_the_providers() -> None:
    assert {name: profile.plaintext_limit for name, profile in PROFILES.items()} == {
        "alibaba": 6144,
        "tencent": 4096,
        "tencent-v2": 4096,
        "aws": 4096,
        "native": 6144,
    }
    assert {name: profile.context_limit for name, profile in PROFILES.items()} == {
        "alibaba": 8192,
        "tencent": 1024,
        "tencent-v2": 1024,
        "aws": 8192,
        "native": 8192,
    }
