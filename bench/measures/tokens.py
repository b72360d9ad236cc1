"""Whether many callers make it slower: each with a token of their own."""

from bench.bench import Bench
from bench.machine import Missing
from bench.peers.stage import Running
from bench.requests import TOKEN, call
from bench.samples import Column, Table

NAMES = ("vestibule, calls: denied",)
COUNTS = (1, 100, 1000, 10_000, 100_000)  # a quick look: every second of them
TABLE = Table(
    "tokens",
    "Distinct tokens from 1 to 100,000",
    "32 connections; each call has the next of so many tokens. `first`: nobody has seen them yet, so that each is "
    "opened; `again`: all of them were seen before.",
    (
        Column("requests/s, first", "cold_per_second", 0),
        Column("requests/s, again", "per_second", 0),
        Column("CPU µs a call, first", "cold_cpu_us", 1),
        Column("CPU µs a call, again", "cpu_us", 1),
        Column("RSS MB", "rss", 1),
    ),
    case="tokens",
)


def measure(bench: Bench) -> None:
    for turn in range(1 if bench.pace.is_quick else 2):
        with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
            for name, peer in peers.items():
                bench.warm_up(peer, bench.request(call(peer.port, peer.token)))
                for count in COUNTS[:: 2 if bench.pace.is_quick else 1]:
                    bench.say(f"{count:,} tokens")
                    _with(bench, name, peer, turn, count)


def _with(bench: Bench, name: str, peer: Running, turn: int, count: int) -> None:
    if peer.tokens is None:
        raise Missing("it has no tokens")
    file = bench.folder / f"tokens-{turn}-{count}"
    file.write_text("\n".join(peer.tokens(count)))
    request = bench.request(call(peer.port, TOKEN))
    first = bench.closed(peer, request, seconds=120, tokens=file, limit=count)
    again = bench.closed(peer, request, tokens=file)
    cold = first.figures.check()
    bench.record(
        name,
        turn,
        f"{count:,}",
        **({"cold_per_second": cold.per_second, "cold_cpu_us": first.cpu_us} if count >= 1000 else {}),
        per_second=again.figures.check().per_second,
        cpu_us=again.cpu_us,
        rss=again.rss,
    )
