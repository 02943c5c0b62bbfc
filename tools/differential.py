"""Our verifiers against the vendors' own signers: `make differential`, the table of docs/verification.md.

For each SDK so many random requests, and one change of each in one byte. The seed is the time unless it is given.
"""

from __future__ import annotations

import argparse
import time
import warnings

from kit.differential import SIGNINGS, Disagreement, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="requests of each SDK (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random requests")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # the SDKs' own
    print(f"seed {args.seed}\n\n| signed by | read as given | changed, refused | changed, the same meaning | seconds |")
    print("|---|---:|---:|---:|---:|")
    for name in SIGNINGS:
        start = time.perf_counter()
        try:
            tally = compare(name, args.count, args.seed)
        except Disagreement as found:
            raise SystemExit(f"{name} disagrees: {found}") from found
        took = time.perf_counter() - start
        print(f"| {name} | {tally.read:,} | {tally.refused:,} | {tally.same:,} | {took:.0f} |", flush=True)


if __name__ == "__main__":
    main()
