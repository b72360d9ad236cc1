"""How fast is the front door? `make bench`, or `python -m bench`.

Measures this gateway beside nginx, HAProxy and other MCP proxies, interleaved round by round on this machine, and
prints ratios with their spread. Needs a C compiler; nginx and HAProxy (Debian packages nginx-light and haproxy) where
they are to be compared. What cannot be measured here is named, with the reason.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from bench.bench import Bench, Pace, open_bench
from bench.machine import Missing, raise_file_limit
from bench.measures import MEASURES
from bench.report import tell
from bench.samples import Samples


def main() -> None:
    options = _options()
    pace = Pace(
        options.seconds or (1.0 if options.quick else 3.0), options.rounds or (2 if options.quick else 5), options.quick
    )
    chosen = [one for one in MEASURES if not options.only or one.TABLE.measure in options.only]
    raise_file_limit()
    try:
        with open_bench(pace) as bench:
            run(bench, chosen)
    except Missing as missing:
        sys.exit(f"bench: {missing}")
    tell([one.TABLE for one in chosen], Samples(bench.samples), bench.missing)
    if options.json:
        found = {"samples": [asdict(one) for one in bench.samples], "missing": bench.missing}
        options.json.write_text(json.dumps(found, indent=1))


def run(bench: Bench, measures: Sequence[ModuleType]) -> None:
    """One question after the other; one that fails leaves the others alone."""
    started = time.monotonic()
    for number, one in enumerate(measures, 1):
        bench.measure = one.TABLE.measure
        print(f"[{number}/{len(measures)}, {time.monotonic() - started:.0f} s] {one.TABLE.title}", file=sys.stderr)
        try:
            one.measure(bench)
        except (Missing, RuntimeError, OSError) as error:
            bench.leave_out("all", str(error))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0] if __doc__ else "")
    names = [one.TABLE.measure for one in MEASURES]
    parser.add_argument("--only", nargs="+", choices=names, metavar="MEASURE", help=f"some of: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a look in some minutes; the spread is greater")
    parser.add_argument("--seconds", type=float, help="of each measurement (3; quick: 1)")
    parser.add_argument("--rounds", type=int, help="turns that everybody has (5; quick: 2)")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
