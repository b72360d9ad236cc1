"""What a proxy adds to the latency of a call when it has half as much to do as it can."""

from collections.abc import Mapping
from pathlib import Path

from bench.bench import Bench, turns
from bench.peers.stage import Running
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "haproxy", "vestibule", "vestibule, calls: denied")
TABLE = Table(
    "half-load",
    "Latency at half load",
    "Calls come at a constant rate, whether or not the ones before are answered, and a latency counts from the time at "
    "which the call was due. `own`: each at half of what it was found to take just before. `same`: all at the rate "
    "that is half of what our gateway takes. Added is what the upstream alone does not need at that rate.",
    (
        Column("calls/s", "rate", 0),
        Column("p50 ms", "p50_ms"),
        Column("p99 ms", "p99_ms"),
        Column("added p50 ms", "added_p50_ms"),
        Column("added p99 ms", "added_p99_ms"),
        Column("p99 of nginx's", "p99_ms", 2, "nginx"),
    ),
    case="rate",
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
        requests = {name: bench.request(call(peer.port, peer.token)) for name, peer in peers.items()}
        half = {name: _half(bench, peer, requests[name]) for name, peer in peers.items()}
        bare = bench.request(call(upstream))
        same = dict.fromkeys(half, half.get("vestibule", 1000.0))
        for case, rates in (("own", half),) if bench.pace.is_quick else (("own", half), ("same", same)):
            _at(bench, case, rates, peers, requests, Running(upstream, None), bare)


def _half(bench: Bench, peer: Running, request: Path) -> float:
    bench.warm_up(peer, request)
    return bench.closed(peer, request, seconds=min(1, bench.pace.seconds)).figures.check().per_second / 2


def _at(
    bench: Bench,
    case: str,
    rates: Mapping[str, float],
    peers: Mapping[str, Running],
    requests: Mapping[str, Path],
    direct: Running,
    bare: Path,
) -> None:
    for turn, name in turns(bench, bench.pace.some(3), list(peers)):
        alone = bench.at_rate(direct, bare, rates[name], seconds=0.7).figures.check()
        one = bench.at_rate(peers[name], requests[name], rates[name]).figures.check()
        bench.record(
            name,
            turn,
            case,
            rate=rates[name],
            p50_ms=one.p50_ms,
            p99_ms=one.p99_ms,
            added_p50_ms=one.p50_ms - alone.p50_ms,
            added_p99_ms=one.p99_ms - alone.p99_ms,
            reached=one.per_second / rates[name],
        )
