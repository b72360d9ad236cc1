"""Where the time of a call goes in our gateway: the functions that a sampling profiler finds it in."""

import re
import subprocess
from collections import Counter
from pathlib import Path

from bench.bench import CACHE, Bench
from bench.machine import FOR_THE_REST, Missing, on_cores
from bench.peers.environments import environment
from bench.peers.stage import Running
from bench.requests import call
from bench.samples import Column, Table

NAMES = ("vestibule", "vestibule, calls: denied", "with rules")
MOST = 16  # functions
TABLE = Table(
    "profile",
    "Where the time goes",
    "py-spy, 200 looks a second, while 32 connections call as in the first table, at whatever thread runs Python. The "
    "innermost Python function of each look, with whatever it calls that is not Python: the event loop's writes stand "
    "where they are called from, and `the loop` is what uvloop does by itself. SQLite's own work, on its thread, is "
    "not in it.",
    (Column("% of the time", "share", 1),),
    case="gateway",
)


def measure(bench: Bench) -> None:
    spy = environment(CACHE.resolve(), "py-spy", ["py-spy"]) / "py-spy"
    with bench.upstream() as upstream, bench.peers(NAMES, upstream) as peers:
        for name, peer in peers.items():
            bench.say(name)
            for function, share in _profile(bench, spy, peer):
                bench.record(function, 0, name, share=share * 100)


def _profile(bench: Bench, spy: Path, peer: Running) -> list[tuple[str, float]]:
    """Functions and their shares, the greatest first."""
    if peer.program is None:
        raise Missing("it is no program of ours")
    request = bench.request(call(peer.port, peer.token))
    bench.warm_up(peer, request)
    raw = bench.folder / f"profile-{peer.port}"
    seconds = max(2, round(bench.pace.seconds))
    options = ["--rate", "200", "--format", "raw", "--function", "--gil", "--output", str(raw)]
    with on_cores(FOR_THE_REST):
        watching = subprocess.Popen(
            [str(spy), "record", "--pid", str(peer.program.pids[0]), "--duration", str(seconds), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    bench.closed(peer, request, seconds=seconds + 1.5)
    _, said = watching.communicate(timeout=30)
    if watching.returncode or not raw.exists():
        raise Missing(f"py-spy cannot look: {said.strip()[-200:]}")
    return shares(raw.read_text())


def shares(stacks: str) -> list[tuple[str, float]]:
    """Of py-spy's raw format: stacks with their frames, outermost first, and how often each was seen."""
    seen: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        seen[_name(frames.rpartition(";")[2])] += int(count)
    whole = sum(seen.values()) or 1
    return [(name, count / whole) for name, count in seen.most_common(MOST)]


def _name(frame: str) -> str:
    """`data_received (vestibule/gateway/lane.py)` as gateway/lane.py data_received."""
    found = re.fullmatch(r"(.+) \((.+?)(?::\d+)?\)", frame)
    if found is None:
        return frame
    function, file = found.groups()
    if function.rpartition(".")[2].startswith("run") and file.endswith(("runners.py", "uvloop/__init__.py")):
        return "the loop"
    parts = file.replace("\\", "/").split("/")
    return f"{'/'.join(parts[-2:])} {function}"
