"""Mutants of what signs, allows and seals, and whether a test notices each: `make mutants`, docs/verification.md.

Each mutant is a module with one change (cosmic-ray's operators, and two of our own below). A process that has loaded
everything but this project is forked for it, reads the changed text in place of the file, which stays as it is, and
runs the module's own tests, then the rest of its room's. A failed test kills it, and so does a run five times as long.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import gc
import importlib
import importlib.abc
import importlib.machinery
import os
import random
import re
import resource
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import NamedTuple

import parso
import pytest
from cosmic_ray.mutating import MutationVisitor, mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names
from hypothesis import Phase, settings
from parso.python.tree import IfStmt, PythonNode
from parso.python.tree import Operator as Sign
from parso.tree import NodeOrLeaf

ROOT = Path(__file__).parent.parent
LAYER = ROOT / "layers/tenantkms/python"
LAST = ROOT / "build/mutants.txt"
"""The mutants that survived the last run."""
Span = tuple[tuple[int, int], tuple[int, int]]
"""Line and column, of the first character and behind the last."""


class Subject(NamedTuple):
    """`tests`: files of tests, tried one after the other until one fails. `only`: names of what is changed, of what
    stands at the top of the module; all of it if there are none."""

    tests: str
    only: str = ""


_SIGNED = "test_signed_parts test_signed_parameters test_claims test_signatures"
_PARSED = (
    "test_signed_parts test_signed_parameters test_translate test_signatures ../endpoint/test_dispatch"
    " ../endpoint/test_requests"
)
_FORMS = "parameters _parameters _parse DIALECT COMMON VERSION LEGACY_PATH _CONTEXTS _LISTS _JSON_TYPES"
MODULES = {
    "crypto/envelope.py": Subject("test_envelope test_negative_vectors"),
    "crypto/streaming.py": Subject("test_streaming"),
    "crypto/sealed.py": Subject("test_sealed"),
    "crypto/context.py": Subject("test_context test_envelope"),
    "wire/signing/__init__.py": Subject(_SIGNED),
    "wire/signing/alibaba_acs.py": Subject(_SIGNED),
    "wire/signing/alibaba_rpc.py": Subject(_SIGNED),
    "wire/signing/tencent_tc3.py": Subject(_SIGNED),
    "wire/signing/tencent_v1.py": Subject(_SIGNED),
    "access/policy.py": Subject("test_policy test_vocabulary test_limits test_conditions"),
    "access/grants.py": Subject("test_grants"),
    "access/iam.py": Subject("test_iam"),
    "access/key_policy.py": Subject("test_key_policy test_iam test_vocabulary test_conditions"),
    "access/ram.py": Subject("test_key_policy test_vocabulary test_conditions"),
    "access/translation.py": Subject("test_iam"),
    "access/conditions.py": Subject("test_vocabulary test_conditions"),
    "access/operators.py": Subject("test_vocabulary test_conditions"),
    "access/patterns.py": Subject("test_policy test_key_policy test_vocabulary test_conditions"),
    "access/gains.py": Subject("test_policy test_key_policy test_conditions"),
    "wire/http.py": Subject(
        "test_signed_parts ../endpoint/test_one_meaning test_parse",
        "OWS _PRINTABLE _AUTHENTICATING _AUTHENTICATING_PREFIXES settle _authenticates check_headers Remembered",
    ),
    "wire/dialects/alibaba/protocol.py": Subject(_PARSED, _FORMS),
    "wire/dialects/tencent/protocol.py": Subject(_PARSED, _FORMS),
    "wire/dialects/tencent_v2/protocol.py": Subject(_PARSED, _FORMS),
}


def tests(module: str) -> list[str]:
    """The paths of a module's tests."""
    room = Path("tests", module.partition("/")[0])
    return [os.path.normpath(room / f"{name}.py") for name in MODULES[module].tests.split()]


# -- what is changed --------------------------------------------------------------------------------------


def _span(node: NodeOrLeaf) -> Span:
    return node.start_pos, node.end_pos


