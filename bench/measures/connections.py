"""Whether many connections make it slower, and whether any of them breaks."""

from bench.bench import Bench, turns
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "haproxy", "vestibule, calls: denied")
TABLE = Table(
    "connections",
    "Connections from 10 to 5,000",
    "Every connection always has a call under way. An error is a connection that is refused or ends, or an answer "
    "other than 200.",
    (
        Column("requests/s", "per_second", 0),
        Column("of nginx", "per_second", 2, "nginx"),
        Column("p50 ms", "p50_ms", 1),
        Column("p99 ms", "p99_ms", 1),
        Column("RSS MB", "rss", 1),
        Column("errors", "errors", 0),
    ),
    case="connections",
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(NAMES, upstream, streams=True) as peers:
        requests = {name: bench.request(call(peer.port, peer.token)) for name, peer in peers.items()}
        for count in (10, 1000, 5000) if bench.pace.is_quick else (10, 100, 1000, 5000):
            for turn, name in turns(bench, 1 if bench.pace.is_quick else 2, list(peers)):
                one = bench.closed(peers[name], requests[name], connections=count, warm=0.7)
                bench.record(
                    name,
                    turn,
                    f"{count:,}",
                    per_second=one.figures.per_second,
                    p50_ms=one.figures.p50_ms,
                    p99_ms=one.figures.p99_ms,
                    rss=one.rss,
                    errors=one.figures.errors,
                )
