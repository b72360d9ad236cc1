"""Nobody holds a connection for ever: not by silence, not by dripping, not by looking away."""

import asyncio

import pytest

from tests.support.house import Door
from tests.support.wire import Wire, head
from vestibule.gateway import GatewayLimits
from vestibule.gateway.patience import Patience, Turn
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
FORM = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 100")


async def pass_time(door: Door, seconds: int) -> None:
    await asyncio.sleep(0.2)  # what has been sent arrives
    now = asyncio.get_running_loop().time()
    for passed in range(0, seconds, 10):
        door.house.gateway.tick(now + passed)


# --- the rule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("turn", "seconds"), [(Turn.REQUEST, 75), (Turn.HEAD, 10), (Turn.BODY, 30)])
def test_every_turn_of_a_client_has_an_end(turn: Turn, seconds: int) -> None:
    patience = Patience(GatewayLimits(), 0)
    patience.begin(turn, 100)
    assert not patience.is_over(100 + seconds - 1)
    assert patience.is_over(100 + seconds)
    patience.begin(Turn.OURS, 100)
    assert not patience.is_over(1e9)


def test_a_body_that_drips_ends() -> None:
    patience = Patience(GatewayLimits(), 0)
    patience.begin(Turn.BODY, 0)
    now = 0
    while not patience.is_over(now):
        patience.came(1, now)
        now += 1
    assert now < 40


def test_a_slow_body_that_gets_on_does_not_end() -> None:
    patience = Patience(GatewayLimits(), 0)
    patience.begin(Turn.BODY, 0)
    for now in range(0, 3600, 20):
        assert not patience.is_over(now)
        patience.came(20 * 600, now)
    assert patience.is_over(3600 + 30)


def test_an_answer_is_unread_when_nothing_of_it_is_taken() -> None:
    patience = Patience(GatewayLimits(), 0)
    for now, waiting in ((0, 900), (50, 800), (100, 800), (105, 0), (170, 700), (225, 700)):
        assert not patience.is_unread(waiting, now)
    assert patience.is_unread(700, 231)


# --- at the door ----------------------------------------------------------------------------------------------------


async def test_a_form_that_does_not_come(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *FORM, path="/token"))
        await pass_time(door, 40)
        answer = await wire.rest(1)
    assert answer.status == 408
    assert answer.closed


async def test_a_form_that_drips(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, *FORM, path="/token"))
        await asyncio.sleep(0.1)
        (lane,) = [lane for lane in door.house.gateway.lanes if lane._patience.turn is Turn.BODY]
        over_at = lane._patience._over_at
        await wire.send(b"grant")
        await asyncio.sleep(0.1)
        assert lane._patience._over_at < over_at + 1


async def test_the_rest_of_a_refused_request_that_does_not_come(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 1000"))
        await wire.until(b"\r\n\r\n")
        await pass_time(door, 40)
        answer = await wire.rest(1)
    assert answer.closed
    assert b"HTTP/1.1" not in answer.data  # it had its answer


async def test_an_empty_line_between_requests_does_not_stop_the_clock(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, method="GET", path="/healthz"))
        await wire.until(b"ok\n")
        await wire.send(b"\r\n")
        await pass_time(door, 90)
        assert (await wire.rest(1)).closed


async def test_a_second_request_that_does_not_come(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await wire.until(b"}}")
        await pass_time(door, 90)
        assert (await wire.rest(1)).closed


async def test_an_answer_that_takes_its_time_is_not_the_clients_fault(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token

    async def slow(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event("one")
        await asyncio.sleep(0.5)
        await exchange.event("two")

    upstream.answer = slow
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await wire.until(b"one")
        await pass_time(door, 200)
        await wire.until(b"two")


async def test_a_client_that_does_not_read_its_stream(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token

    async def endless(exchange: Exchange) -> None:
        await exchange.begin_events()
        while not exchange.closed.is_set():
            await exchange.event("x" * 65_536)

    upstream.answer = endless
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        lines = ("MCP-Protocol-Version: 2026-07-28", f"Content-Length: {len(BODY)}")
        await wire.send(head(wire.host, *lines, token=token) + BODY)
        async with asyncio.timeout(10):
            while not any(lane.is_unread for lane in door.house.gateway.lanes):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # the sockets between are full as well
        await pass_time(door, 80)
        await asyncio.sleep(0.1)
        assert not door.house.gateway.streams
        assert not any(lane.is_unread for lane in door.house.gateway.lanes)
