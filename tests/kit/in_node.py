"""Functions of the explorer's modules, called in Node, whose WebCrypto is the browser's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cdk.node import NODE

STATIC = Path(__file__).parents[2] / "functions/endpoint/explorer/static"
_PROGRAM = """
const [url, name] = process.argv.slice(1);
const called = (await import(url))[name];
const { readFileSync } = await import("node:fs");
const answers = [];
for (const args of JSON.parse(readFileSync(0, "utf8"))) {
  try { answers.push({ ok: await called(...args) }); } catch (error) { answers.push({ error: String(error) }); }
}
process.stdout.write(JSON.stringify(answers));
"""


def call(module: str, function: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """What `function` of `module` answers to each of `calls`, in one process. What one throws is told as its text."""
    command = [str(NODE), "--input-type=module", "-e", _PROGRAM, (STATIC / module).as_uri(), function]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [answer.get("ok", answer.get("error")) for answer in json.loads(done.stdout)]


def exported(module: str, name: str) -> Any:
    """What `module` exports under `name`, which JSON can carry."""
    program = "process.stdout.write(JSON.stringify((await import(process.argv[1]))[process.argv[2]]))"
    command = [str(NODE), "--input-type=module", "-e", program, (STATIC / module).as_uri(), name]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def exported_of(module: Path, name: str, *beside: Path) -> Any:
    """As `exported`, of a module that is served with others `beside` it, wherever they rest."""
    with TemporaryDirectory() as folder:
        for path in (module, *beside):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        (Path(folder) / "package.json").write_text('{"type": "module"}', "utf-8")
        return exported(str(Path(folder) / module.name), name)
