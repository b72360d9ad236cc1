"""What a call costs each proxy before a server that people write with the official SDK."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from bench.bench import Bench, turns
from bench.machine import FOR_THE_REST, Program, free_port
from bench.peers.stage import Running
from bench.real_upstream import ANSWER
from bench.requests import call
from bench.samples import Column, Table

NAMES = (
    "direct",
    "nginx",
    "haproxy",
    "vestibule",
    "vestibule, calls: denied",
    "fastmcp, as shipped",
    "fastmcp, tuned",
    "mcp-proxy",
    "contextforge",
)
TABLE = Table(
    "real-upstream",
    "Before a real MCP server",
    "The same call to a server of the official SDK (mcp 2.3, streamable HTTP, stateless), 8 connections. That server "
    "is what limits the calls a second of the first ones; what is compared is the CPU of a call in the proxy. "
    "FastMCP's proxy and mcp-proxy check no token. `tuned`: FastMCP's connections share one SSL context; as it is "
    "shipped, it makes one for each call. mcp-proxy and ContextForge are spoken to in the 2025-11-25 era, the newest "
    "they know.",
    (
        Column("requests/s", "per_second", 0),
        Column("p50 ms", "p50_ms"),
        Column("p99 ms", "p99_ms"),
        Column("CPU ms a call", "cpu_ms", 3),
        Column("CPU of ours", "cpu_ms", 1, "vestibule"),
        Column("of ours, calls: denied", "cpu_ms", 1, "vestibule, calls: denied"),
        Column("RSS MB", "rss", 0),
    ),
)


def measure(bench: Bench) -> None:
    with _server(bench) as upstream, bench.peers(NAMES, upstream) as peers:
        requests = {}
        for name, peer in peers.items():
            content = call(peer.port, peer.token, name=peer.tool, version=peer.version)
            try:
                _check(peer, content)
            except (OSError, RuntimeError) as error:
                bench.leave_out(name, str(error))
            else:
                requests[name] = bench.request(content)
        for turn, name in turns(bench, bench.pace.some(3), list(requests)):
            one = bench.closed(peers[name], requests[name], seconds=max(2.0, bench.pace.seconds), connections=8)
            if not one.figures.done:
                bench.leave_out(name, f"no call was answered in round {turn + 1}")
                continue
            bench.record(
                name,
                turn,
                per_second=one.figures.check().per_second,
                p50_ms=one.figures.p50_ms,
                p99_ms=one.figures.p99_ms,
                cpu_ms=one.cpu_us / 1000,
                rss=one.rss,
            )


@contextmanager
def _server(bench: Bench) -> Iterator[int]:
    port = free_port()
    program = Program(
        [sys.executable, "-m", "bench.real_upstream", str(port)],
        bench.folder,
        cores=FOR_THE_REST,
        environ={"PYTHONPATH": str(Path.cwd())},
    )
    program.wait_for(port, 40)
    try:
        yield port
    finally:
        program.stop()


def _check(peer: Running, content: bytes) -> None:
    """That it answers what the server answers: an error can come with 200. Raises `RuntimeError`."""
    head, _, body = content.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    with urlopen(Request(f"http://127.0.0.1:{peer.port}/mcp", body, headers), timeout=30) as answer:
        text = answer.read()
    if ANSWER.encode() not in text:
        raise RuntimeError(f"the answer is not the server's: {text[:300]!r}")
