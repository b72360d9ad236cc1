"""What rules cost that are decided by the headers."""

from bench.bench import Bench, turns
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("vestibule, calls: denied", "with rules", "with scopes of tools")
TABLE = Table(
    "policy",
    "Rules decided by the headers",
    "The same calls through our gateway without rules, with four rules of which the third allows the call by its tool "
    "and tenant, and with scopes by patterns of tools' names. `audit.calls: denied` in all of them.",
    (
        Column("requests/s", "per_second", 0),
        Column("of without", "per_second", 3, "vestibule, calls: denied"),
        Column("CPU µs a call", "cpu_us", 1),
        Column("CPU of without", "cpu_us", 3, "vestibule, calls: denied"),
    ),
)


def measure(bench: Bench) -> None:
    with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
        requests = {name: bench.request(call(peer.port, peer.token)) for name, peer in peers.items()}
        for name, peer in peers.items():
            bench.warm_up(peer, requests[name])
        for turn, name in turns(bench, bench.pace.rounds, list(peers)):
            one = bench.closed(peers[name], requests[name])
            bench.record(name, turn, per_second=one.figures.check().per_second, cpu_us=one.cpu_us)