class Decide(Operator):
    """A condition that is always false or true, a part of `and` or `or` left out, an `except` that catches nothing."""

    def mutation_positions(self, node: NodeOrLeaf) -> list[Span]:
        return [_span(node.children[index]) for index, _ in self._changes(node)]

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        at, text = [*self._changes(node)][index]
        if text:
            node.children[at] = parso.parse(f" {text}")
        else:
            del node.children[max(at - 1, 0) : max(at - 1, 0) + 2]  # with the word that joins it
        return node

    @staticmethod
    def _changes(node: NodeOrLeaf) -> Iterator[tuple[int, str]]:
        if isinstance(node, IfStmt):
            conditions = [at + 1 for at, child in enumerate(node.children) if child in ("if", "elif")]
        elif isinstance(node, PythonNode) and node.type == "test":
            conditions = [2]
        elif node.type in ("comp_if", "sync_comp_if"):
            conditions = [1]
        else:
            conditions = []
        yield from ((at, value) for at in conditions for value in ("False", "True"))
        if node.type == "except_clause":
            yield 1, "()"
        if node.type in ("and_test", "or_test"):
            yield from ((at, "") for at in range(0, len(node.children), 2))

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class Forget(Operator):
    """A set, dictionary or tuple of several without one of them."""

    def mutation_positions(self, node: NodeOrLeaf) -> list[Span]:
        return [_span(node.children[start]) for start, _ in self._members(node)]

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        start, end = [*self._members(node)][index]
        del node.children[start:end]
        if "," not in node.children and node.type == "testlist_comp":
            node.children.append(Sign(",", (0, 0)))  # a tuple of one
        return node

    @staticmethod
    def _members(node: NodeOrLeaf) -> Iterator[tuple[int, int]]:
        display = node.type == "dictorsetmaker" or (node.type == "testlist_comp" and node.parent.children[0] == "(")
        if not display or any(child.type in ("comp_for", "sync_comp_for") for child in node.children):
            return
        start = 0
        for at, child in enumerate(node.children):
            if child == ",":
                yield start, at + 1
                start = at + 1
        if start < len(node.children):
            yield start, len(node.children)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


_KEPT = re.compile(
    r"ReplaceComparisonOperator_(Eq_(NotEq|LtE|GtE)|NotEq_(Eq|Lt|Gt)|Lt_(LtE|GtE)|LtE_(Lt|Gt)|Gt_(GtE|LtE)|GtE_(Gt|Lt))"
    r"|ReplaceComparisonOperator_(Is_IsNot|IsNot_Is)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_FloorDiv|FloorDiv_Mul|Mod_FloorDiv|BitOr_BitAnd|BitAnd_BitOr|Pow_Mul)"
    r"|ReplaceUnaryOperator_(Delete_Not|USub_UAdd)|Replace(True|False|And|Or|Break|Continue)With[A-Z].*"
    r"|NumberReplacer|RemoveDecorator|ZeroIterationForLoop"
)
"""Of cosmic-ray's. Left out are those that others imply, and `ExceptionReplacer`, which fails on dotted names."""
OPERATORS: dict[str, type[Operator]] = {
    **{name: get_operator(path) for path in operator_names() if _KEPT.fullmatch(name := path.rpartition("/")[2])},
    "Decide": Decide,
    "Forget": Forget,
}


_SAME = re.compile(r"frozen=\w+|@(lru_cache|remembered).*\n|\s")
"""What changes no answer: nothing assigns to what is frozen, and what is remembered is only found sooner."""


class Mutant(NamedTuple):
    """`text`: of the whole module; `name`: file, operator, how manieth of it."""

    name: str
    module: str
    text: str


class _Finder(MutationVisitor):
    """Whether each place where an operator can change something is skipped: annotations, which nothing reads while it
    runs, and what is not among the names `only`, if there are any."""

    def __init__(self, operator: Operator, only: list[str]) -> None:
        super().__init__(-1, operator)
        self._only = only
        self.skipped: list[bool] = []

    def visit(self, node: NodeOrLeaf) -> NodeOrLeaf:
        for _ in self.operator.mutation_positions(node):
            self.skipped.append(_declares(node) or (bool(self._only) and _top(node) not in self._only))
        return node


def _top(node: NodeOrLeaf) -> str:
    """The name of what a node is of, at the top of its module."""
    while node.parent is not None and node.parent.type != "file_input":
        node = node.parent
    words: list[str] = re.findall(r"\w+", node.get_code(include_prefix=False))
    return words[1] if words[0] in ("def", "class") else words[0]


def _declares(node: NodeOrLeaf) -> bool:
    """Whether a node is of an annotation, or stands between parameters."""
    while node.parent is not None:
        node, child = node.parent, node
        if node.type == "parameters" and child.type != "param":
            return True
        if node.type == "tfpdef" or (node.type == "annassign" and child is node.children[1]):
            return True
        if node.type == "funcdef" and child.type not in ("suite", "parameters"):
            return True
    return False


def mutants(module: str, wanted: Callable[[str], bool]) -> Iterator[Mutant]:
    """The mutants of a module that Python can read, of those whose names are `wanted`."""
    text = (LAYER / "tenantkms" / module).read_text()
    for operator_name, operator in OPERATORS.items():
        finder = _Finder(operator(), MODULES[module].only.split())
        finder.walk(parso.parse(text))
        for number, skipped in enumerate(finder.skipped):
            name = f"{module} {operator_name} {number}"
            if skipped or not wanted(name):
                continue
            changed = mutate_code(text, operator(), number)
            if changed is not None and _SAME.sub("", changed) != _SAME.sub("", text) and _compiles(changed):
                yield Mutant(name, module, changed)


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def difference(mutant: Mutant) -> str:
    """The lines that differ, with the first one's number."""
    text = (LAYER / "tenantkms" / mutant.module).read_text()
    lines = [*difflib.unified_diff(text.split("\n"), mutant.text.split("\n"), lineterm="", n=0)][2:]
    return "\n".join(f"    {line}" for line in lines)


