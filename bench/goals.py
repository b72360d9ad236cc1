"""What is wanted of the gateway, as ratios within one run, and whether it was reached."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.samples import Samples, Spread

OURS, WITHOUT_TRAIL = "vestibule", "vestibule, calls: denied"
_SIGNS: dict[str, Callable[[float, float], bool]] = {"≥": operator.ge, "≤": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Goal:
    text: str
    sign: str
    bound: float
    measure: str
    peer: str
    figure: str
    case: str = ""
    to: str = ""

    def found(self, samples: Samples) -> Spread | None:
        return samples.spread(self.measure, self.peer, self.figure, case=self.case, to=self.to)

    def is_met(self, found: Spread) -> bool:
        return _SIGNS[self.sign](found.median, self.bound)


def _of_both(text: str, sign: str, bound: float, measure: str, figure: str, case: str = "", to: str = "") -> list[Goal]:
    return [
        Goal(text, sign, bound, measure, OURS, figure, case, to),
        Goal(f"{text} (`calls: denied`)", sign, bound, measure, WITHOUT_TRAIL, figure, case, to),
    ]


def _cheaper_than(peer: str, to: str, text: str) -> Goal:
    return Goal(text, "≥", 100, "real-upstream", peer, "cpu_ms", "", to)


def _bodies(direction: str) -> list[Goal]:
    case = f"10 MB {direction}"
    return [
        Goal(f"10 MB {direction}: MB/s of nginx's", "≥", 0.9, "bodies", WITHOUT_TRAIL, "mb_per_second", case, "nginx"),
        Goal(f"10 MB {direction}: RSS growth, MB", "<", 4, "bodies", WITHOUT_TRAIL, "growth", case),
    ]


GOALS: Sequence[Goal] = (
    *_of_both("Throughput of nginx's", "≥", 0.5, "throughput", "per_second", to="nginx"),
    *_of_both("Throughput of HAProxy's with `jwt_verify`", "≥", 1.3, "throughput", "per_second", to="haproxy"),
    _cheaper_than("fastmcp, tuned", OURS, "CPU of FastMCP's proxy (tuned) of ours"),
    _cheaper_than("fastmcp, tuned", WITHOUT_TRAIL, "CPU of FastMCP's proxy (tuned) of ours (`calls: denied`)"),
    _cheaper_than("contextforge", OURS, "CPU of ContextForge of ours"),
    _cheaper_than("contextforge", WITHOUT_TRAIL, "CPU of ContextForge of ours (`calls: denied`)"),
    *_of_both("p99 at half load of nginx's, each at its own", "≤", 1.3, "half-load", "p99_ms", "own", "nginx"),
    *_of_both("p99 of nginx's, both at our half load", "≤", 1.3, "half-load", "p99_ms", "same", "nginx"),
    *_of_both("What a second worker brings, of what nginx's brings", "≥", 0.95, "workers", "scale", "2", "nginx"),
    Goal("KB an idle stream, 1,000 of them", "≤", 8, "idle-streams", OURS, "kb", "1,000"),
    Goal("KB an idle stream, as many as fit", "≤", 8, "idle-streams", OURS, "kb", "many"),
    Goal("RSS after the streams, of before", "≤", 1.05, "idle-streams", OURS, "after", "many"),
    Goal("p99 of events of nginx's", "≤", 1.2, "events", OURS, "p99_ms", "", "nginx"),
    Goal("MB a slow reader of 10 MB", "≤", 0.3, "slow-reader", OURS, "mb"),
    Goal("Errors of 5,000 connections", "≤", 0, "connections", WITHOUT_TRAIL, "errors", "5,000"),
    *_bodies("up"),
    *_bodies("down"),
    Goal("CPU with rules, of without", "≤", 1.05, "policy", "with rules", "cpu_us", "", WITHOUT_TRAIL),
    *_of_both("Throughput with TLS of nginx's with TLS", "≥", 0.4, "tls", "per_second", to="nginx"),
    *(
        Goal(f"CPU of a request with {case}, of a call's ({gateway})", "<", 1, "flood", case, "of_call", gateway)
        for gateway in (OURS, WITHOUT_TRAIL)
        for case in ("no token", "a forged token", "forged tokens")
    ),
)


def as_rows(samples: Samples) -> Sequence[tuple[str, str, str, str]]:
    """Goal, wanted, found, and whether it was reached."""
    rows = []
    for goal in GOALS:
        found = goal.found(samples)
        wanted = f"{goal.sign} {goal.bound:g}"
        if found is None:
            rows.append((goal.text, wanted, "", "not measured"))
        else:
            span = f"{found.median:.2f} ({found.least:.2f}–{found.most:.2f})"
            rows.append((goal.text, wanted, span, "yes" if goal.is_met(found) else "**no**"))
    return rows
