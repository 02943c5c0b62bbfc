"""ARNs as names of keys, in every dialect: which name keys here, and what those of elsewhere are answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from kit.catalogue import Params, flatten, prepare
from kit.support import Kms
from tenantkms import errors as e
from tenantkms.model.key import KeyFilter
from tenantkms.wire.arns import Arns
from tenantkms.wire.dialects import DIALECTS

ARNS: dict[str, Arns] = {name: dialect.arns for name, dialect in DIALECTS.items() if dialect.arns}
ELSEWHERE = {"region": ("us-east-1", ""), "account": ("", "111122223333"), "both": ("us-east-1", "111122223333")}
LISTS = {"ResourceId": "ResourceId.1"}
NOT_FOUND = {
    ("alibaba", e.KeyNotFound): "Forbidden.KeyNotFound",
    ("alibaba", e.ResourceNotFound): "InvalidResourceId.NotFound",
    ("aws", e.KeyNotFound): "NotFoundException",
}


def home_of(kms: Kms, place: str) -> str:
    site = kms.settings.site
    region, account = ELSEWHERE.get(place, ("", ""))
    return f"{region or site.region}:{account or site.account}"


def as_arn(dialect: str, home: str, ref: str) -> str:
    """`ref` (an id, `key/<id>`, `alias/<name>` or an ARN) as an ARN of `home`, `<region>:<account>`."""
    name = ref.rpartition(":")[2]
    return f"{ARNS[dialect].services[0]}:{home}:{name if '/' in name else f'key/{name}'}"


def send(kms: Kms, dialect: str, operation: str, params: Params) -> tuple[str, dict[str, Any]]:
    """(the code of a refusal, "" for a success; the answer)"""
    if dialect == "aws":
        answer = kms.aws(operation, **params)
        return answer.get("__type", ""), answer
    answer = kms.alibaba(operation, **flatten(params))
    return answer.get("Code", ""), answer


def with_site(kms: Kms, *other_arns: str) -> Kms:
    site = replace(kms.settings.site, other_arns=other_arns)
    return Kms(replace(kms.settings, site=site), kms.signer)


def naming(dialect: str) -> Iterator[tuple[str, str]]:
    """Each operation, with each of its parameters that may be an ARN."""
    for name, operation in DIALECTS[dialect].operations.items():
        wires = operation.wires.union(*(variant.wires for variant in operation.variants.values()))
        yield from ((name, wire) for wire in sorted(wires & ARNS[dialect].refs.keys()))


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("dialect", ARNS)
def test_an_arn_of_elsewhere_names_no_key(dialect: str, place: str, kms: Kms) -> None:
    """In no operation, whatever its parameter is called; and nothing is changed."""
    tenant, store = prepare(kms), kms.settings.deps.keyring.store
    state = lambda: (store.list_keys(KeyFilter(), now=0, offset=0, limit=9), store.list_aliases(offset=0, limit=9))  # noqa: E731
    before = state()
    for operation, wire in naming(dialect):
        for ref in (tenant.key_id, tenant.alias):
            arn = as_arn(dialect, home_of(kms, place), ref)
            code, answer = send(kms, dialect, operation, {LISTS.get(wire, wire): arn})
            assert code == NOT_FOUND[dialect, ARNS[dialect].refs[wire]], (operation, wire)
            assert dialect != "aws" or answer["message"] == f"Key '{arn}' does not exist"
    assert state() == before


@pytest.mark.parametrize("place", ["here", *ELSEWHERE])
@pytest.mark.parametrize("dialect", ARNS)
def test_an_arn_of_here_and_of_what_is_listed_names_a_key(dialect: str, place: str, kms: Kms) -> None:
    tenant, home = prepare(kms), home_of(kms, place)
    listing = with_site(kms, "eu-west-9:1", home) if place != "here" else kms
    own = as_arn(dialect, home_of(kms, "here"), tenant.key_id)
    for ref in (tenant.key_id, "alias/first"):
        params = {"KeyId": as_arn(dialect, home, ref), "Plaintext": "aGVsbG8="}
        code, made = send(listing, dialect, "Encrypt", params)
        assert not code
        code, told = send(listing, dialect, "DescribeKey", {"KeyId": params["KeyId"]})
        assert told["KeyMetadata"]["Arn"] == own  # whatever was asked, its own is answered
        back = {"CiphertextBlob": made["CiphertextBlob"]}
        assert send(kms, dialect, "Decrypt", back)[1]["Plaintext"] == "aGVsbG8="
    moves = {"CiphertextBlob": made["CiphertextBlob"], "DestinationKeyId": as_arn(dialect, home, tenant.other_id)}
    assert not send(listing, dialect, "ReEncrypt", moves)[0]
    near = {"KeyId": as_arn(dialect, f"{home}1", tenant.key_id), "Plaintext": "aGVsbG8="}
    assert send(listing, dialect, "Encrypt", near)[0] == NOT_FOUND[dialect, e.KeyNotFound]


def test_lists_and_protection_take_what_is_listed(kms: Kms) -> None:
    tenant, listing = prepare(kms), with_site(kms, home_of(kms, "both"))
    arns = [as_arn("alibaba", home_of(kms, "both"), key) for key in (tenant.key_id, tenant.other_id)]
    tags = {"ResourceType": "key", "Tag.1.Key": "a", "Tag.1.Value": "b", "ResourceId.1": tenant.key_id}
    tags["ResourceId.2"] = arns[1]
    assert send(kms, "alibaba", "TagResources", tags)[0] == "InvalidResourceId.NotFound"
    assert not send(listing, "alibaba", "TagResources", tags)[0]
    protects = {"ProtectedResourceArn": arns[0], "EnableDeletionProtection": "true"}
    assert send(kms, "alibaba", "SetDeletionProtection", protects)[0] == "Forbidden.KeyNotFound"
    assert not send(listing, "alibaba", "SetDeletionProtection", protects)[0]


@pytest.mark.parametrize("place", ["here", "both"])
def test_tencent_s_dialects_know_no_arn(place: str, kms: Kms) -> None:
    """Tencent's clients name keys by their ids only: an ARN of whatever vendor is none, and is refused as ever."""
    tenant = prepare(kms)
    home = home_of(kms, place)
    listing = with_site(kms, home_of(kms, "both"))
    for arn in (*(as_arn(dialect, home, tenant.key_id) for dialect in ARNS), f"qcs::kms:{home}:key/{tenant.key_id}"):
        assert listing.tencent("DescribeKey", KeyId=arn)["Error"]["Code"] == "InvalidParameterValue.InvalidKeyId"
        assert listing.tencent_v2("GetKeyAttributes", keyId=arn)["code"] == 4000


