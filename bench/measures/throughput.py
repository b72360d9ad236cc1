"""How many authenticated calls a second one worker takes, and what each costs."""

import math

from bench.bench import Bench, turns
from bench.requests import call
from bench.samples import Column, Table

NAMES = (
    "direct",
    "nginx",
    "haproxy",
    "haproxy ES256",
    "haproxy HS256",
    "vestibule",
    "vestibule, calls: denied",
)
TABLE = Table(
    "throughput",
    "Throughput",
    "An authenticated `tools/call` of 1 KB, answered with 1 KB by a static server; 32 connections, one worker, a token "
    "that was seen before. nginx checks no token at all. `calls: denied` is our gateway with `audit.calls: denied`: "
    "the audit trail tells of refused calls only; by default it tells of all.",
    (
        Column("requests/s", "per_second", 0),
        Column("of nginx", "per_second", 2, "nginx"),
        Column("of HAProxy", "per_second", 2, "haproxy"),
        Column("p50 ms", "p50_ms"),
        Column("p99 ms", "p99_ms"),
        Column("CPU µs a call", "cpu_us", 1),
        Column("CPU of nginx's", "cpu_us", 2, "nginx"),
        Column("CPU of HAProxy's", "cpu_us", 2, "haproxy"),
        Column("RSS MB, idle", "idle_rss", 1),
        Column("RSS MB, after", "rss", 1),
    ),
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
        requests = {name: bench.request(call(peer.port, peer.token)) for name, peer in peers.items()}
        idle = {name: peer.program.rss() if peer.program else math.nan for name, peer in peers.items()}
        for name, peer in peers.items():
            bench.warm_up(peer, requests[name])
        for turn, name in turns(bench, bench.pace.rounds, list(peers)):
            one = bench.closed(peers[name], requests[name])
            bench.record(
                name,
                turn,
                per_second=one.figures.check().per_second,
                p50_ms=one.figures.p50_ms,
                p99_ms=one.figures.p99_ms,
                cpu_us=one.cpu_us,
                idle_rss=idle[name],
                rss=one.rss,
                load_share=one.figures.load_share,
                errors=one.figures.errors,
            )
