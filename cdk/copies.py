"""Stacks that differ in their tenants' names and the like are synthesized once, and written for each tenant.

`gather` puts one `Shape` in place of tenants whose entries differ in the fields of `_PLAIN`, their names and the values
of tags only, all of which stand in a template as they are. Its prototype is synthesized as any tenant is, with values
that stand nowhere else; `write` replaces them in what was written. What comes out is what a synthesis of each writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cdk.tenants import Tenant

_NAME = "q7z0x4k9w2j6v"
_LONGEST = 18
"""Letters of a name of which nothing is cut off anywhere (`Tenant.made_prefix`)."""
_PLAIN: Mapping[str, str] = {
    "account": "918273645546",
    "domain": f"{_NAME}.example.net",
    "certificate": f"arn:aws:acm:{_NAME}:certificate",
}
_TAG = f"{_NAME} tag "


class Shape(Struct, frozen=True):
    """Tenants that have one template, but for what stands in it of `prototype`."""

    prototype: Tenant
    tenants: tuple[Tenant, ...]


def gather(tenants: Sequence[Tenant]) -> tuple[list[Tenant], list[Shape]]:
    """Those that are synthesized themselves, and the shapes of all others."""
    groups: dict[bytes, list[Tenant]] = {}
    for tenant in tenants:
        # The id of a snapshot's version is a digest of the function, its name among it; a standby names its tables.
        own = tenant.snapstart or tenant.standby or len(tenant.name) > _LONGEST
        groups.setdefault(msgspec.json.encode(tenant if own else _prototype(tenant)), []).append(tenant)
    alone = [group[0] for group in groups.values() if len(group) == 1]
    several = [group for group in groups.values() if len(group) > 1]
    return alone, [Shape(_prototype(group[0], number), tuple(group)) for number, group in enumerate(several)]


def _prototype(tenant: Tenant, number: int = 0) -> Tenant:
    plain = {field: value for field, value in _PLAIN.items() if getattr(tenant, field)}
    tags = {name: f"{_TAG}{number}." for number, name in enumerate(tenant.tags)}
    return replace(tenant, name=f"{_NAME}{number:05}", tags=tags, **plain)


def write(out: Path, shapes: Sequence[Shape]) -> None:
    """Put each shape's tenants in place of its prototype, in the assembly that was synthesized to `out`."""
    manifest = out / "manifest.json"
    content: dict[str, Any] = json.loads(manifest.read_text("utf-8"))
    artifacts = content["artifacts"]
    for shape in shapes:
        stack = shape.prototype.stack
        own = {name: artifacts.pop(name) for name in (f"{stack}.assets", stack)}
        files = {kind: out / f"{stack}.{kind}.json" for kind in ("template", "assets", "metadata")}
        texts = {kind: path.read_text("utf-8") for kind, path in files.items()}
        texts["manifest"] = json.dumps(own, ensure_ascii=False)
        digest = hashlib.sha256(files["template"].read_bytes()).hexdigest()
        paths = [tuple(path.strip("/").split("/")) for path in json.loads(texts["metadata"])]
        whole = texts["metadata"] + texts["template"]
        named = [path for path in _with_parents(paths) if _unique(path) in whole]
        for tenant in shape.tenants:
            swap = _swap(shape.prototype, tenant, paths, named)
            template = swap(texts["template"]).encode()
            Path(out, f"{tenant.stack}.template.json").write_bytes(template)
            Path(out, f"{tenant.stack}.metadata.json").write_text(swap(texts["metadata"]), "utf-8")
            # Where the template is uploaded to is its digest, in the manifest and among the assets.
            now = hashlib.sha256(template).hexdigest()
            assets, artifact = (swap(texts[kind]).replace(digest, now) for kind in ("assets", "manifest"))
            Path(out, f"{tenant.stack}.assets.json").write_text(assets, "utf-8")
            artifacts |= json.loads(artifact)
        for path in files.values():
            path.unlink()
    manifest.write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")


def _swap(
    prototype: Tenant, tenant: Tenant, paths: Sequence[tuple[str, ...]], named: Sequence[tuple[str, ...]]
) -> Callable[[str], str]:
    """What replaces all that is of the prototype, in JSON, by what is the tenant's.

    `paths` are of constructs; the CDK has made names of `named`, which end with a digest of all of the path, and stand
    in the names of others.
    """
    pairs = {prototype.name: tenant.name}
    pairs |= {value: getattr(tenant, field) for field, value in _PLAIN.items() if getattr(tenant, field)}
    pairs |= {value: tenant.tags[name] for name, value in prototype.tags.items()}
    pairs = {old: json.dumps(new, ensure_ascii=False)[1:-1] for old, new in pairs.items()}
    made = {_unique(path): _unique((tenant.stack, *path[1:])) for path in named}
    pairs |= made
    for path in paths:
        if any(old in part for part in path for old in made):
            pairs[_unique(path[1:])] = _unique([_replaced(part, made) for part in path[1:]])
    return lambda text: _replaced(text, pairs)


def _with_parents(paths: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    yield from {path[:length] for path in paths for length in range(2, len(path) + 1)}


def _replaced(text: str, pairs: Mapping[str, str]) -> str:
    """The longest that fits, where several do."""
    longest = sorted(pairs, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest)), lambda found: pairs[found[0]], text)


def _unique(path: Sequence[str]) -> str:
    """As the CDK makes a name of the ids on the way to a construct (`makeUniqueId` of aws-cdk-lib)."""
    parts = [part for part in path if part != "Default"]
    digest = hashlib.md5("/".join(parts).encode(), usedforsecurity=False).hexdigest()[:8].upper()
    kept: list[str] = []
    for part in parts:
        if not kept or not kept[-1].endswith(part):
            kept.append(part)
    shown = "".join(re.sub(r"[^A-Za-z0-9]", "", part) for part in kept if part != "Resource")
    return shown[:240] + digest
