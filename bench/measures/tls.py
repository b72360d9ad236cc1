"""What TLS costs on both sides."""

from bench.bench import Bench, turns
from bench.certificate import make_certificate
from bench.machine import Missing
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "vestibule", "vestibule, calls: denied")
TABLE = Table(
    "tls",
    "TLS on both sides",
    "The same call, with TLS 1.3 from the client and to the upstream, whose certificate is verified; connections are "
    "kept alive.",
    (
        Column("requests/s", "per_second", 0),
        Column("of nginx", "per_second", 2, "nginx"),
        Column("p99 ms", "p99_ms"),
        Column("CPU µs a call", "cpu_us", 1),
        Column("CPU of nginx's", "cpu_us", 2, "nginx"),
    ),
)


def measure(bench: Bench) -> None:
    if not bench.load.has_tls:
        raise Missing("the load has no TLS. Install its headers: apt-get install libssl-dev")
    tls = make_certificate(bench.folder)
    with (
        bench.upstream(tls=1, certificate=tls.certificate, key=tls.key) as upstream,
        bench.peers(NAMES, upstream, tls=tls) as peers,
    ):
        requests = {name: bench.request(call(peer.port, peer.token)) for name, peer in peers.items()}
        for name, peer in peers.items():
            bench.warm_up(peer, requests[name], tls=1)
        for turn, name in turns(bench, bench.pace.rounds, list(peers)):
            one = bench.closed(peers[name], requests[name], tls=1)
            bench.record(
                name,
                turn,
                per_second=one.figures.check().per_second,
                p99_ms=one.figures.p99_ms,
                cpu_us=one.cpu_us,
            )
