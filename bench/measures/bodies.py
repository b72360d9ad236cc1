"""What large bodies cost, in time and in memory."""

import math

from bench.bench import Bench, turns
from bench.peers.stage import Running
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "haproxy", "vestibule, calls: denied")
SIZES = {"1 KB": 1024, "10 KB": 10_240, "100 KB": 102_400, "1 MB": 1 << 20, "10 MB": 10 << 20}
CONNECTIONS = 4
TABLE = Table(
    "bodies",
    "Bodies from 1 KB to 10 MB",
    f"{CONNECTIONS} connections. `up`: in the request, answered with 1 KB; `down`: in the answer. nginx is told to "
    "pass on what comes instead of storing it first. RSS growth is the most that was resident during the load, less "
    "what was before it.",
    (
        Column("MB/s", "mb_per_second", 0),
        Column("of nginx", "mb_per_second", 2, "nginx"),
        Column("RSS growth MB", "growth", 1),
    ),
    case="body",
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(NAMES, upstream, streams=True) as peers:
        for peer in peers.values():
            bench.warm_up(peer, bench.request(call(peer.port, peer.token)))
        sizes = SIZES if not bench.pace.is_quick else {name: SIZES[name] for name in ("1 KB", "100 KB", "10 MB")}
        for direction in ("up", "down"):
            for name, size in sizes.items():
                for turn, who in turns(bench, bench.pace.some(3), list(peers)):
                    _one(bench, who, peers[who], turn, f"{name} {direction}", size, is_up=direction == "up")


def _one(bench: Bench, name: str, peer: Running, turn: int, case: str, size: int, *, is_up: bool) -> None:
    content = call(peer.port, peer.token, size=size) if is_up else call(peer.port, peer.token, name=f"answer-{size}")
    before = math.nan
    if peer.program is not None:
        peer.program.forget_peak()
        before = peer.program.rss()
    one = bench.closed(peer, bench.request(content), seconds=min(0.6, bench.pace.seconds), connections=CONNECTIONS)
    figures = one.figures.check()
    bench.record(
        name,
        turn,
        case,
        mb_per_second=figures.done * size / figures.seconds / 1e6,
        growth=peer.program.peak() - before if peer.program else math.nan,
        cpu_us=one.cpu_us,
    )
