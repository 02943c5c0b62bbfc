"""The rules of the house, read from the source. Each is a function from a checkout to what breaks it, one line each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

LAYER = "layers/tenantkms/python/tenantkms"
EVENTS = "layers/events/python/tenantkms_events"

# Rooms of the layer: each may import those that stand above it.
ROOMS = (
    "errors",
    "names",
    "crypto",
    "model",
    "parent",
    "store",
    "audit",
    "keys",
    "access",
    "action",
    "wire",
    "runtime",
)
# Modules of what events start: each may import those above it, and the rooms of the layer but wire.
EVENT_MODULES = tuple(
    "names errors log aws message actions table targets sealing rejected arrivals buckets objects assemble".split()
)
ORDERS = {LAYER: ROOMS, EVENTS: EVENT_MODULES}
OURS = (LAYER, EVENTS, "functions", "tkms")
EVENT_ADAPTERS = ("aws", "table", "targets", "buckets", "assemble")
# The functions that are of that layer; the others, and the endpoint, know nothing of it.
STARTED = ("seal_messages", "seal_objects")

MAX_LINES = 320
TABLES = {
    f"{LAYER}/wire/dialects/alibaba/operations.py": "the tables of one dialect",
    f"{LAYER}/errors.py": "a class for each failure, of two lines",
}

# What the domain logic needs of Python and of others; nothing of it talks to a network or knows a vendor.
ACTION_LIBRARIES = frozenset(
    "__future__ base64 collections contextlib dataclasses datetime enum functools hashlib hmac itertools math msgspec"
    " operator re secrets string struct time typing uuid cryptography".split()
)
AWS = ("boto3", "botocore", "s3transfer", "aiobotocore")
AWS_ADAPTERS = (
    "runtime.assemble",
    "runtime.lambda_entry",
    "runtime.invoke",
    "parent.aws_kms",
    "store.dynamodb",
    "store.dynamodb_table",
)
HANDS_ON: Mapping[str, str] = {
    f"{LAYER}/wire/signing/__init__.py": "what the schemes, one file each, have in common",
    f"{LAYER}/wire/dialects/__init__.py": "where dialects register",
}
VENDORS = re.compile(r"alibaba|aliyun|tencent|qcloud|amazon|\baws\b|boto|azure|google|huawei", re.IGNORECASE)

Rule = Callable[[Path], Iterator[str]]


class Import(NamedTuple):
    """One imported module. `lazy`: inside a function; `typing`: only for type checkers."""

    file: str
    line: int
    module: str
    lazy: bool
    typing: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"

    def of(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(package + ".") for package in packages)


parsed = cache(ast.parse)
"""Most files of a broken copy are those of the checkout."""


@cache
def packages() -> frozenset[str]:
    """Folders of modules: `from tenantkms.keys import cache` names one, `from tenantkms.errors import X` does not."""
    root = Path(__file__).parent.parent.parent
    found = [path.parent for folder in OURS for path in (root / folder).rglob("__init__.py")]
    return frozenset(_module(folder.relative_to(root).as_posix()) for folder in found)


def sources(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            yield path.relative_to(root).as_posix(), parsed(path.read_text("utf-8"))


def imports(file: str, tree: ast.AST, *, lazy: bool = False, typing: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(file, node.lineno, name.name, lazy, typing)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(file, node, lazy, typing)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from imports(file, node, lazy=lazy, typing=True)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(file, node, lazy=lazy or inside, typing=typing)


def _from(file: str, node: ast.ImportFrom, lazy: bool, typing: bool) -> Iterator[Import]:
    module = node.module or ""
    if node.level:
        package = file.removesuffix(".py").removesuffix("/__init__").split("/")
        package = package[: len(package) - node.level + file.endswith("/__init__.py")]
        module = ".".join([*package, *filter(None, [module])]).split(".python.")[-1]
    shallow = module in packages()
    for name in [f"{module}.{name.name}" for name in node.names] if shallow else [module]:
        yield Import(file, node.lineno, name, lazy, typing)


def all_imports(root: Path, *folders: str) -> Iterator[Import]:
    for file, tree in sources(root, *folders):
        yield from imports(file, tree)


def _module(file: str) -> str:
    """`tenantkms.wire.http` of its path."""
    return re.sub(r"^layers/\w+/python/", "", file).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


# -- rooms -----------------------------------------------------------------------------------------------


def imports_go_one_way(root: Path) -> Iterator[str]:
    """A room of a layer imports only rooms above it."""
    for layer, order in ORDERS.items():
        for found in all_imports(root, layer):
            if not found.of(Path(layer).name):
                continue
            here, there = (f"{module}.".split(".")[1] for module in (_module(found.file), found.module))
            if here and there:
                unknown = [name for name in (here, there) if name not in order]
                if unknown:
                    yield f"{found}: {unknown[0]} has no place in the order of rooms"
                elif order.index(there) > order.index(here):
                    yield f"{found}, which stands below it"


def events_stand_apart(root: Path) -> Iterator[str]:
    """What events start is imported by its own functions, the command and itself: the API does not grow by it."""
    for found in all_imports(root, LAYER, "functions"):
        if found.of("tenantkms_events", "aws_lambda_powertools") and found.file.split("/")[1] not in STARTED:
            yield str(found)
    for found in all_imports(root, EVENTS):
        if found.of("tenantkms.wire", "tenantkms.store", "tenantkms.keys", "tenantkms.parent"):
            yield f"{found}: keys are reached through the Actions only"


def no_room_has_a_circle(root: Path) -> Iterator[str]:
    """Inside a room, too, no module needs itself by way of others."""
    needs: dict[str, set[str]] = {}
    for found in all_imports(root, *OURS):
        needs.setdefault(_module(found.file), set()).add(found.module)
    graph = TopologicalSorter({module: {n for n in found if n in needs} for module, found in needs.items()})
    try:
        graph.prepare()
    except CycleError as error:
        yield f"a circle: {' imports '.join(reversed(error.args[1]))}"


def every_room_has_a_place(root: Path) -> Iterator[str]:
    """The order names what there is, and nothing else; a room has more than one file, and none has another's name."""
    for layer, order in ORDERS.items():
        there = {path.stem for path in (root / layer).glob("*.py")} | {
            path.parent.name for path in (root / layer).glob("*/__init__.py")
        }
        for name in sorted((there - {"__init__"}) ^ set(order)):
            yield f"{layer}/{name}: {'not in the order' if name in there else 'in the order, but not there'}"
    for room in sorted({path.parent for path in (root / LAYER).rglob("__init__.py")}):
        files = [path for path in room.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
        if len(files) < 3:
            yield f"{room.relative_to(root).as_posix()} has one file"


def docstring_says_the_order(root: Path) -> Iterator[str]:
    """A package's own docstring gives the same order."""
    for layer, order in ORDERS.items():
        text = ast.get_docstring(ast.parse((root / layer / "__init__.py").read_text("utf-8"))) or ""
        said = tuple(re.findall(r"^(\w+) {2,}\S", text, re.MULTILINE))
        if said != order:
            yield f"{layer}/__init__.py says {', '.join(said)}; the order is {', '.join(order)}"


def packages_say_nothing(root: Path) -> Iterator[str]:
    """What is imported is imported from where it is: an `__init__.py` hands nothing on."""
    for file, tree in sources(root, *OURS):
        if file.endswith("/__init__.py") and file not in HANDS_ON:
            for found in imports(file, tree):
                if found.of("tenantkms", "tenantkms_events", "functions", "tkms"):
                    yield str(found)


def tests_stand_in_rooms(root: Path) -> Iterator[str]:
    """Test modules stand in a room of `tests/`, and nothing but helpers in `tests/kit`."""
    for path in sorted((root / "tests").rglob("*.py")):
        where = path.relative_to(root / "tests").parts
        is_test, in_kit = path.name.startswith("test_"), where[0] == "kit"
        if is_test and (len(where) != 2 or in_kit):
            yield f"tests/{'/'.join(where)} stands in no room"
        if not (is_test or in_kit or path.name == "conftest.py"):
            yield f"tests/{'/'.join(where)} is no test: it belongs to tests/kit"


# -- who may import what ---------------------------------------------------------------------------------


def layer_knows_no_function(root: Path) -> Iterator[str]:
    for found in all_imports(root, LAYER, EVENTS):
        if found.of("functions", "tkms"):
            yield str(found)


def imports_are_plain_to_see(root: Path) -> Iterator[str]:
    """No import by a name that is put together; `functions/endpoint/dispatch.py` looks for Actions in this way."""
    for file, tree in sources(root, LAYER, EVENTS, "functions"):
        for node in ast.walk(tree):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            hidden = called.rpartition(".")[2] in ("import_module", "__import__")
            if hidden and file != "functions/endpoint/dispatch.py":
                yield f"{file}:{node.lineno} imports by {called}"
        for found in imports(file, tree):
            if found.module == "tenantkms" and not file.endswith("tenantkms/__init__.py"):
                yield f"{found} as a whole"


def wire_is_the_endpoint_s(root: Path) -> Iterator[str]:
    """Besides `wire` itself only functions/endpoint and tkms import it."""
    for found in all_imports(root, "functions", LAYER):
        allowed = found.file.startswith(("functions/endpoint/", f"{LAYER}/wire/"))
        if found.of("tenantkms.wire") and not allowed:
            yield str(found)


def actions_know_only_the_domain(root: Path) -> Iterator[str]:
    """functions/<action> imports the layer without `wire`, harmless libraries, itself, and nothing else."""
    for found in all_imports(root, "functions"):
        folder = found.file.split("/")[1]
        if folder in ("endpoint", "__init__.py"):
            continue
        entry = found.of("tenantkms.runtime.lambda_entry")
        own = entry or (found.of("tenantkms") and not found.of("tenantkms.wire", "tenantkms.runtime"))
        own = own or (folder in STARTED and found.of("os", "tenantkms_events", "aws_lambda_powertools"))
        if not own and not found.of(f"functions.{folder}", *ACTION_LIBRARIES):
            yield str(found)


def aws_is_loaded_late(root: Path) -> Iterator[str]:
    """boto3 and botocore: only in the AWS adapters, inside functions; their exceptions anywhere in these."""
    adapters = {f"tenantkms.{name}" for name in AWS_ADAPTERS} | {"tkms.stack.stack", "tkms.moving.aws"}
    adapters |= {f"tenantkms_events.{name}" for name in EVENT_ADAPTERS}
    for found in all_imports(root, *OURS):
        if not found.of(*AWS) or found.typing:
            continue
        if _module(found.file) not in adapters:
            yield f"{found}: only {', '.join(AWS_ADAPTERS)} may"
        elif not found.lazy and not found.of("botocore.exceptions"):
            yield f"{found} when it is loaded itself"


def errors_know_no_vendor(root: Path) -> Iterator[str]:
    """errors.py has no vendor's word and no HTTP status."""
    path = root / LAYER / "errors.py"
    text = path.read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        for word in VENDORS.findall(line):
            yield f"errors.py:{number} says {word}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and type(node.value) is int and 100 <= node.value < 600:
            yield f"errors.py:{node.lineno} has the status {node.value}"


def files_are_short(root: Path) -> Iterator[str]:
    for file, _ in sources(root, *OURS):
        lines = len((root / file).read_text("utf-8").splitlines())
        if lines >= MAX_LINES and file not in TABLES:
            yield f"{file} has {lines} lines: split it by subject"


RULES: tuple[Rule, ...] = (
    imports_go_one_way,
    events_stand_apart,
    no_room_has_a_circle,
    every_room_has_a_place,
    docstring_says_the_order,
    packages_say_nothing,
    tests_stand_in_rooms,
    layer_knows_no_function,
    imports_are_plain_to_see,
    wire_is_the_endpoint_s,
    actions_know_only_the_domain,
    aws_is_loaded_late,
    errors_know_no_vendor,
    files_are_short,
)
