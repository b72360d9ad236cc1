"""Whether strangers cost less than those who may come in."""

from bench.bench import Bench, turns
from bench.requests import TOKEN, call
from bench.samples import Column, Table

NAMES = ("vestibule", "vestibule, calls: denied")
TABLE = Table(
    "flood",
    "A flood of strangers",
    "Requests as fast as 32 connections can send them: without a token, with one that is no token of ours, with ten "
    "thousand of them in turns, and calls that are let through. CPU is what one request costs the gateway.",
    (
        Column("requests/s", "per_second", 0),
        Column("CPU µs a request", "cpu_us", 1),
        Column("of a call's", "of_call"),
        Column("401", "status_401", 0),
        Column("429", "status_429", 0),
        Column("503", "status_503", 0),
    ),
    case="gateway",
)


def measure(bench: Bench) -> None:
    forged = bench.folder / "forged"
    forged.write_text("\n".join(f"vat_{'A' * 180}{number:06d}" for number in range(10_000)))
    with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
        for turn, name in turns(bench, bench.pace.some(3), list(peers)):
            peer = peers[name]
            cases = {
                "a call": call(peer.port, peer.token),
                "no token": call(peer.port),
                "a forged token": call(peer.port, "vat_" + "A" * 186),
                "forged tokens": call(peer.port, TOKEN),
            }
            of_call = 0.0
            for case, content in cases.items():
                one = bench.closed(peer, bench.request(content), seconds=min(2.0, bench.pace.seconds), tokens=forged)
                of_call = of_call or one.cpu_us
                statuses = one.figures.statuses
                bench.record(
                    case,
                    turn,
                    name,
                    per_second=one.figures.per_second,
                    cpu_us=one.cpu_us,
                    of_call=one.cpu_us / of_call,
                    **{f"status_{status}": statuses.get(str(status), 0) for status in (401, 429, 503)},
                )
