"""The guarded GET against real servers on loopback: where it connects to, what it sends, when it stops."""

import asyncio
import gc
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound import AddressGuard, GuardedFetcher
from vestibule.outbound.fetcher import CONCURRENT_PER_HOST
from vestibule.testing.scripted_http import (
    Answer,
    Exchange,
    ReceivedRequest,
    ScriptedServer,
    cut,
    disconnect,
    drip,
    garbage,
    hang,
    huge,
)

from .certificates import DAY, Authority

CAP = 5 * 1024
DOCUMENT = b'{"client_id": "..."}'


class DocumentServer(ScriptedServer):
    """Answers every path with `answer`,."""

    answer = Answer(200, DOCUMENT, {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "max-age=60"})

    async def respond(self, request: ReceivedRequest) -> Answer:
        return self.answer


class Names:
    """A resolver with a script: one list of addresses for each time it is asked; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


MakeFetcher = Callable[..., GuardedFetcher]


@pytest.fixture
def fetcher_for(ca_file: Path) -> MakeFetcher:
    """Loopback is open, every name leads there, and the authority of the tests is known; unless told otherwise."""

    def make(
        resolver: Names | None = None,
        *,
        allowed: Sequence[str] = ("127.0.0.0/8",),
        ca: Path | None = ca_file,
        deadline: float = 10,
    ) -> GuardedFetcher:
        return GuardedFetcher(
            guard=AddressGuard(allowed),
            resolver=resolver or Names(["127.0.0.1"]),
            extra_ca_file=ca,
            deadline=timedelta(seconds=deadline),
        )

    return make


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[DocumentServer]:
    async with DocumentServer(tls=authority.server_context("docs.example", "127.0.0.1")) as running:
        yield running


@pytest.fixture
async def canary() -> AsyncIterator[DocumentServer]:
    """Nobody may come here."""
    async with DocumentServer() as running:
        yield running
        assert running.connections == 0


def url_at(server: ScriptedServer, path: str = "/client.json", host: str = "docs.example") -> str:
    return f"https://{host}:{server.port}{path}"


async def refusal(fetcher: GuardedFetcher, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch(url, cap=CAP)
    assert caught.value.message == "The document could not be fetched."  # one text for every cause
    assert caught.value.action == ""
    assert caught.value.detail
    return caught.value


# --- what is sent, and where to -------------------------------------------------------------------------------------


async def test_a_document(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    document = await fetcher_for().fetch(url_at(server), cap=CAP)
    assert (document.url, document.body) == (url_at(server), DOCUMENT)
    assert document.content_type == "application/json; charset=utf-8"
    assert document.headers["cache-control"] == "max-age=60"


async def test_the_request_names_the_host_and_nothing_of_ours(
    fetcher_for: MakeFetcher, server: DocumentServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine docs.example login me password secret\ndefault login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    await fetcher_for().fetch(url_at(server, "/a%2Fb/c;d=1?x=%20y&&z"), cap=CAP)
    (request,) = server.received
    assert (request.method, request.path, request.query["x"]) == ("GET", "/a%2Fb/c;d=1", " y")
    assert dict(request.headers) == {
        "host": f"docs.example:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "Vestibule",
        "connection": "close",
    }


async def test_the_path_goes_out_to_the_letter(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    for path in ("/a//b/", "/%E4%bd%A0", "/~x/'(y)*!", "/a?b?c/../d", "/.well-known/x..y/...", "/a%25b"):
        await fetcher_for().fetch(url_at(server, path), cap=CAP)
        assert server.received[-1].target == path


async def test_names_reach_the_server_by_sni(fetcher_for: MakeFetcher, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.server_context("docs.example", "127.0.0.1")
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with DocumentServer(tls=context) as server:
        await fetcher_for().fetch(url_at(server), cap=CAP)
        await fetcher_for().fetch(url_at(server, host="DOCS.example."), cap=CAP)
        await fetcher_for().fetch(url_at(server, host="127.0.0.1"), cap=CAP)
    assert asked == ["docs.example", "docs.example", None]  # an address is no server name (RFC 6066 §3)
    assert [request.headers["host"] for request in server.received] == [
        f"docs.example:{server.port}",
        f"docs.example:{server.port}",
        f"127.0.0.1:{server.port}",
    ]


async def test_the_default_port_is_not_in_the_host_header() -> None:
    from vestibule.outbound.fetcher import _read_url

    assert _read_url("https://c.example/x").authority("c.example") == "c.example"
    assert _read_url("https://c.example:444/x").authority("c.example") == "c.example:444"
    assert _read_url("https://[::1]/x").authority("::1") == "[::1]"


async def test_it_connects_to_the_address_that_was_checked_and_asks_no_second_time(
    fetcher_for: MakeFetcher, authority: Authority, no_names_leave_this_machine: list[str]
) -> None:
    """DNS rebinding: the second answer would be another place, on the same port."""
    context = authority.server_context("docs.example")
    async with AsyncExitStack() as stack:
        right = await stack.enter_async_context(DocumentServer(host="127.0.0.2", tls=context))
        wrong = await stack.enter_async_context(DocumentServer(host="127.0.0.1", port=right.port, tls=context))
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        await fetcher_for(names).fetch(url_at(right), cap=CAP)
        assert (len(right.received), wrong.connections) == (1, 0)
    assert names.asked == ["docs.example"]
    assert no_names_leave_this_machine == []


@pytest.mark.parametrize("answers", [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "::1"], []])
async def test_mixed_answers_are_refused_before_anything_is_sent(
    fetcher_for: MakeFetcher, server: DocumentServer, answers: list[str]
) -> None:
    assert isinstance(await refusal(fetcher_for(Names(answers)), url_at(server)), FetchRefused)
    assert server.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "0x7f000001", "2130706433", "0177.0.0.1"),
        *("localhost", "localhost.", "docs.example", "metadata.google.internal", "127.0.0.1."),
    ],
)
async def test_nothing_leads_to_loopback_unless_it_was_opened(
    fetcher_for: MakeFetcher, server: DocumentServer, host: str
) -> None:
    fetcher = fetcher_for(allowed=())
    assert isinstance(await refusal(fetcher, url_at(server, host=host)), FetchRefused)
    assert server.connections == 0


async def test_open_and_closed_ports_look_alike(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    fetcher = fetcher_for(allowed=())
    closed = url_at(server).replace(str(server.port), "9")
    errors = [await refusal(fetcher, url) for url in (url_at(server), closed)]
    assert type(errors[0]) is type(errors[1]) is FetchRefused


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://docs.example/x",
            "ftp://docs.example/x",
            "file:///etc/passwd",
            "HTTPS://docs.example/x",
            "docs.example/x",
        ),
        *(
            "https://docs.example",
            "https:///x",
            "https:/docs.example/x",
            "https://docs.example?x",
            "https://docs.example#x",
        ),
        *("https://me@docs.example/x", "https://me:secret@docs.example/x", "https://docs.example\\@evil.example/x"),
        *(
            "https://docs.example/x#f",
            "https://docs.example/x y",
            "https://docs.example/x\n",
            " https://docs.example/x",
        ),
        *(
            "https://docs.example/a/../x",
            "https://docs.example/./x",
            "https://docs.example/%2e%2E/x",
            "https://docs.example/..",
        ),
        *(
            "https://docs.example/.%2e?x",
            "https://docs.example/%zz",
            "https://docs.example/%",
            "https://docs.exämple/x",
        ),
        *(
            "https://docs.example/ä",
            "https://docs.example:0/x",
            "https://docs.example:65536/x",
            "https://docs.example:x/x",
        ),
        *("https://docs.example:/x", "https://docs_example/x", "https://docs%2eexample/x", "https://[::1%25lo]/x", ""),
        *(
            "https://docs.example:443:443/x",
            "https://docs.example/\x00",
            "https://docs.example/\r\nHost: x",
            "https://１.１/x",
        ),
    ],
)
async def test_a_url_that_can_be_read_in_two_ways_is_not_even_resolved(fetcher_for: MakeFetcher, url: str) -> None:
    names = Names(["127.0.0.1"])
    assert isinstance(await refusal(fetcher_for(names), url), FetchRefused)
    assert names.asked == []


async def test_a_host_that_lacks_a_family_is_reached_by_the_other(
    fetcher_for: MakeFetcher, server: DocumentServer
) -> None:
    """Nobody listens at the first address; three refusing ones would be too many."""
    fetcher = fetcher_for(Names(["127.0.0.9", "127.0.0.1"]))
    assert (await fetcher.fetch(url_at(server), cap=CAP)).body == DOCUMENT
    await refusal(fetcher_for(Names(["127.0.0.9", "127.0.0.8", "127.0.0.1"])), url_at(server))
    assert len(server.received) == 1


def test_the_second_address_is_of_the_other_family_if_there_is_one() -> None:
    from vestibule.outbound.fetcher import _to_try

    addresses = tuple(map(ip_address, ("2606::1", "2606::2", "1.1.1.1", "1.0.0.1")))
    assert [str(address) for address in _to_try(addresses)] == ["2606::1", "1.1.1.1"]
    assert [str(address) for address in _to_try(addresses[:2])] == ["2606::1", "2606::2"]
    assert [str(address) for address in _to_try(addresses[:1])] == ["2606::1"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY"])
async def test_proxies_of_the_environment_are_not_used(
    fetcher_for: MakeFetcher,
    server: DocumentServer,
    canary: DocumentServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, canary.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await fetcher_for().fetch(url_at(server), cap=CAP)).body == DOCUMENT
    await refusal(fetcher_for(allowed=()), url_at(server))


async def test_no_cookie_comes_back(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    server.answer = Answer(200, DOCUMENT, {"Set-Cookie": "a=b; Path=/"})
    fetcher = fetcher_for()
    for _ in range(2):
        await fetcher.fetch(url_at(server), cap=CAP)
    assert "cookie" not in server.received[1].headers


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", ["self-signed", "another name", "expired", "not yet valid", "another authority", "none"]
)
async def test_tls_errors_are_failures(
    fetcher_for: MakeFetcher, authority: Authority, tmp_path: Path, wrong: str
) -> None:
    def context_for() -> ssl.SSLContext | None:
        match wrong:
            case "self-signed":
                return authority.server_context("docs.example", self_signed=True)
            case "another name":
                return authority.server_context("other.example", "127.0.0.1")
            case "expired":
                return authority.server_context("docs.example", begins=-2 * DAY, ends=-DAY)
            case "not yet valid":
                return authority.server_context("docs.example", begins=DAY, ends=2 * DAY)
            case "another authority":
                return Authority(tmp_path).server_context("docs.example")
            case _:
                return None

    context = context_for()
    async with DocumentServer(tls=context) as server:
        await refusal(fetcher_for(deadline=2), url_at(server))
        assert server.received == []
        assert server.connections == (0 if context else 1)  # counted when TLS is there, if there is any


async def test_an_authority_counts_only_when_the_operator_named_it(
    fetcher_for: MakeFetcher, server: DocumentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refusal(fetcher_for(ca=None), url_at(server))
    assert server.received == []


async def test_a_certificate_file_that_is_not_there_is_a_failure_too(fetcher_for: MakeFetcher, tmp_path: Path) -> None:
    error = await refusal(fetcher_for(ca=tmp_path / "nothing.pem"), "https://docs.example/x")
    assert "nothing.pem" in error.detail


# --- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 404, 500, 503])
async def test_only_200_is_an_answer_and_no_redirect_is_followed(
    fetcher_for: MakeFetcher, server: DocumentServer, canary: DocumentServer, status: int
) -> None:
    body = b"" if status in (204, 304) else DOCUMENT
    server.answer = Answer(status, body, {"Location": f"{canary.origin}/secret"})
    assert f"status {status}" in (await refusal(fetcher_for(), url_at(server))).detail
    assert len(server.received) == 1


async def test_exactly_the_cap_is_not_too_long(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    server.answer = Answer(200, b"x" * CAP)
    assert len((await fetcher_for().fetch(url_at(server), cap=CAP)).body) == CAP
    server.answer = Answer(200, b"x" * (CAP + 1))
    assert isinstance(await refusal(fetcher_for(), url_at(server)), FetchRefused)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_without_end_is_left_at_the_cap(
    fetcher_for: MakeFetcher, server: DocumentServer, chunked: bool
) -> None:
    server.faults["/client.json"] = huge(100 * 1024 * 1024, chunked=chunked)
    assert "longer than" in (await refusal(fetcher_for(), url_at(server))).detail
    await server.stop()
    assert server.bytes_sent < 8 * 1024 * 1024  # what the buffers of two sockets hold


async def test_a_body_that_says_it_is_too_long_is_not_waited_for(
    fetcher_for: MakeFetcher, server: DocumentServer
) -> None:
    async def only_a_head(exchange: Exchange) -> bool:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (CAP + 1)
        )
        return await hang(exchange)

    server.faults["/client.json"] = only_a_head
    assert "longer than" in (await refusal(fetcher_for(), url_at(server))).detail


async def test_a_body_that_ends_with_the_connection_is_capped_as_well(
    fetcher_for: MakeFetcher, server: DocumentServer
) -> None:
    async def until_closed(exchange: Exchange) -> bool:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(10_000):
            await exchange.send(b" " * 10_000)
        return False

    server.faults["/client.json"] = until_closed
    assert "longer than" in (await refusal(fetcher_for(), url_at(server))).detail


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "x"])
async def test_a_compressed_answer_is_not_unpacked(
    fetcher_for: MakeFetcher, server: DocumentServer, coding: str
) -> None:
    server.answer = Answer(200, DOCUMENT, {"Content-Encoding": coding})
    assert "compressed" in (await refusal(fetcher_for(), url_at(server))).detail


@pytest.mark.parametrize("fault", [cut, garbage, disconnect])
async def test_half_an_answer_is_none(fetcher_for: MakeFetcher, server: DocumentServer, fault: object) -> None:
    server.faults["/client.json"] = fault  # type: ignore[assignment]
    error = await refusal(fetcher_for(), url_at(server))
    assert not isinstance(error, FetchRefused)
    assert len(server.received) == 1  # nothing is tried again


@pytest.mark.parametrize("length", ["-1", "abc", "1, 2", "99999999999999999999999999"])
async def test_a_length_that_is_none(fetcher_for: MakeFetcher, server: DocumentServer, length: str) -> None:
    server.answer = Answer(200, DOCUMENT, {"Content-Length": length})
    await refusal(fetcher_for(), url_at(server))


async def test_headers_without_end(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    async def headers(exchange: Exchange) -> bool:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(100_000):
            await exchange.send(b"X-%d: %s\r\n" % (number, b"x" * 1000))
        return False

    server.faults["/client.json"] = headers
    await refusal(fetcher_for(), url_at(server))
    await server.stop()
    assert server.bytes_sent < 8 * 1024 * 1024


# --- how long -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [hang, drip(0.02)], ids=["hang", "drip"])
async def test_the_deadline_is_for_all_of_it(fetcher_for: MakeFetcher, server: DocumentServer, fault: object) -> None:
    server.faults["/client.json"] = fault  # type: ignore[assignment]
    begun = time.monotonic()
    await refusal(fetcher_for(deadline=0.5), url_at(server))
    assert time.monotonic() - begun < 5
    assert await gone(server)


async def test_it_is_for_the_name_server(fetcher_for: MakeFetcher) -> None:
    class Slow(Names):
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            await asyncio.sleep(60)
            return []

    await refusal(fetcher_for(Slow([]), deadline=0.2), "https://docs.example/x")


async def test_it_is_for_the_handshake(fetcher_for: MakeFetcher) -> None:
    """And nothing stays open until the garbage collector comes by."""
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)  # until the other side closes
        writer.close()
        ended.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gc.disable()
    try:
        await refusal(fetcher_for(deadline=0.5), f"https://docs.example:{port}/x")
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        gc.enable()
        server.close()


async def test_a_caller_who_gives_up_leaves_nothing_open(fetcher_for: MakeFetcher, server: DocumentServer) -> None:
    server.faults["/client.json"] = hang
    fetcher = fetcher_for()
    fetching = asyncio.create_task(fetcher.fetch(url_at(server), cap=CAP))
    while not server.received:
        await asyncio.sleep(0.01)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert await gone(server)
    server.faults.clear()
    assert (await fetcher.fetch(url_at(server), cap=CAP)).body == DOCUMENT  # its place is free again


async def gone(server: ScriptedServer) -> bool:
    """Whether every connection has ended, soon."""
    for _ in range(200):
        if not server.open_connections:
            return True
        await asyncio.sleep(0.02)
    return False


# --- how many -------------------------------------------------------------------------------------------------------


async def test_a_slow_host_takes_its_own_places_only(
    fetcher_for: MakeFetcher, server: DocumentServer, authority: Authority
) -> None:
    server.faults["/client.json"] = hang
    fetcher = fetcher_for(deadline=3)
    slow = [asyncio.create_task(fetcher.fetch(url_at(server), cap=CAP)) for _ in range(30)]
    while len(server.received) < CONCURRENT_PER_HOST:
        await asyncio.sleep(0.01)
    async with DocumentServer(tls=authority.server_context("other.example")) as other:
        document = await fetcher.fetch(url_at(other, host="other.example"), cap=CAP)
    assert document.body == DOCUMENT
    assert len(server.received) == server.open_connections == CONCURRENT_PER_HOST
    for task in slow:
        task.cancel()
    assert all(
        isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*slow, return_exceptions=True)
    )
    assert fetcher._places._hosts == {}


# --- what it costs who never uses it --------------------------------------------------------------------------------


def test_the_http_client_is_loaded_at_the_first_fetch() -> None:
    program = (
        "import sys\n"
        "from vestibule.outbound import AddressGuard, GuardedFetcher, OutboundClient, resolve\n"
        "GuardedFetcher(guard=AddressGuard(), resolver=resolve), OutboundClient()\n"
        "print([name for name in ('httpx2', 'httpcore2', 'h11', 'truststore') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"
