"""How much a second worker brings."""

from bench.bench import Bench, turns
from bench.machine import ALL, CORES
from bench.peers.stage import Running
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("nginx", "vestibule", "vestibule, calls: denied")
TABLE = Table(
    "workers",
    "Two workers",
    f"The same calls through one worker and through two, on all {len(CORES)} cores, which the load and the upstream "
    "need as well: a machine of two cores cannot give anybody twice as much, so that nginx's own two are the measure.",
    (
        Column("requests/s", "per_second", 0),
        Column("of its one worker", "scale"),
        Column("of nginx's gain", "scale", 2, "nginx"),
        Column("CPU µs a call", "cpu_us", 1),
    ),
    case="workers",
)


def measure(bench: Bench) -> None:
    with (
        bench.upstream() as upstream,
        bench.peers(NAMES, upstream, cores=ALL) as ones,
        bench.peers(NAMES, upstream, cores=ALL, workers=2) as twos,
    ):
        for turn, name in turns(bench, bench.pace.some(3), [name for name in ones if name in twos]):
            one, two = _one(bench, ones[name]), _one(bench, twos[name])
            for case, (rate, cpu) in (("1", one), ("2", two)):
                bench.record(name, turn, case, per_second=rate, scale=rate / one[0], cpu_us=cpu)


def _one(bench: Bench, peer: Running) -> tuple[float, float]:
    request = bench.request(call(peer.port, peer.token))
    bench.warm_up(peer, request)
    found = bench.closed(peer, request, connections=64, cores=ALL)
    return found.figures.check().per_second, found.cpu_us
