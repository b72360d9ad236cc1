"""Connections to upstreams: sockets, TLS, the pool; and a request that is sent once."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.requests import request_of
from tests.outbound.certificates import DAY, Authority
from tests.support.house import Door, open_door
from vestibule.gateway.sockets import has_news
from vestibule.gateway.upstreams.http import HttpPool
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, json_answer, raw_answer

SOON = {"connect": "1s"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def door_to(folder: Path, url: str, *, ca_file: Path | None = None, **upstream: Any) -> AsyncIterator[Door]:
    keys: dict[str, Any] = {"upstreams": [{"name": "main", "url": url, **upstream}]}
    if ca_file is not None:
        keys["outbound"] = {"ca_file": str(ca_file)}
    async with open_door(folder, url, **keys) as door:
        yield door


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The line of the log about what has just been refused."""
    return next(line for line in capsys.readouterr().out.splitlines() if "mcp_refused" in line)


async def statuses(door: Door, number: int) -> list[int]:
    token = (await door.sign_in()).access_token
    return [(await door.call(token)).status_code for _ in range(number)]


# --- a socket's file ------------------------------------------------------------------------------------------------


async def test_an_upstream_at_a_unix_socket(tmp_path: Path) -> None:
    file = str(tmp_path / "mcp.sock")
    async with (
        RecordingUpstream(file=file) as upstream,
        door_to(tmp_path, "http://tickets/v1/mcp", socket=file) as door,
    ):
        assert await statuses(door, 3) == [200, 200, 200]
        assert upstream.connections == 1
        assert {(one.target, one.header("host")) for one in upstream.requests} == {("/v1/mcp", "tickets")}


async def test_a_socket_whose_server_is_started_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "mcp.sock")
    async with door_to(tmp_path, "http://localhost/mcp", socket=file) as door:
        token = (await door.sign_in()).access_token
        answer = await door.call(token)
        assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (502, "UPSTREAM_UNAVAILABLE")
        assert file not in answer.text
        line = told(capsys)
        assert "FileNotFoundError" in line
        assert file in line
        async with RecordingUpstream(file=file):
            assert (await door.call(token)).status_code == 200


# --- TLS ------------------------------------------------------------------------------------------------------------


async def test_https_is_verified_and_its_connection_kept(tmp_path: Path, authority: Authority) -> None:
    async with (
        RecordingUpstream(tls=authority.server_context("localhost"), name="localhost") as upstream,
        door_to(tmp_path, upstream.url, ca_file=authority.file) as door,
    ):
        assert await statuses(door, 5) == [200] * 5
        assert upstream.connections == 1


async def test_big_bodies_over_tls(tmp_path: Path, authority: Authority) -> None:
    big = b'{"x":"' + b"y" * (3 * 1024 * 1024) + b'"}'
    async with (
        RecordingUpstream(tls=authority.server_context("localhost"), name="localhost") as upstream,
        door_to(tmp_path, upstream.url, ca_file=authority.file) as door,
    ):
        upstream.answer = raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
        answer = await door.call((await door.sign_in()).access_token, content=big)
        assert answer.content == big
        assert upstream.requests[0].body == big


@pytest.mark.parametrize(
    ("names", "options", "cause"),
    [
        (("other.example",), {}, "Hostname mismatch"),
        (("localhost",), {"begins": -2 * DAY, "ends": -DAY}, "expired"),
        (("localhost",), {"begins": DAY, "ends": 2 * DAY}, "not yet valid"),
        (("localhost",), {"self_signed": True}, "self-signed"),
    ],
    ids=["wrong name", "expired", "not yet", "FLT-39 self-signed"],
)
async def test_a_certificate_that_is_wrong(
    tmp_path: Path,
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    options: dict[str, Any],
    cause: str,
) -> None:
    context = authority.server_context(*names, **options)
    async with (
        RecordingUpstream(tls=context, name="localhost") as upstream,
        door_to(tmp_path, upstream.url, ca_file=authority.file) as door,
    ):
        token = (await door.sign_in()).access_token
        answer = await door.call(token)
        assert answer.status_code == 502
        assert upstream.requests == []
        assert cause.lower() in told(capsys).lower()


