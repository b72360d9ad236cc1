"""The plain client for identity providers, against real servers on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound import OutboundClient
from vestibule.testing.scripted_http import (
    Answer,
    Fault,
    ReceivedRequest,
    ScriptedServer,
    cut,
    disconnect,
    drip,
    garbage,
    hang,
    huge,
)

from .certificates import Authority


class Endpoint(ScriptedServer):
    answer = Answer(200, {"a": 1})

    async def respond(self, request: ReceivedRequest) -> Answer:
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    async with Endpoint() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    made = OutboundClient()
    yield made
    await made.close()


class Connections:
    """How often a connection was tried; the first `failing` ones come to nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: int = 0) -> None:
        self.tried = 0
        real = anyio.connect_tcp

        async def connect_tcp(*args: object, **options: object) -> object:
            self.tried += 1
            if self.tried <= failing:
                raise ConnectionRefusedError
            return await real(*args, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(anyio, "connect_tcp", connect_tcp)


async def test_get(client: OutboundClient, server: Endpoint) -> None:
    answer = await client.get(f"{server.origin}/a?b=c", headers={"X-Test": "1"})
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    (request,) = server.received
    assert (request.method, request.target, request.headers["x-test"]) == ("GET", "/a?b=c", "1")
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"


async def test_post_form(client: OutboundClient, server: Endpoint) -> None:
    form = {"code": "a+b/c=&d", "redirect_uri": "https://c.example/cb?x=ü"}
    await client.post_form(f"{server.origin}/token", form, headers={"Authorization": "Basic eDp5"})
    (request,) = server.received
    assert request.method == "POST"
    assert request.form == form
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == "Basic eDp5"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 500])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(
    client: OutboundClient, server: Endpoint, status: int
) -> None:
    server.answer = Answer(status, {}, {"Location": f"{server.origin}/other"})
    assert (await client.get(f"{server.origin}/a")).status == status
    assert [request.path for request in server.received] == ["/a"]


async def test_over_https_with_the_operators_authority_only(authority: Authority) -> None:
    async with Endpoint(tls=authority.server_context("localhost", "127.0.0.1")) as server:
        knowing, ignorant = OutboundClient(extra_ca_file=authority.file), OutboundClient()
        assert (await knowing.get(f"https://localhost:{server.port}/")).status == 200
        with pytest.raises(FetchError) as caught:
            await ignorant.get(f"https://localhost:{server.port}/")
        assert "CERTIFICATE_VERIFY_FAILED" in caught.value.detail
        await knowing.close()
        await ignorant.close()


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/", "http://idp.example/", "http://localhost.example/", "http://127.0.0.1.example/"),
        *("ftp://127.0.0.1/", "file:///etc/passwd", "//127.0.0.1/", "127.0.0.1", "https://", "https:///x", ""),
        *("https://me:secret@idp.example/", "http://x@127.0.0.1/", "https://idp.example/#f", "https://idp.example:0/"),
        *("https://idp.example:99999/", "https://idp.example/ x", "https://idp.example/\n", "https://ïdp.example/"),
        *("http://[::ffff:10.0.0.1]/", "https://[::1/"),
    ],
)
async def test_addresses_that_cannot_be_used(
    client: OutboundClient, url: str, no_names_leave_this_machine: list[str]
) -> None:
    for calling in (client.get(url), client.post_form(url, {})):
        with pytest.raises(FetchRefused):
            await calling
    assert no_names_leave_this_machine == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_plain_http_is_for_this_computer(client: OutboundClient, server: Endpoint, host: str) -> None:
    assert (await client.get(f"http://{host}:{server.port}/")).status == 200


async def test_the_environment_has_no_say(
    client: OutboundClient, server: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with Endpoint() as canary:
        for variable in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, canary.origin)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        await client.get(f"{server.origin}/")
        assert canary.connections == 0
    assert "authorization" not in server.received[0].headers


async def test_one_persons_cookie_is_not_sent_for_another(client: OutboundClient, server: Endpoint) -> None:
    server.answer = Answer(200, {}, {"Set-Cookie": "session=ada; Path=/"})
    for _ in range(2):
        await client.get(f"{server.origin}/")
    assert "cookie" not in server.received[1].headers


# --- what is read ---------------------------------------------------------------------------------------------------


async def test_the_cap(server: Endpoint) -> None:
    client = OutboundClient(cap=1000)
    server.answer = Answer(200, b"x" * 1000)
    assert len((await client.get(f"{server.origin}/")).body) == 1000
    server.answer = Answer(200, b"x" * 1001)
    with pytest.raises(FetchRefused, match="could not be read"):
        await client.get(f"{server.origin}/")
    server.answer = Answer(200, b"x")
    assert (await client.get(f"{server.origin}/")).body == b"x"
    await client.close()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_gigabyte_is_left_at_the_cap(client: OutboundClient, server: Endpoint, chunked: bool) -> None:
    server.faults["/keys"] = huge(chunked=chunked)
    with pytest.raises(FetchRefused):
        await client.get(f"{server.origin}/keys")
    await server.stop()
    assert server.bytes_sent < 16 * 1024 * 1024


