"""What clients cost that ask for much and take nothing."""

import socket
import time
from contextlib import ExitStack

from bench.bench import Bench
from bench.machine import Missing
from bench.peers.stage import Running
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "haproxy", "vestibule")
READERS = 40
SIZE = 10 << 20
TABLE = Table(
    "slow-reader",
    "Slow readers of 10 MB",
    f"{READERS} clients ask for 10 MB each and read nothing for two seconds. What was resident at most, less what was "
    "before, for each of them; nginx unbuffered.",
    (Column("MB a reader", "mb", 2), Column("of nginx", "mb", 2, "nginx")),
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream:
        for turn in range(1 if bench.pace.is_quick else 3):
            for name in NAMES:  # each anew: memory that is kept from before would hide what is needed
                with bench.peers((name,), upstream, streams=True) as peers:
                    for peer in peers.values():
                        _one(bench, name, peer, turn)


def _one(bench: Bench, name: str, peer: Running, turn: int) -> None:
    if peer.program is None:
        raise Missing("it is no proxy")
    bench.warm_up(peer, bench.request(call(peer.port, peer.token)))
    content = call(peer.port, peer.token, name=f"answer-{SIZE}")
    peer.program.forget_peak()
    before = peer.program.rss()
    with ExitStack() as stack:
        for _ in range(READERS):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", peer.port)))
            client.sendall(content)
        time.sleep(2)
        bench.record(name, turn, mb=(peer.program.peak() - before) / READERS)
