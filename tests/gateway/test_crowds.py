"""Crowds, in short: `make soak-streams` is ten times as many. What it is about stands in `crowds`."""

import asyncio
import socket
from pathlib import Path

import httpx2

from tests.gateway.crowds import CALL, EVENT, crowded, until

STREAMS = 1_000


async def test_a_thousand_quiet_streams_cost_little_and_leave_nothing(tmp_path: Path) -> None:
    """FLT-42. What they leave is free memory, which the next thousand use."""
    async with crowded(tmp_path) as crowd:
        await crowd.leave(await crowd.join("stream", 50))
        base = crowd.rss()
        after = []
        for _ in range(3):
            listeners = await crowd.join("stream", STREAMS)
            assert len(crowd.streams) == STREAMS
            assert crowd.rss() - base < STREAMS * 16  # KiB; see docs/upstreams-http.md for what is measured
            for stream in crowd.streams:
                stream.transport.write(EVENT)
            await until(lambda: all(one.answers == 2 for one in listeners))  # noqa: B023
            await crowd.leave(listeners)
            await asyncio.sleep(1.2)
            after.append(crowd.rss())
        assert after[2] < after[1] * 1.05


async def test_a_thousand_connections_are_all_answered(tmp_path: Path) -> None:
    async with crowded(tmp_path) as crowd:
        clients = await crowd.join("call", 1_000)
        for client in clients:
            client.ask()
        assert sum(await asyncio.gather(*[client.answered for client in clients])) == 1_000


async def test_without_files_to_open_the_gateway_waits_and_recovers(tmp_path: Path) -> None:
    """FLT-32: more connections than it may have files."""
    async with crowded(tmp_path, files=120) as crowd:
        idle = []
        for _ in range(300):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", crowd.port))
            idle.append(one)
        await asyncio.sleep(1)
        assert crowd.process.poll() is None
        for one in idle:
            one.close()
        async with asyncio.timeout(20):
            while not await crowd.is_alive():
                await asyncio.sleep(0.2)
        async with httpx2.AsyncClient(trust_env=False, timeout=10) as http:
            answer = await http.post(
                f"http://127.0.0.1:{crowd.port}/mcp?call",
                headers={"Authorization": f"Bearer {crowd.token}"},
                content=CALL,
            )
        assert answer.status_code == 200
        assert "Traceback" not in crowd.log.read_text()
