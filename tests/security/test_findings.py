"""What a hostile review found. Each test states what must hold, and fails until it does."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.house import Door, Flow, open_door
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


# --- F1: one flag says how the request is framed, and how the answer is --------------------------------------------


# --- F2: a prefix that any neighbour can write ----------------------------------------------------------------------


# --- F3: the session's header by its other name ---------------------------------------------------------------------


# --- F4: a revocation between the request and its answer ------------------------------------------------------------


# --- F5: the control plane waits for ever ---------------------------------------------------------------------------


async def test_f5_a_form_that_never_comes_does_not_hold_its_connection_for_ever(door: Door) -> None:
    """The data plane has body_seconds; behind /token, /register, /revoke and /consent nothing looks at the clock."""
    async with Wire(door.url) as wire:
        await wire.send(
            head(wire.host, "Content-Type: application/x-www-form-urlencoded", "Content-Length: 100", path="/token")
        )
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        for seconds in range(0, 3600, 10):
            door.house.gateway.tick(loop.time() + seconds)
        answer = await wire.rest(1)
    assert answer.closed, "an hour later the connection is still open"


async def test_f5_an_empty_line_between_requests_does_not_stop_the_idle_clock(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, method="GET", path="/healthz"))
        await wire.until(b"ok\n")
        await wire.send(b"\r\n")
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        for seconds in range(0, 3600, 10):
            door.house.gateway.tick(loop.time() + seconds)
        answer = await wire.rest(1)
    assert answer.closed, "an hour later the connection is still open"


# --- F7: what an answer may tell caches and browsers ----------------------------------------------------------------


# --- F8: identity headers that are not on the list ------------------------------------------------------------------


# --- F9: registrations ----------------------------------------------------------------------------------------------


async def test_f9_a_flood_of_registrations_is_bounded(door: Door) -> None:
    """DCR-022: 429 with Retry-After, and registrations that nobody uses expire. Neither is there."""
    body = {"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none"}
    answers = [await door.http.post(f"{door.url}/register", json=body) for _ in range(200)]
    await door.house.store.housekeeping.sweep(now=door.clock.advance(400 * 24 * 3600))
    kept = [
        answer
        for answer in answers
        if answer.status_code == 201 and await door.house.store.clients.get(answer.json()["client_id"]) is not None
    ]
    assert len(kept) < 200, "all 200 were taken, and all of them are there a year later"


# --- F10: what a chunk and a trailer may weigh ----------------------------------------------------------------------


async def test_f10_trailers_count_toward_the_head(door: Door) -> None:
    """A head has 32 KiB and 100 lines; behind a chunked body 5,000 lines and half a megabyte are read."""
    trailers = b"".join(b"X-T%d: %b\r\n" % (number, b"z" * 100) for number in range(5000))
    async with Wire(door.url) as wire:
        await wire.send(
            head(
                wire.host,
                "Content-Type: application/x-www-form-urlencoded",
                "Transfer-Encoding: chunked",
                path="/token",
            )
            + b"1\r\na\r\n0\r\n"
            + trailers
            + b"\r\n"
        )
        answer = await wire.rest(1)
    assert answer.closed
    assert answer.status == 431 or b"grant_type" not in answer.data


# --- F11: many upgrades in one packet -------------------------------------------------------------------------------


async def test_f11_many_declined_upgrades_in_one_packet_are_read_without_recursion(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """`data_received` calls itself once for each; a thousand of them are a RecursionError in the event loop."""
    caught: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: caught.append(context))
    one = b"GET /mcp HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
    try:
        async with Wire(door.url) as wire:
            await wire.send(one * 3500)
            await wire.rest(2)
    finally:
        loop.set_exception_handler(None)
    assert not caught, [str(context.get("exception"))[:100] for context in caught]


# --- F12: clocks of two replicas ------------------------------------------------------------------------------------


async def test_f12_a_revocation_reaches_a_replica_whose_clock_is_ahead(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """The feed is read by the reader's clock and dated by the writer's: 70 s apart, and it is never seen."""
    from vestibule.testing.clock import FrozenClock

    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    behind = FrozenClock()
    ahead = FrozenClock(behind() + __import__("datetime").timedelta(seconds=70))
    shared = {"store": f"sqlite:///{here / 'vestibule.db'}", "keys": {"file": str(here / "vestibule.keys")}}
    async with open_door(here, upstream.url, clock=behind, **shared) as a:
        config = {**shared, "public_url": a.url}
        async with open_door(there, upstream.url, clock=ahead, **config) as b:
            signed_in = await a.sign_in()
            host = {"Host": urlsplit(a.url).netloc}
            assert (await b.call(signed_in.access_token, headers=host)).status_code == 200
            await b.house._watch.look()
            form = {"token": signed_in.refresh_token, "client_id": signed_in.flow.client["client_id"]}
            assert (await a.http.post(f"{a.url}/revoke", data=form)).status_code == 200
            await b.house._watch.look()
            assert (await a.call(signed_in.access_token)).status_code == 401
            assert (await b.call(signed_in.access_token, headers=host)).status_code == 401


# --- F13: half an answer at shutdown --------------------------------------------------------------------------------


# --- F14: a client that does not read -------------------------------------------------------------------------------


def _buffered(door: Door) -> int:
    return max((lane.transport.get_write_buffer_size() for lane in door.house.gateway.lanes), default=0)


async def test_f14_answers_nobody_reads_do_not_pile_up(door: Door) -> None:
    """No token is needed: a refused request costs 60 bytes and its answer 600, and reading goes on while writing waits."""
    one = b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n"
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(8):
                for _ in range(60):
                    await wire.send(one * 1000)
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.5)
                assert _buffered(door) < 1_000_000, f"{_buffered(door):,} bytes wait for one connection"
                raise TimeoutError  # as good as being made to wait
    assert _buffered(door) < 1_000_000


async def test_f14_an_exchange_that_begins_while_writing_waits_is_held_back_too(
    door: Door, upstream: RecordingUpstream
) -> None:
    """asyncio says pause_writing once, on the way up; an exchange that starts above the mark never hears of it."""
    token = (await door.sign_in()).access_token
    sent = 0

    async def endless(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.begin_events()
        while sent < 64 << 20:
            await exchange.event("x" * 65536)
            sent += 65536

    upstream.answer = endless
    one = b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\n"
    async with Wire(door.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        lane = max(door.house.gateway.lanes, key=lambda lane: lane._idle_since)
        for _ in range(200):
            await wire.send(one * 200)
            await asyncio.sleep(0.005)
            if lane.transport.get_write_buffer_size() > 200_000:
                break
        await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY)
        await asyncio.sleep(3)
        assert lane.transport.get_write_buffer_size() < 4_000_000, (sent, lane.transport.get_write_buffer_size())


# --- F5 again: a refused request's body -----------------------------------------------------------------------------


async def test_f5_a_refused_request_whose_body_never_comes_does_not_hold_its_connection_for_ever(door: Door) -> None:
    """401 without a token, then silence: `_swallowing` counts as in flight, and no exchange watches the body."""
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 1000"))
        await wire.until(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        loop = asyncio.get_running_loop()
        for seconds in range(0, 3600, 10):
            door.house.gateway.tick(loop.time() + seconds)
        answer = await wire.rest(1)
    assert answer.closed, "an hour later the connection is still open"


# --- F15: silent codes for whoever listens on loopback --------------------------------------------------------------


async def test_f15_a_remembered_answer_is_not_enough_for_a_public_client_on_loopback(door: Door) -> None:
    """RFC 8252 §8.6, OAuth 2.1: no automatic processing where the client's identity cannot be assured.

    The page says "Any program on this computer could be waiting there. Allow it only if you are waiting for this
    application now", and then remembers the answer for every port and every later request.
    """
    client = await door.register()
    visitor = door.browser()
    await visitor.approve(Flow(door, client))
    thief = Flow(door, client, redirect_uri="http://127.0.0.1:6666/callback")  # another program's port and challenge
    answer = await visitor.get(thief.authorize_url())
    assert "code=" not in answer.headers["location"]


# --- F16: hanging up in the middle of a form ------------------------------------------------------------------------


# --- F17: two requests a second against every new client named by a URL ---------------------------------------------


async def test_f17_a_stranger_does_not_use_up_every_new_documents_chances() -> None:
    """IN_ALL is one budget for the world: 120 URLs of made-up hosts a minute, and no new client gets its page."""
    from vestibule.authorization_server.client_documents import ClientDocuments
    from vestibule.errors import FetchError
    from vestibule.testing.clock import FrozenClock

    asked: list[str] = []

    class Fetcher:
        async def fetch(self, url: str, *, cap: int) -> object:
            asked.append(url)
            raise FetchError("no such host")

    documents = ClientDocuments(Fetcher(), FrozenClock())  # type: ignore[arg-type]
    for number in range(120):
        with pytest.raises(FetchError):
            await documents.get(f"https://h{number}.attacker.example/c.json")
    with pytest.raises(FetchError):
        await documents.get("https://honest.example/client.json")
    assert asked[-1] == "https://honest.example/client.json", "it was not even asked for"
