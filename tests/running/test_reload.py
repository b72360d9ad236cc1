"""A reload: all of the new configuration from one moment to the next, or nothing; and no connection is closed by it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.outbound.certificates import Authority
from tests.support.house import Door, SignedIn, open_door
from tests.support.stdio import LegacyClient, messages_of, modern, odd, odd_door, text_of
from tests.support.wire import Wire, head
from vestibule.errors import TokenRevoked
from vestibule.model import Presented
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


@pytest.fixture
async def person(door: Door) -> SignedIn:
    return await door.sign_in()


@pytest.fixture
async def other(door: Door) -> AsyncIterator[RecordingUpstream]:
    async with RecordingUpstream() as running:
        yield running


def write(door: Door, **keys: Any) -> None:
    """Change keys of the file; None takes one out."""
    file = door.folder / "vestibule.yaml"
    document = {**yaml.safe_load(file.read_text()), **keys}
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))


async def reload(door: Door, *, changes: bool = True) -> None:
    """Returns when it is done, or refused."""
    before, done = door.house, asyncio.Event()
    door.serving._reloaded = lambda good: done.set()
    door.serving.reload()
    await asyncio.wait_for(done.wait(), 10)
    assert (door.house is not before) is changes


def request(wire: Wire, person: SignedIn, *lines: str) -> bytes:
    more = ("MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list", f"Content-Length: {len(BODY)}", *lines)
    return head(wire.host, *more, token=person.access_token) + BODY


async def test_a_kept_connection_is_served_by_the_new_configuration(
    door: Door, upstream: RecordingUpstream, person: SignedIn, other: RecordingUpstream
) -> None:
    async with Wire(door.url) as wire:
        await wire.send(request(wire, person))
        await wire.until(b"}}")
        write(door, upstreams=[{"name": "main", "url": other.url}])
        await reload(door)
        await wire.send(request(wire, person))
        assert b"connection: close" not in await wire.until(b"}}")
    assert (len(upstream.requests), len(other.requests)) == (1, 1)


async def test_what_is_under_way_ends_as_it_began(
    door: Door, upstream: RecordingUpstream, person: SignedIn, other: RecordingUpstream
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        begun.set()
        await go_on.wait()
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"from": "old"}}).encode()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    upstream.answer = slow
    call = asyncio.create_task(door.call(person.access_token))
    await begun.wait()
    write(door, upstreams=[{"name": "main", "url": other.url}])
    await reload(door)
    assert (await door.call(person.access_token)).json()["result"] == {}
    go_on.set()
    assert (await call).json()["result"] == {"from": "old"}


async def test_connections_to_an_upstream_that_is_the_same_are_used_on(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    await door.call(person.access_token)
    write(door, origins=["https://app.example.com"])
    await reload(door)
    await door.call(person.access_token)
    assert (len(upstream.requests), upstream.connections) == (2, 1)


async def test_a_stream_goes_on_and_ends_with_the_patience_for_it(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    begun = asyncio.Event()
    stream: list[Exchange] = []

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        stream.append(exchange)
        begun.set()
        await exchange.closed.wait()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Accept: text/event-stream", method="GET", token=person.access_token))
        await wire.until(b"\r\n\r\n")
        await begun.wait()
        write(door, http={"graceful_timeout": "1s"})
        await reload(door)
        await stream[0].event("after")
        assert b"after" in await wire.until(b"\n\n\r\n")
        assert (await wire.rest()).data.endswith(b"0\r\n\r\n")


async def test_a_revocation_reaches_a_stream_of_the_house_before(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.closed.wait()

    upstream.answer = answer
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Accept: text/event-stream", method="GET", token=person.access_token))
        await wire.until(b"\r\n\r\n")
        write(door, origins=["https://app.example.com"])
        await reload(door)
        client_id = person.flow.client["client_id"]
        await door.post("/revoke", {"token": person.refresh_token, "client_id": client_id})
        assert (await wire.rest()).data.endswith(b"0\r\n\r\n")
    assert (await door.call(person.access_token)).status_code == 401


def told_by(door: Door) -> list[tuple[str, dict[str, Any]]]:
    """What it logs from now on."""
    told: list[tuple[str, dict[str, Any]]] = []
    door.serving._log = lambda event, **facts: told.append((event, facts))
    return told


async def test_a_broken_file_changes_nothing_and_every_fault_is_told(door: Door, person: SignedIn) -> None:
    told = told_by(door)
    write(door, origins=["*"], nonsense=1, listen="127.0.0.1:1")
    await reload(door, changes=False)
    ((event, facts),) = told
    assert event == "reload_refused"
    assert [fault.partition(":")[0] for fault in facts["faults"]] == ["nonsense", "origins[0]"]
    assert (await door.call(person.access_token)).status_code == 200


@pytest.mark.parametrize("key", ["listen", "store", "workers"])
async def test_what_cannot_change_while_it_runs_is_told(door: Door, key: str) -> None:
    told = told_by(door)
    write(door, **{key: {"listen": "127.0.0.1:1", "store": "sqlite:///other.db", "workers": 2}[key]})
    await reload(door, changes=False)
    assert told[0][0] == "reload_refused"
    assert f"{key}: it cannot change while the server runs" in told[0][1]["faults"][0]


async def test_counts_of_unchanged_limits_go_on(door: Door, person: SignedIn) -> None:
    write(door, limits={"mcp": "3/hour"})
    await reload(door)
    statuses = [(await door.call(person.access_token)).status_code for _ in range(2)]
    write(door, origins=["https://app.example.com"])
    await reload(door)
    statuses += [(await door.call(person.access_token)).status_code for _ in range(2)]
    assert statuses == [200, 200, 200, 429]


async def test_a_reload_is_in_the_trail(door: Door) -> None:
    await reload(door)
    write(door, nonsense=1)
    await reload(door, changes=False)
    told = [(e.action, e.outcome, e.reason) for e in await door.house.trail.tail(limit=10)]
    assert ("configuration.reload", "allowed", "") in told
    assert ("configuration.reload", "failed", "nonsense") in told


async def test_old_houses_are_taken_down(door: Door, person: SignedIn) -> None:
    for number in range(3):
        write(door, origins=[f"https://app{number}.example.com"])
        await reload(door)
    async with asyncio.timeout(10):
        while door.serving._retiring:
            await asyncio.sleep(0.05)
    assert (await door.call(person.access_token)).status_code == 200


async def test_a_session_with_a_command_outlives_a_reload(tmp_path: Path) -> None:
    async with odd_door(tmp_path) as door:
        person = await door.sign_in()
        client = await LegacyClient(door, person.access_token).open()
        before = text_of(await client.tool("echo"))["pid"]
        write(door, origins=["https://app.example.com"])
        await reload(door)
        assert text_of(await client.tool("echo"))["pid"] == before
        async with asyncio.timeout(10):
            while door.serving._retiring:
                await asyncio.sleep(0.05)
        assert text_of(await client.tool("echo"))["pid"] == before


async def test_a_server_joins_an_aggregate_by_a_reload(tmp_path: Path) -> None:
    """On the same connection: the address, its sign-in and the servers that were there stay."""
    upstreams = [{**odd(), "name": name} for name in ("main", "other", "late")]
    some = {"enabled": True, "members": ["main", "other"]}
    async with open_door(tmp_path, "", upstreams=upstreams, aggregate=some) as door:
        person = await door.sign_in(resource=f"{door.url}/all/mcp")

        async def tools() -> set[str]:
            answer = await modern(door, person.access_token, "tools/list", url=f"{door.url}/all/mcp")
            return {tool["name"].partition("_")[0] for tool in messages_of(answer)[-1]["result"]["tools"]}

        assert await tools() == {"main", "other"}
        write(door, aggregate={"enabled": True})
        await reload(door)
        assert await tools() == {"main", "other", "late"}


async def test_what_a_kept_connection_said_is_understood_anew(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    write(door, trusted_proxies=["127.0.0.1"])
    await reload(door)
    async with Wire(door.url) as wire:
        await wire.send(request(wire, person, "X-Forwarded-For: 192.0.2.9"))
        await wire.until(b"}}")
        (lane,) = [one for one in door.house.gateway.lanes if one.address() == "192.0.2.9"]
        write(door, trusted_proxies=None, http={"max_head": 4096})
        await reload(door)
        await wire.send(request(wire, person, "X-Forwarded-For: 192.0.2.9"))
        await wire.until(b"}}")
        assert lane.address() == "127.0.0.1"
        await wire.send(request(wire, person, "X-Forwarded-For: 192.0.2.9", f"X-Long: {'x' * 4096}"))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 431")


async def test_a_token_and_a_key_are_two_from_the_moment_that_keys_count(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    write(door, api_keys={"enabled": False})
    await reload(door)
    async with Wire(door.url) as wire:
        both = request(wire, person, "X-API-Key: somebody-elses")
        await wire.send(both)
        assert (await wire.until(b"}}")).startswith(b"HTTP/1.1 200")
        write(door, api_keys={"enabled": True})
        await reload(door)
        assert (await door.call(person.access_token)).status_code == 200
        await wire.send(both)
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 400")


async def test_what_is_still_judged_by_the_house_before_is_judged_by_what_is_revoked_meanwhile(
    door: Door, upstream: RecordingUpstream, person: SignedIn
) -> None:
    begun = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        begun.set()
        await exchange.closed.wait()

    upstream.answer = slow
    before = door.house
    call = asyncio.create_task(door.call(person.access_token))
    await begun.wait()
    write(door, origins=["https://app.example.com"])
    await reload(door)
    client_id = person.flow.client["client_id"]
    await door.post("/revoke", {"token": person.refresh_token, "client_id": client_id})
    shown = Presented(f"Bearer {person.access_token}".encode())
    resource = before.gateway.routes[b"/mcp"].resource

    async def come_in_until_refused() -> None:
        while True:
            before.gateway.doorkeeper.recognize(shown, resource, door.clock().timestamp())
            await asyncio.sleep(0.05)

    with pytest.raises(TokenRevoked):
        await asyncio.wait_for(come_in_until_refused(), 3)
    call.cancel()


async def test_an_authority_that_is_taken_out_of_its_file_is_believed_no_more(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new", "Another authority")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(old.file.read_bytes())
    async with (
        RecordingUpstream(tls=old.server_context("localhost"), name="localhost") as upstream,
        open_door(tmp_path, upstream.url, outbound={"ca_file": str(ca_file)}) as door,
    ):
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 200
        ca_file.write_bytes(new.file.read_bytes())
        assert (await door.call(token)).status_code == 200
        await reload(door)
        assert (await door.call(token)).status_code == 502
        ca_file.write_bytes(b"half of a new file")
        await reload(door, changes=False)
        ca_file.write_bytes(old.file.read_bytes())
        await reload(door)
        assert (await door.call(token)).status_code == 200
