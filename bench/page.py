"""docs/benchmarks.md and its pictures, from what was measured."""

import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.goals import as_rows
from bench.measures import MEASURES
from bench.plots import Bar, bars, lines
from bench.report import as_markdown
from bench.samples import Samples, Spread

PAGE, IMAGES = Path("docs/benchmarks.md"), Path("docs/images")
_INTRODUCTION = """\
# How fast it is

`make bench` measures this gateway beside nginx, HAProxy and other MCP proxies on your machine, in about a quarter of an
hour; `make bench BENCH="--quick"` takes some minutes. `--only throughput events` asks only that, `--json FILE` keeps
all that was measured, `--from FILE --only tls` measures that anew, and `--docs` writes this page and its pictures. It
needs a C compiler; nginx (`nginx-light`) and HAProxy (`haproxy`) are Debian packages; the other MCP proxies are
installed from PyPI into environments of their own. What is missing is named, not passed over.

**This run**: {when}, {machine}. {pace}

How it is measured:

* Everybody is measured in turns, round by round, within seconds of each other; who begins changes with each round. A
  ratio is made within a round. Tables show medians, and behind a ratio the least and the greatest of the rounds.
* A proxy has the last core for itself; the load and the upstream share the others. Where that cannot be (two workers),
  everything runs everywhere.
* The load and the static upstream are two small programs in C (`bench/load`), one thread each. They take about 12 µs
  of a core for a request together, so that one core of theirs keeps the fastest proxy busy. At a constant rate, a
  latency counts from the time at which the request was due: a server that stalls cannot hide it.
* CPU is what all processes of a proxy have used (`/proc/PID/stat`), RSS what they have resident. The kernel's buffers
  are in neither.
* nginx checks no token. HAProxy verifies a JWT at every request: algorithm, signature, end, issuer, audience. Our
  gateway opens a sealed token once and then remembers it, judges the call, and tells the audit trail of it.
"""


def write_page(samples: Samples, missing: Mapping[str, str], pace: str, *, root: Path = Path()) -> None:
    """Below `root`."""
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    parts = [_INTRODUCTION.format(when=time.strftime("%Y-%m-%d"), machine=machine(), pace=pace), _goals(samples)]
    for one in MEASURES:
        table = one.TABLE
        if not samples.rows(table.measure):
            continue
        parts.append(f"## {table.title}\n\n{table.about}\n")
        for name, picture in _pictures(table.measure, samples):
            (root / IMAGES / name).write_text(picture)
            parts.append(f"![{table.title}](images/{name})\n")
        parts.append(f"{as_markdown(table, samples)}\n")
    if missing:
        parts.append("## Not measured\n\n" + "\n".join(f"* {what}: {_one_line(why)}" for what, why in missing.items()))
    (root / PAGE).write_text("\n".join(parts).rstrip() + "\n")


def machine() -> str:
    """Its class, not its name."""
    told = Path("/proc/cpuinfo").read_text()
    models = {line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")}
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    python = f"CPython {platform.python_version()}"
    return f"{len(os.sched_getaffinity(0))} cores ({', '.join(sorted(models))}), {memory:.0f} GB, {python}, loopback"


def _goals(samples: Samples) -> str:
    rows = as_rows(samples)
    lines_ = ["## What is wanted, and what was reached\n", "| | wanted | found | reached |", "|---|--:|--:|---|"]
    lines_ += [f"| {' | '.join(row)} |" for row in rows]
    if any(row[3] == "**no**" for row in rows):
        lines_.append("\nWhere the time goes that is missing, [the profile](#where-the-time-goes) says.")
    return "\n".join(lines_) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())[-200:]


def _pictures(measure: str, samples: Samples) -> Sequence[tuple[str, str]]:
    """File names and pictures."""
    drawn = {
        "throughput": lambda: _bars(samples, measure, "per_second", "Throughput", "nginx proxy_pass = 1", to="nginx"),
        "half-load": lambda: _bars(samples, measure, "p99_ms", "p99 at half of one's own load", "ms", case="own"),
        "real-upstream": lambda: _bars(
            samples, measure, "cpu_ms", "CPU of a call before a real MCP server", "ms, logarithmic", is_log=True
        ),
        "idle-streams": lambda: _bars(samples, measure, "kb", "An idle event stream", "KB resident", case="many"),
        "events": lambda: _bars(samples, measure, "p99_ms", "p99 of an event's way, 2,000 streams", "ms"),
        "slow-reader": lambda: _bars(samples, measure, "mb", "A slow reader of 10 MB", "MB resident"),
        "connections": lambda: _lines(samples, measure, "per_second", "Requests a second, by connections", ("",)),
        "tokens": lambda: _tokens(samples),
    }
    if measure == "bodies":
        return [
            (f"bench-bodies-{way}.svg", _lines(samples, measure, "mb_per_second", f"MB a second, {way}", (way,)))
            for way in ("up", "down")
        ]
    return [(f"bench-{measure}.svg", drawn[measure]())] if measure in drawn else []


def _bars(
    samples: Samples,
    measure: str,
    figure: str,
    title: str,
    note: str,
    *,
    case: str = "",
    to: str = "",
    is_log: bool = False,
) -> str:
    rows = []
    for at, peer in samples.rows(measure):
        spread = samples.spread(measure, peer, figure, case=case, to=to)
        if at == case and spread is not None and not math.isnan(spread.median):
            rows.append(Bar(peer, spread, is_ours=peer.startswith("vestibule")))
    return bars(title, note, rows, is_log=is_log, digits=3 if is_log else 2)


def _lines(samples: Samples, measure: str, figure: str, title: str, ways: Sequence[str]) -> str:
    rows = [(case, peer) for case, peer in samples.rows(measure) if any(case.endswith(way) for way in ways)]
    cases, peers = list(dict.fromkeys(case for case, _ in rows)), dict.fromkeys(peer for _, peer in rows)
    series: dict[str, Sequence[Spread | None]] = {
        peer: [samples.spread(measure, peer, figure, case=case) for case in cases] for peer in peers
    }
    return lines(title, "median and range of the rounds", [case.removesuffix(f" {ways[0]}") for case in cases], series)


def _tokens(samples: Samples) -> str:
    rows = samples.rows("tokens")
    cases, peer = list(dict.fromkeys(case for case, _ in rows)), rows[0][1]
    series = {
        name: [samples.spread("tokens", peer, figure, case=case) for case in cases]
        for name, figure in (("seen before", "per_second"), ("never seen", "cold_per_second"))
    }
    return lines("Requests a second, by distinct tokens", "median and range of the rounds", cases, series)