# -- whether a test notices -------------------------------------------------------------------------------


class _Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Loads a mutant in place of its module's file."""

    def __init__(self, mutant: Mutant) -> None:
        path = LAYER / "tenantkms" / mutant.module
        name = ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(path))
        self._text = mutant.text

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        inside = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return spec_from_file_location(name, self.path, loader=self, submodule_search_locations=inside)

    def get_code(self, _name: str) -> types.CodeType:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return compile(self._text, self.path, "exec", dont_inherit=True)


_PYTEST = (
    *"-q --tb=short -p no:cacheprovider -p no:xdist -p no:unraisableexception".split(),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # that plugins of pytest are loaded already is the point
)


def passes(file: str, mutant: Mutant | None, cpu_seconds: float) -> bool:
    """Whether the tests of a file pass, with a mutant in place if there is one, in a process of their own."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_seconds), int(cpu_seconds)))
            signal.alarm(int(10 * cpu_seconds))  # what waits needs no CPU
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(2, 1)
            if mutant is not None:
                os.dup2(nothing, 1)
                os.dup2(nothing, 2)
                sys.meta_path.insert(0, _Changed(mutant))
            code = pytest.main(["-x", *_PYTEST, file])
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what a test had started when it was ended
    return status == 0


def _limit(file: str) -> float:
    """The CPU seconds that a mutant has for the tests of a file, which must pass without one."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    if not passes(file, None, 600):
        raise SystemExit(f"{file} fails without any mutant")
    return 10 + 5 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)


def preload(files: Iterable[str]) -> None:
    """Load what files of tests load but this project."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        pytest.main(["--collect-only", *_PYTEST, *files])
        with os.fdopen(writing, "w") as out:
            for name, module in sys.modules.items():
                file = Path(getattr(module, "__file__", None) or "")
                if not file.is_relative_to(ROOT) or "site-packages" in file.parts:
                    print(name, file=out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as names, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names.read().splitlines():
            if name.partition(".")[0] not in ("tests", "tenantkms"):  # names of folders
                with contextlib.suppress(Exception):  # what stands in no file of that name
                    importlib.import_module(name)
    os.waitpid(child, 0)
    assert "tenantkms" not in sys.modules, "a mutant would not be seen"
    gc.collect()
    gc.freeze()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help=f"beginnings of their names (default: all of {', '.join(MODULES)})")
    parser.add_argument("--sample", type=float, default=1, help="the part of them that is tried (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="only those that survived the last run")
    parser.add_argument("--list", action="store_true", help="show them, and run nothing")
    args = parser.parse_args()
    chosen = [name for name in MODULES if not args.modules or name.startswith(tuple(args.modules))]
    lasted = LAST.read_text().splitlines() if args.again else []
    draw = random.Random(args.seed)
    all_ = {
        module: [*mutants(module, lambda name: draw.random() < args.sample and (not args.again or name in lasted))]
        for module in chosen
    }
    if args.list:
        for mutant in (mutant for of in all_.values() for mutant in of):
            print(mutant.name, difference(mutant), sep="\n")
        raise SystemExit(f"{sum(map(len, all_.values()))} mutants")

    # The same inputs each time, and none made smaller: that it fails is enough.
    settings.register_profile(
        "mutants", derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate]
    )
    settings.load_profile("mutants")
    os.chdir(ROOT)
    sys.dont_write_bytecode = False  # or each process compiles all of it
    files = sorted({file for module in chosen for file in tests(module)})
    preload(files)
    limits: dict[str, float] = {}
    LAST.parent.mkdir(exist_ok=True)
    print("| module | mutants | killed | | seconds |\n|---|---:|---:|---:|---:|", flush=True)
    with LAST.open("w") as survivors:
        for module, of in all_.items():
            start, killed = time.perf_counter(), 0
            for file in (file for file in tests(module) if file not in limits):
                limits[file] = _limit(file)
            for mutant in of:
                if not all(passes(file, mutant, limits[file]) for file in tests(module)):
                    killed += 1
                    continue
                print(mutant.name, file=survivors, flush=True)
                print(mutant.name, difference(mutant), sep="\n", file=sys.stderr, flush=True)
            share = f"{killed / len(of):.1%}" if of else ""
            print(f"| {module} | {len(of)} | {killed} | {share} | {time.perf_counter() - start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
