"""How long an event is on its way when many streams are open."""

import math
import time

from bench.bench import Bench, turns
from bench.peers.stage import Running
from bench.requests import listen
from bench.samples import Column, Table

NAMES = ("direct", "nginx", "haproxy", "vestibule")
STREAMS = 2000
TABLE = Table(
    "events",
    f"Events on {STREAMS:,} streams",
    f"{STREAMS:,} streams are open, and every stream has one event a second, spread evenly. Each event tells when it "
    "was sent; nginx unbuffered.",
    (
        Column("events/s", "per_second", 0),
        Column("p50 ms", "p50_ms", 3),
        Column("p99 ms", "p99_ms", 3),
        Column("p99 of nginx's", "p99_ms", 2, "nginx"),
        Column("CPU µs an event", "cpu_us", 1),
        Column("streams lost", "lost", 0),
    ),
)


def measure(bench: Bench) -> None:
    with bench.upstream(events=STREAMS) as upstream, bench.peers(NAMES, upstream, streams=True) as peers:
        for turn, name in turns(bench, bench.pace.some(3), list(peers)):
            _one(bench, name, peers[name], turn)


def _one(bench: Bench, name: str, peer: Running, turn: int) -> None:
    options = {"port": peer.port, "request": bench.request(listen(peer.port, peer.token)), "connections": STREAMS}
    with bench.load.streams({**options, "warm": 1, "sources": 4}) as streams:
        time.sleep(1)
        before = peer.program.cpu() if peer.program else 0.0
        time.sleep(max(2.0, bench.pace.seconds))
        used = peer.program.cpu() - before if peer.program else 0.0
        figures = streams.end()
    bench.record(
        name,
        turn,
        per_second=figures.per_second,
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        lost=figures.lost + figures.failed,
        cpu_us=used / figures.done * 1e6 if peer.program and figures.done else math.nan,
    )