async def test_a_compressed_answer_is_not_unpacked(client: OutboundClient, server: Endpoint) -> None:
    server.answer = Answer(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    with pytest.raises(FetchRefused) as caught:
        await client.get(f"{server.origin}/")
    assert "compressed" in caught.value.detail


@pytest.mark.parametrize("fault", [cut, garbage, disconnect], ids=lambda fault: fault.__name__)
async def test_half_an_answer_is_none_and_nothing_is_sent_twice(
    client: OutboundClient, server: Endpoint, fault: Fault
) -> None:
    server.faults["/x"] = fault
    for calling in (client.get(f"{server.origin}/x"), client.post_form(f"{server.origin}/x", {"code": "once"})):
        with pytest.raises(FetchError):
            await calling
    assert [request.method for request in server.received] == ["GET", "POST"]


# --- how long, and how often ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [hang, drip(0.02)], ids=["hang", "drip"])
async def test_the_deadline_is_for_all_of_it(server: Endpoint, fault: Fault) -> None:
    client = OutboundClient(deadline=timedelta(seconds=0.3))
    server.faults["/x"] = fault
    begun = time.monotonic()
    with pytest.raises(FetchError, match="in time"):
        await client.get(f"{server.origin}/x")
    assert time.monotonic() - begun < 5
    server.faults.clear()
    assert (await client.get(f"{server.origin}/x")).status == 200
    await client.close()


async def test_a_get_is_tried_once_more_when_no_connection_came_about(
    client: OutboundClient, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(monkeypatch, failing=1)
    assert (await client.get(f"{server.origin}/")).status == 200
    assert connections.tried == 2


async def test_and_not_more_than_once(
    client: OutboundClient, server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections(monkeypatch, failing=9)
    with pytest.raises(FetchError):
        await client.get(f"{server.origin}/")
    assert connections.tried == 2


async def test_a_post_never_is(client: OutboundClient, server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(monkeypatch, failing=1)
    with pytest.raises(FetchError):
        await client.post_form(f"{server.origin}/", {"code": "once"})
    assert (connections.tried, server.received) == (1, [])


async def test_connections_are_used_again_until_closed(client: OutboundClient, server: Endpoint) -> None:
    for _ in range(3):
        await client.get(f"{server.origin}/")
    assert (server.connections, server.open_connections) == (1, 1)
    await client.close()
    for _ in range(100):
        if not server.open_connections:
            break
        await asyncio.sleep(0.01)
    assert server.open_connections == 0
    assert (await client.get(f"{server.origin}/")).status == 200  # as if it were new


async def test_a_storm_waits_its_turn(client: OutboundClient, server: Endpoint) -> None:
    answers = await asyncio.gather(*[client.get(f"{server.origin}/{number}") for number in range(100)])
    assert {answer.status for answer in answers} == {200}
    assert server.connections <= 20


async def test_the_log_has_no_query_and_no_form(client: OutboundClient, server: Endpoint) -> None:
    await server.stop()
    with pytest.raises(FetchError) as caught:
        await client.post_form(f"{server.origin}/token?key=in-the-query", {"code": "in-the-form"})
    error = caught.value
    assert "/token" in error.detail
    assert "in-the" not in f"{error.message} {error.detail} {error!r}"


async def test_plain_http_goes_only_to_the_hosts_that_are_named() -> None:
    """192.0.2.1 is an address of documents (RFC 5737): asking it is allowed here, and nobody answers."""
    client = OutboundClient(plain_hosts=["192.0.2.1"], deadline=timedelta(seconds=0.2))
    for url in ("http://192.0.2.2/", "http://192.0.2.1.evil.example/", "http://evil.example/", "http://192.0.2.1@a.b/"):
        with pytest.raises(FetchRefused):
            await client.get(url)
    with pytest.raises(FetchError) as failed:
        await client.get("http://192.0.2.1/metadata")
    assert not isinstance(failed.value, FetchRefused)
    await client.close()


async def test_a_json_body_is_sent_once() -> None:
    async with ScriptedServer() as server:
        client = OutboundClient()
        answer = await client.send_json("DELETE", f"{server.origin}/a", {"access_token": "t"}, headers={"X-A": "b"})
        await client.close()
    (request,) = server.received
    assert (request.method, request.body, answer.status) == ("DELETE", b'{"access_token":"t"}', 404)
    assert (request.headers["content-type"], request.headers["x-a"]) == ("application/json", "b")
