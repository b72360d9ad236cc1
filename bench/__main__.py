"""How fast is the front door? `make bench`, or `python -m bench`.

Measures this gateway beside nginx, HAProxy and other MCP proxies, interleaved round by round on this machine, and
prints ratios with their spread. Needs a C compiler; nginx and HAProxy (Debian packages nginx-light and haproxy) where
they are to be compared. What cannot be measured here is named, with the reason.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from bench.bench import Bench, Pace, open_bench
from bench.machine import Missing, raise_file_limit
from bench.measures import MEASURES
from bench.page import write_page
from bench.report import tell
from bench.results import Results
from bench.samples import Samples


def main() -> None:
    options = _options()
    chosen = [one for one in MEASURES if not options.only or one.TABLE.measure in options.only]
    results = Results.read(options.results) if options.results else None
    if results is None or options.only:
        newer = _measure(options, chosen)
        results = newer if results is None else results.with_newer(newer, options.only)
    tell([one.TABLE for one in chosen], Samples(results.samples), results.missing)
    if options.json:
        results.write(options.json)
    if options.docs:
        write_page(Samples(results.samples), results.missing, results.pace)


def _measure(options: argparse.Namespace, chosen: Sequence[ModuleType]) -> Results:
    seconds, rounds = (0.7, 2) if options.quick else (2.0, 5)
    pace = Pace(options.seconds or seconds, options.rounds or rounds, options.quick)
    raise_file_limit()
    told = f"{pace.seconds:g} s a measurement, at most {pace.rounds} rounds; load average before it {_load()}."
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        with open_bench(pace) as bench:
            run(bench, chosen)
    except Missing as missing:
        sys.exit(f"bench: {missing}")
    return Results(told, bench.samples, bench.missing)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def run(bench: Bench, measures: Sequence[ModuleType]) -> None:
    """One question after the other; one that fails leaves the others alone."""
    started = time.monotonic()
    for number, one in enumerate(measures, 1):
        bench.measure = one.TABLE.measure
        print(f"[{number}/{len(measures)}, {time.monotonic() - started:.0f} s] {one.TABLE.title}", file=sys.stderr)
        try:
            one.measure(bench)
        except (Missing, RuntimeError, OSError, subprocess.SubprocessError) as error:
            bench.leave_out("all", str(error))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0] if __doc__ else "")
    names = [one.TABLE.measure for one in MEASURES]
    parser.add_argument("--only", nargs="+", choices=names, metavar="MEASURE", help=f"some of: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a look in some minutes; the spread is greater")
    parser.add_argument("--seconds", type=float, help="of each measurement (2; quick: 0.7)")
    parser.add_argument("--rounds", type=int, help="turns that everybody has (5; quick: 2)")
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md and its pictures")
    parser.add_argument(
        "--from", dest="results", type=Path, help="take what --json wrote, and measure only --only anew"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
