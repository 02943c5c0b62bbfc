"""What a dialect requires is what its vendor requires: SDKs leave out the rest, and no program is told to send it.

The vendors' own words: AWS's model in botocore, the comments of Alibaba's models, and the model that tccli comes with.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from alibabacloud_kms20160120 import models

from kit.sdk_programs import CLIENTS
from tenantkms.wire.dialects import DIALECTS

REQUIRED_HERE = {
    ("alibaba", "TagResource", "KeyId"): "the vendor's may be a SecretName or a CertificateId instead",
    ("alibaba", "UntagResource", "KeyId"): "the same",
    ("aws", "CreateGrant", "GranteePrincipal"): "the vendor's may be a GranteeServicePrincipal instead",
    ("aws", "ListRetirableGrants", "RetiringPrincipal"): "the vendor's may be a RetiringServicePrincipal instead",
    ("aws", "Decrypt", "CiphertextBlob"): "the vendor's may be left out of a DryRun",
    ("aws", "ReEncrypt", "CiphertextBlob"): "the same",
    ("aws", "GenerateRandom", "NumberOfBytes"): "the vendor's page says that it is required, its model does not",
}
OPTIONAL_HERE = {
    ("alibaba", "ImportKeyMaterial", "KeyMaterialExpireUnix"): "@alicloud/kms-sdk leaves it out",
    **{
        ("alibaba", action, "RegionId"): "the client is pointed here by its host"
        for action in ("TagResources", "UntagResources", "ListTagResources")
    },
}


def _aws(operation: str) -> set[str]:
    shape = botocore.session.get_session().get_service_model("kms").operation_model(operation).input_shape
    return set(shape.required_members) if shape else set()


def _alibaba(operation: str) -> set[str]:
    """The parameters whose comment says so. A list's name on the wire is the attribute's, in capitals."""
    model = getattr(models, f"{operation}Request", None)
    source = inspect.getsource(model) if model else ""  # an operation without parameters has none
    wires = dict(re.findall(r"if self\.(\w+) is not None:\s+result\['([\w.]+)'\]", source))
    said = re.findall(r"This parameter is required\.(?:\s+#[^\n]*)*\s+self\.(\w+) =", source)
    return {wires.get(name, name.title()) for name in said}


def _tencent(operation: str) -> set[str]:
    (file,) = CLIENTS.glob("lib/*/site-packages/tccli/services/kms/v20190118/api.json")
    members: list[dict[str, Any]] = json.loads(file.read_text())["objects"][f"{operation}Request"]["members"]
    return {str(member["name"]) for member in members if member.get("required")}


VENDORS: dict[str, Callable[[str], set[str]]] = {"alibaba": _alibaba, "aws": _aws, "tencent": _tencent}


def _differences(dialect: str) -> Iterator[tuple[tuple[str, str, str], bool]]:
    """(dialect, operation, parameter) of each that only one of both requires, and whether that is this service."""
    for name, operation in DIALECTS[dialect].operations.items():
        here, there = {param.wire for param in operation.params if param.required}, VENDORS[dialect](name)
        yield from (((dialect, name, wire), wire in here) for wire in here ^ there)


@pytest.mark.parametrize("dialect", VENDORS)
def test_what_is_required_here_is_required_at_the_vendor(dialect: str) -> None:
    found = dict(_differences(dialect))
    known = {**dict.fromkeys(REQUIRED_HERE, True), **dict.fromkeys(OPTIONAL_HERE, False)}
    assert found == {key: here for key, here in known.items() if key[0] == dialect}