@pytest.mark.parametrize("place", ELSEWHERE)
def test_in_tencent_s_dialects_an_arn_of_elsewhere_is_not_found_either(place: str, kms: Kms) -> None:
    """In whatever parameter a key's id stands."""
    tenant, asked = prepare(kms), 0
    refs = {"KeyId", "KeyIds", "DestinationKeyId"}
    arns = [as_arn(dialect, home_of(kms, place), ref) for dialect in ARNS for ref in (tenant.key_id, tenant.alias)]
    for arn in arns:
        for name, operation in DIALECTS["tencent"].operations.items():
            for wire in operation.wires & refs:
                params = {"CiphertextBlob": "AAAA"} if name == "ReEncrypt" else {}
                answer = kms.tencent(name, **params, **{wire: [arn] if wire == "KeyIds" else arn})
                assert answer["Error"]["Code"] == "ResourceUnavailable.CmkNotFound", (name, wire)
                asked += 1
        for name, operation in DIALECTS["tencent-v2"].operations.items():
            if "keyId" in operation.wires:
                assert kms.tencent_v2(name, keyId=arn)["codeDesc"] == "ResourceNotFound", name
    assert asked > 100


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_parameter_that_takes_an_arn_is_asked_where_it_is_of(dialect: str) -> None:
    """A parameter that a table is given later is no way around the rule."""
    arns, key = DIALECTS[dialect].arns, "6f1e2d3c-1111-4222-8333-444455556666"
    taking: set[str] = set()
    refusing: set[str] = set()
    for service in ("arn:aws:kms", "acs:kms"):
        arn = f"{service}:eu-west-1:111122223333:key/{key}"
        for operation in DIALECTS[dialect].operations.values():
            for variant in (operation, *operation.variants.values()):
                for row in variant.params:
                    for value in (arn, [arn]):
                        try:
                            read = row.codec(row.wire, value)
                        except (e.KmsError, TypeError) as error:
                            refusing |= {row.wire} if isinstance(error, e.InvalidKeyId) else set()
                            continue
                        taking |= {row.wire} if read in (key, [key]) else set()
    assert taking == (set(arns.refs) if arns else set())
    assert arns or refusing == set(DIALECTS[dialect].no_arns.refs)


@pytest.mark.parametrize(
    ("listed", "regions"),
    [
        ((), ["cn-hangzhou"]),
        (
            ("cn-hangzhou:1", "cn-beijing:1", "cn-beijing:2", "ap-guangzhou:3"),
            ["cn-hangzhou", "cn-beijing", "ap-guangzhou"],
        ),
    ],
)
def test_the_regions_are_those_of_the_arns(listed: tuple[str, ...], regions: list[str], kms: Kms) -> None:
    listing = with_site(kms, *listed)
    told = listing.alibaba("DescribeRegions")["Regions"]["Region"]
    assert [row["RegionId"] for row in told] == listing.tencent("GetRegions")["Regions"] == regions
    arn = kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["Arn"]
    assert re.fullmatch(rf"acs:kms:{regions[0]}:[0-9]{{12}}:key/[0-9a-f-]{{36}}", arn)
