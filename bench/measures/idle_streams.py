"""What a stream costs on which nothing happens."""

import time

from bench.bench import Bench
from bench.machine import Missing, file_limit
from bench.peers.stage import Running
from bench.requests import listen
from bench.samples import Column, Table

NAMES = ("nginx", "haproxy", "vestibule")
TABLE = Table(
    "idle-streams",
    "Idle event streams",
    "`subscriptions/listen` streams through each proxy, open and silent; nginx unbuffered. Resident memory of the "
    "proxy, less what it had before, for each stream: not what the kernel needs for its sockets. CPU is what all of "
    "them take together while nothing happens. `after` is the RSS, three seconds after the last has gone, of what it "
    "was before the first came. `many` is 10,000, or as many as the files of one process allow here.",
    (
        Column("open", "opened", 0),
        Column("failed", "failed", 0),
        Column("KB a stream", "kb", 1),
        Column("of nginx", "kb", 2, "nginx"),
        Column("opened in s", "seconds", 1),
        Column("CPU, % of a core", "cpu", 1),
        Column("after", "after"),
    ),
    case="streams",
)


def measure(bench: Bench) -> None:
    most = (file_limit() - 600) // 2  # a proxy has two sockets for each
    counts = ({} if bench.pace.is_quick else {"1,000": 1000}) | {"many": min(10_000, most)}
    if most < 10_000:
        bench.say(f"a process may open {file_limit():,} files here: {most:,} streams instead of 10,000")
    for case, count in counts.items():
        for turn in range(1 if bench.pace.is_quick else 2):
            with bench.upstream() as upstream:
                for name in NAMES:  # one at a time, each anew: what it keeps from before would count as its own
                    with bench.peers((name,), upstream, streams=True) as peers:
                        for peer in peers.values():
                            bench.say(f"{count:,} streams through {name}")
                            _with(bench, name, peer, turn, case, count)


def _with(bench: Bench, name: str, peer: Running, turn: int, case: str, count: int) -> None:
    if peer.program is None:
        raise Missing("it is no proxy")
    request = bench.request(listen(peer.port, peer.token))
    with bench.load.streams({"port": peer.port, "request": request, "connections": 50}) as few:
        few.end()
    before, started = peer.program.rss(), time.monotonic()
    with bench.load.streams({"port": peer.port, "request": request, "connections": count, "sources": 8}) as streams:
        seconds = time.monotonic() - started
        time.sleep(1)
        used = peer.program.cpu()
        time.sleep(2)
        cpu, rss = (peer.program.cpu() - used) / 2, peer.program.rss()
        streams.end()
    time.sleep(3)
    bench.record(
        name,
        turn,
        case,
        opened=streams.opened,
        failed=streams.failed,
        kb=(rss - before) * 1024 / max(1, streams.opened),
        seconds=seconds,
        cpu=cpu * 100,
        after=peer.program.rss() / before,
    )
