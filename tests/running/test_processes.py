"""The real program under load: it ends without losing anything, and reloads without anybody noticing."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.house import Flow
from tests.support.serving import load, serving
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

pytestmark = pytest.mark.slow

RESULT = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode()


class Busy:
    """An upstream whose calls with the id 7 take until `go_on`, and whose GET streams never end."""

    def __init__(self) -> None:
        self.waiting = 0
        self.go_on = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.request.method == "GET":
            await exchange.begin_events()
            await exchange.event("begun")
            await exchange.closed.wait()
            return
        if b'"id":7' in exchange.request.body:
            self.waiting += 1
            await self.go_on.wait()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(RESULT) + RESULT)


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_that_was_accepted_is_lost_at_sigterm(
    tmp_path: Path, upstream: RecordingUpstream, workers: int
) -> None:
    upstream.answer = busy = Busy()
    async with serving(tmp_path, upstream.url, workers=workers) as program:
        token = (await program.door.sign_in()).access_token
        body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow"}}'
        calls = [asyncio.create_task(program.door.call(token, content=body)) for _ in range(20)]
        wires = [await Wire(program.door.url).__aenter__() for _ in range(20)]
        for wire in wires:
            await wire.send(head(wire.host, "Accept: text/event-stream", method="GET", token=token))
            await wire.until(b"begun\n\n\r\n")
        async with load(program, token) as running:
            while busy.waiting < 20 or running.answered < 50:
                await asyncio.sleep(0.02)
            begun = time.monotonic()
            program.signal(signal.SIGTERM)
            rest = await asyncio.gather(*(wire.rest(8) for wire in wires))
            assert all(one.closed and one.data.endswith(b"0\r\n\r\n") for one in rest)
            busy.go_on.set()
            answers = await asyncio.gather(*calls)
            assert await program.ended(12) == 0, program.said()[-3000:]
            assert time.monotonic() - begun < 11
        assert [answer.status_code for answer in answers] == [200] * 20
        assert running.failures == []
        assert running.closed > 0
        for wire in wires:
            wire.writer.close()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path, upstream: RecordingUpstream) -> None:
    upstream.answer = busy = Busy()
    async with serving(tmp_path, upstream.url, http={"graceful_timeout": "60s"}) as program:
        token = (await program.door.sign_in()).access_token
        body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow"}}'
        call = asyncio.create_task(program.door.call(token, content=body))
        while not busy.waiting:
            await asyncio.sleep(0.02)
        program.signal(signal.SIGTERM)
        await asyncio.sleep(1.2)
        assert program.process.poll() is None
        program.signal(signal.SIGTERM)
        assert await program.ended(5) == 0
        await asyncio.gather(call, return_exceptions=True)
        assert "Traceback" not in program.said()


async def test_what_takes_longer_than_the_time_for_it_is_cut_off(tmp_path: Path, upstream: RecordingUpstream) -> None:
    upstream.answer = busy = Busy()
    async with serving(tmp_path, upstream.url, http={"graceful_timeout": "1s"}) as program:
        token = (await program.door.sign_in()).access_token
        body = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow"}}'
        call = asyncio.create_task(program.door.call(token, content=body))
        while not busy.waiting:
            await asyncio.sleep(0.02)
        program.signal(signal.SIGTERM)
        assert await program.ended(4) == 0
        assert (await call).status_code == 502
        assert "stopped_in_the_middle" in program.said()


@pytest.mark.parametrize("workers", [1, 2])
async def test_five_reloads_under_load_fail_nobody(tmp_path: Path, upstream: RecordingUpstream, workers: int) -> None:
    async with serving(tmp_path, upstream.url, workers=workers) as program:
        token = (await program.door.sign_in()).access_token
        async with load(program, token) as running:
            for number in range(5):
                program.change(origins=[f"https://app{number}.example.com"])
                before = running.answered
                program.signal(signal.SIGHUP)
                done = '"logger": "serving", "event": "reloaded"'
                await program.says(done, times=(number + 1) * workers)
                while running.answered < before + 100:
                    await asyncio.sleep(0.02)
            program.file.write_text("nonsense: 1\n")
            program.signal(signal.SIGHUP)
            await program.says('"logger": "serving", "event": "reload_refused"')
            before = running.answered
            while running.answered < before + 100:
                await asyncio.sleep(0.02)
        assert running.failures == []
        assert (running.refused, running.closed) == (0, 0)
        assert program.said().count('"serving", "event": "reload_refused"') == 1
        assert running.answered > 600


async def test_a_worker_that_dies_is_started_again(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with serving(tmp_path, upstream.url, workers=2) as program:
        token = (await program.door.sign_in()).access_token
        first, _ = program.workers()
        os.kill(first, signal.SIGKILL)
        await program.says('"worker_ended"')
        statuses = []
        for _ in range(5):
            async with Wire(program.door.url) as wire:
                await wire.send(head(wire.host, method="GET", path="/readyz"))
                statuses.append((await wire.until(b"\r\n\r\n")).split()[1])
        assert statuses == [b"200"] * 5
        await program.says('"worker_ready"', times=3)
        assert (await program.door.call(token)).status_code == 200


async def test_workers_do_not_outlive_their_supervisor(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with serving(tmp_path, upstream.url, workers=2) as program:
        workers = program.workers()
        program.signal(signal.SIGKILL)
        await program.ended(5)
        async with asyncio.timeout(10):
            while any(_lives(pid) for pid in workers):
                await asyncio.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_code_is_redeemed_once_whichever_worker_is_asked(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with serving(tmp_path, upstream.url, workers=2) as program:
        door = program.door
        client = await door.register()
        for _ in range(3):
            flow = Flow(door, client)
            visitor = door.browser()
            flow.code = (await visitor.approve(flow))["code"]
            answers = await asyncio.gather(*(flow.redeem() for _ in range(12)))  # each on a connection of its own
            assert sorted(answer.status_code for answer in answers) == [200, *[400] * 11]


async def test_a_revocation_reaches_every_worker_within_five_seconds(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with serving(tmp_path, upstream.url, workers=2) as program:
        person = await program.door.sign_in()
        wires = [await Wire(program.door.url).__aenter__() for _ in range(16)]  # both workers are among them

        async def statuses() -> set[bytes]:
            found = set()
            for wire in wires:
                body = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
                lines = ("MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list", f"Content-Length: {len(body)}")
                await wire.send(head(wire.host, *lines, token=person.access_token) + body)
                answer = await wire.until(b"\r\n\r\n")
                length = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                await wire.reader.readexactly(length)
                found.add(answer.split()[1])
            return found

        assert await statuses() == {b"200"}
        client_id = person.flow.client["client_id"]
        await program.door.post("/revoke", {"token": person.refresh_token, "client_id": client_id})
        await asyncio.sleep(4)
        assert await statuses() == {b"401"}
        for wire in wires:
            wire.writer.close()