async def test_an_authority_that_nobody_named(
    tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        RecordingUpstream(tls=authority.server_context("localhost"), name="localhost") as upstream,
        door_to(tmp_path, upstream.url) as door,
    ):
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 502
        assert "certificate verify failed" in told(capsys)


async def test_a_server_that_speaks_no_tls_is_not_spoken_to_without(tmp_path: Path, authority: Authority) -> None:
    async with (
        RecordingUpstream() as upstream,
        door_to(tmp_path, upstream.url.replace("http:", "https:"), ca_file=authority.file, timeouts=SOON) as door,
    ):
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 502
        assert upstream.requests == []


async def test_the_name_is_asked_for_and_http_1_1_is_offered(tmp_path: Path, authority: Authority) -> None:
    """A server with two certificates shows the one for the name that it is asked for."""
    asked: list[str | None] = []
    right, wrong = authority.server_context("localhost"), authority.server_context("other.example")
    right.set_alpn_protocols(["h2", "http/1.1"])

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        asked.append(name)
        connection.context = right if name == "localhost" else wrong

    wrong.sni_callback = choose
    chosen: list[str | None] = []

    async def answer(exchange: Exchange) -> None:
        chosen.append(exchange.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await json_answer({})(exchange)

    async with (
        RecordingUpstream(tls=wrong, name="localhost") as upstream,
        door_to(tmp_path, upstream.url, ca_file=authority.file) as door,
    ):
        upstream.answer = answer
        assert await statuses(door, 1) == [200]
    assert asked == ["localhost"]
    assert chosen == ["http/1.1"]


async def test_upstreams_share_one_context(tmp_path: Path, authority: Authority) -> None:
    made: list[ssl.SSLContext] = []
    async with (
        RecordingUpstream(tls=authority.server_context("localhost"), name="localhost") as one,
        RecordingUpstream(tls=authority.server_context("localhost"), name="localhost") as two,
    ):
        upstreams = [{"name": "one", "url": one.url}, {"name": "two", "url": two.url}]
        outbound = {"ca_file": str(authority.file)}
        async with open_door(tmp_path, one.url, upstreams=upstreams, outbound=outbound) as door:
            for pool in door.house.gateway.pools.values():
                assert isinstance(pool, HttpPool)
                assert pool._dialer._tls is not None
                made.append(pool._dialer._tls())
    assert made[0] is made[1]


# --- the pool -------------------------------------------------------------------------------------------------------


async def test_an_idle_connection_that_was_closed_is_not_used(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A server may close what is idle at any time, and then nobody may be told of it by a 502."""

    async def answer_and_close(exchange: Exchange) -> None:
        await json_answer({})(exchange)
        exchange.writer.close()

    upstream.answer = answer_and_close
    async with door_to(tmp_path, upstream.url) as door:
        token = (await door.sign_in()).access_token
        for _ in range(50):
            assert (await door.call(token)).status_code == 200
            await asyncio.sleep(0.003)
    assert len(upstream.requests) == upstream.connections == 50


@pytest.mark.parametrize("how", ["end", "reset", "speaks"])
async def test_an_end_is_seen_before_the_loop_tells_of_it(
    tmp_path: Path, upstream: RecordingUpstream, how: str
) -> None:
    """The end has come, and what is read next by the loop is a request of ours."""
    writers: list[asyncio.StreamWriter] = []

    async def answer(exchange: Exchange) -> None:
        writers.append(exchange.writer)
        await json_answer({})(exchange)

    upstream.answer = answer
    async with door_to(tmp_path, upstream.url) as door:
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 200
        pool = door.house.gateway.pools["main"]
        assert isinstance(pool, HttpPool)
        (line,) = pool._open
        assert not has_news(line.transport)
        line.idle_since -= 1
        end_at_once(writers[0].get_extra_info("socket"), how)  # the loop has no turn between this and the look
        assert any(has_news(line.transport) for _ in range(10_000))
        assert pool.take(request_of(line.tenant)) is None


def end_at_once(one: socket.socket, how: str) -> None:
    with socket.socket(fileno=one.dup().detach()) as copy:
        if how == "speaks":
            copy.send(b"HTTP/1.1 200 OK\r\n\r\n")
        elif how == "end":
            copy.shutdown(socket.SHUT_WR)
        else:
            copy.shutdown(socket.SHUT_RDWR)


async def test_a_request_that_may_have_been_read_is_not_sent_again(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The upstream takes a request and dies: it may have done what it was asked to."""
    answers = 0

    async def once(exchange: Exchange) -> None:
        nonlocal answers
        answers += 1
        if answers % 2:
            await json_answer({})(exchange)
        else:
            exchange.writer.transport.abort()

    upstream.answer = once
    async with door_to(tmp_path, upstream.url) as door:
        assert await statuses(door, 6) == [200, 502] * 3
    assert len(upstream.requests) == 6
    assert upstream.garbage == []


async def test_connections_stay_quick_and_are_watched(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """No waiting for more to send (Nagle), and an end that nobody tells of is found out, on both sides."""
    async with door_to(tmp_path, upstream.url) as door:
        token = (await door.sign_in()).access_token
        sockets: list[socket.socket] = []

        async def look(exchange: Exchange) -> None:
            (lane,) = {one.lane for one in door.house.gateway.exchanges}
            (line,) = door.house.gateway.pools["main"]._open  # type: ignore[attr-defined]
            sockets.extend(one.transport.get_extra_info("socket") for one in (lane, line))
            for one in sockets:
                assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
                assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
            await json_answer({})(exchange)

        upstream.answer = look
        assert (await door.call(token)).status_code == 200
    assert len(sockets) == 2


# --- names with several addresses -----------------------------------------------------------------------------------


async def test_every_address_of_a_name_is_tried(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncio.BaseEventLoop.getaddrinfo
    port = upstream.port

    async def several(loop: asyncio.BaseEventLoop, host: str, *args: Any, **more: Any) -> Any:
        if host != "several.test":
            return await real(loop, host, *args, **more)
        made = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*made, ("127.0.0.2", 9)), (*made, ("127.0.0.3", 9)), (*made, ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", several)
    async with door_to(tmp_path, f"http://several.test:{port}/mcp") as door:
        assert await statuses(door, 2) == [200, 200]


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(
    tmp_path: Path, upstream: RecordingUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncio.BaseEventLoop.getaddrinfo
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clogs = [socket.socket() for _ in range(3)]
        for clog in clogs:
            clog.setblocking(False)
            clog.connect_ex(full.getsockname())
        swallowing, port = full.getsockname()[1], upstream.port

        async def several(loop: asyncio.BaseEventLoop, host: str, *args: Any, **more: Any) -> Any:
            if host != "several.test":
                return await real(loop, host, *args, **more)
            made = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*made, ("127.0.0.1", swallowing)), (*made, ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", several)
        async with door_to(tmp_path, f"http://several.test:{port}/mcp", timeouts=SOON) as door:
            assert await statuses(door, 1) == [200]
        for clog in clogs:
            clog.close()


async def test_no_address_in_time_is_told_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        clogs = [socket.socket() for _ in range(3)]
        for clog in clogs:
            clog.setblocking(False)
            clog.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/mcp"
        async with door_to(tmp_path, url, timeouts=SOON) as door:
            token = (await door.sign_in()).access_token
            assert (await door.call(token)).status_code == 502
            assert "not connected within 1 s" in told(capsys)
        for clog in clogs:
            clog.close()
