"""The gateway as a proxy: nothing of the caller behind the door. Framings are in `test_smuggling`."""

import asyncio
import json
from itertools import product
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, open_door
from tests.support.stdio import LegacyClient, modern, odd_door, sign_in_as, text_of, tool
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange, RecordingUpstream, json_answer, raw_answer

BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def code_of(answer: object) -> str:
    return str(answer.json()["error"]["data"]["error_code"])  # type: ignore[attr-defined]


@vector("PROXY-007")
@pytest.mark.parametrize("request_line", ["POST /mcp HTTP/1.1\n", "POST /mcp HTTP/1.1\r\n", "POST\t/mcp HTTP/1.1\r\n"])
async def test_bare_line_feeds(vector: str, door: Door, upstream: RecordingUpstream, request_line: str) -> None:
    async with Wire(door.url) as wire:
        await wire.send(request_line.encode() + f"Host: {wire.host}\nContent-Length: 0\n\n".encode())
        answer = await wire.rest()
    assert answer.status == 400
    assert answer.closed


@vector("PROXY-013", "PROXY-036")
@pytest.mark.parametrize(
    "request_line",
    [
        "GET http://127.0.0.1:9/mcp HTTP/1.1",
        "CONNECT 127.0.0.1:9 HTTP/1.1",
        "GET //127.0.0.1:9/mcp HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /mcp HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET /mcp HTTP/1.0",
    ],
)
async def test_targets_of_other_kinds(vector: str, door: Door, upstream: RecordingUpstream, request_line: str) -> None:
    async with Wire(door.url) as wire:
        await wire.send(f"{request_line}\r\nHost: {wire.host}\r\nConnection: close\r\n\r\n".encode())
        answer = await wire.rest()
    assert answer.status in (400, 401, 404, 405)
    assert upstream.connections == 0


@vector("PROXY-036")
async def test_an_upgrade_is_not_tunnelled(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        lines = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA")
        await wire.send(head(wire.host, *lines, method="GET", token=token) + b"PRI * HTTP/2.0\r\n\r\n")
        answer = await wire.rest()
    assert answer.status in (200, 400)
    assert b"101" not in answer.data[:20]
    for request in upstream.requests:
        assert not request.names() & {"upgrade", "http2-settings"}
    assert upstream.garbage == []


@vector("PROXY-036")
async def test_expect_100_continue_comes_after_the_sign_in(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token
    for presented, first in ((None, b"HTTP/1.1 401"), (token, b"HTTP/1.1 100 Continue")):
        async with Wire(door.url) as wire:
            await wire.send(head(wire.host, "Expect: 100-continue", f"Content-Length: {len(BODY)}", token=presented))
            assert (await wire.until(b"\r\n")).startswith(first)
            if presented:
                await wire.until(b"\r\n")
                await wire.send(BODY)
                assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 200")


@vector("PROXY-036")
async def test_a_pipelined_request_is_not_mixed_with_the_first(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        one = head(wire.host, f"Content-Length: {len(BODY)}", token=token) + BODY
        await wire.send(one + one)
        answer = await wire.rest()
    assert answer.status == 200
    assert answer.closed
    assert answer.data.count(b"HTTP/1.1 200") == len(upstream.requests) == 1


async def test_a_connection_is_kept_for_the_next_request(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        for presented in (token, None, token, "wrong", token):
            await wire.send(head(wire.host, f"Content-Length: {len(BODY)}", token=presented) + BODY)
            answer_head = await wire.until(b"\r\n\r\n")
            length = int(answer_head.split(b"content-length: ")[1].split(b"\r\n")[0])
            await wire.reader.readexactly(length)
            assert answer_head.startswith(b"HTTP/1.1 200" if presented == token else b"HTTP/1.1 401")
    assert len(upstream.requests) == 3
    assert upstream.connections == 1


IDENTITY = [
    "Authorization",
    "Cookie",
    "Proxy-Authorization",
    "X-Forwarded-For",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Host",
    "Forwarded",
    "X-Real-IP",
    "X-Auth-Request-User",
    "X-Remote-User",
    "Remote-User",
    "X-User",
    "X-User-Id",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Name",
    "X-Amzn-Oidc-Data",
    "X-Goog-IAP-JWT-Assertion",
    "X-Functions-Key",
    "Ocp-Apim-Subscription-Key",
    "Api-Key",
    "X-Original-URL",
    "X-HTTP-Method-Override",
    "DPoP",
    "Cf-Access-Jwt-Assertion",
    "Tailscale-User-Login",
]


@vector("PROXY-004", "PROXY-005")
@pytest.mark.parametrize("spelling", [str, str.upper, lambda name: name.replace("-", "_")], ids=["as-is", "upper", "_"])
async def test_nothing_that_says_who_the_caller_is_passes(
    vector: str, door: Door, upstream: RecordingUpstream, spelling: object
) -> None:
    token = (await door.sign_in()).access_token
    names = [spelling(name) for name in IDENTITY if name != "Authorization"]  # type: ignore[operator]
    async with Wire(door.url) as wire:
        lines = [f"{name}: canary" for name in names]
        await wire.send(head(wire.host, *lines, f"Content-Length: {len(BODY)}", token=token) + BODY)
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 200")
    (request,) = upstream.requests
    assert b"canary" not in request.head
    assert token.encode() not in request.head


@vector("PROXY-005")
async def test_hop_by_hop_headers_end_here_and_ours_cannot_be_removed(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    credential = {"kind": "static", "header": "X-Functions-Key", "value": "inner-key-of-the-house"}
    upstreams = [{"name": "main", "url": upstream.url, "credential": credential}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        token = (await door.sign_in()).access_token
        headers = {
            "Connection": "close, X-Functions-Key, Accept-Language, Mcp-Method",
            "X-Functions-Key": "from the client",
            "X_Functions_Key": "from the client",
            "Mcp-Mine": "1",
            "Accept-Language": "fr",
            "Keep-Alive": "1",
            "TE": "trailers",
            "X-Made-Up": "1",
            "Mcp-Param-Region": "eu",
            "traceparent": "00-0-0-00",
        }
        assert (await door.call(token, headers=headers)).status_code == 200
    (request,) = upstream.requests
    assert request.header("x-functions-key") == "inner-key-of-the-house"
    assert b"from the client" not in request.head
    assert not request.names() & {"accept-language", "x-made-up", "keep-alive", "te", "connection"}
    assert request.names() >= {"mcp-mine", "mcp-param-region", "traceparent", "mcp-method", "mcp-protocol-version"}


@vector("PROXY-004")
async def test_what_an_upstream_says_of_its_own_origin_stays_there(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    upstream.answer = json_answer(
        {},
        headers=(
            "Set-Cookie: __Host-vestibule_session=evil; Path=/",
            "Set_Cookie: x=y",
            "Access-Control-Allow-Origin: *",
            "WWW-Authenticate: Bearer",
            "Strict-Transport-Security: max-age=1",
            "Server: leaky/1.0",
            "X-Kept: 1",
            "Connection: keep-alive, X-Secret",
            "X-Secret: 1",
        ),
    )
    answer = await door.call((await door.sign_in()).access_token)
    assert answer.headers["x-kept"] == "1"
    for name in ("set-cookie", "set_cookie", "access-control-allow-origin", "www-authenticate", "server", "x-secret"):
        assert name not in answer.headers


@vector("PROXY-006", "PROXY-032")
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (301, "UPSTREAM_UNAVAILABLE"),
        (302, "UPSTREAM_UNAVAILABLE"),
        (307, "UPSTREAM_UNAVAILABLE"),
        (401, "UPSTREAM_CREDENTIAL_FAILED"),
        (403, "UPSTREAM_CREDENTIAL_FAILED"),
        (407, "UPSTREAM_CREDENTIAL_FAILED"),
    ],
)
async def test_an_upstreams_redirect_or_refusal_is_not_ours(
    vector: str, door: Door, upstream: RecordingUpstream, status: int, code: str
) -> None:
    async with RecordingUpstream() as canary:
        upstream.answer = json_answer({}, status=status, headers=(f"Location: {canary.url}",))
        answer = await door.call((await door.sign_in()).access_token)
        assert (answer.status_code, code_of(answer)) == (502, code)
        assert "www-authenticate" not in answer.headers
        assert answer.json()["id"] == 1
        assert canary.connections == 0


@pytest.mark.parametrize("status", [200, 202, 204, 400, 404, 405, 429, 500, 503])
async def test_every_other_status_is_the_upstreams_own(door: Door, upstream: RecordingUpstream, status: int) -> None:
    upstream.answer = (
        json_answer({"x": 1}, status=status) if status != 204 else raw_answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    )
    answer = await door.call((await door.sign_in()).access_token)
    assert answer.status_code == status
    assert answer.content == (b'{"x": 1}' if status != 204 else b"")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"",
    ],
    ids=["nonsense", "cl-te", "gzip", "huge-head", "101", "nothing"],
)
async def test_a_malformed_answer_is_502(door: Door, upstream: RecordingUpstream, data: bytes) -> None:
    upstream.answer = raw_answer(data, close=True)
    answer = await door.call((await door.sign_in()).access_token)
    assert (answer.status_code, code_of(answer)) == (502, "UPSTREAM_UNAVAILABLE")


async def test_bytes_behind_an_answer_are_never_the_next_one(door: Door, upstream: RecordingUpstream) -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    upstream.answer = raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + evil)
    token = (await door.sign_in()).access_token
    bodies = {(await door.call(token)).content for _ in range(4)}
    assert b"evil" not in bodies


async def test_an_upstream_that_is_down(door: Door, upstream: RecordingUpstream, tmp_path: Path) -> None:
    token = (await door.sign_in()).access_token
    assert upstream._server is not None
    address = str(upstream.port)
    upstream._server.close()
    answer = await door.call(token)
    assert (answer.status_code, code_of(answer)) == (502, "UPSTREAM_UNAVAILABLE")
    assert "Action:" in answer.json()["error"]["message"]
    assert address not in answer.text
    assert (await door.http.get(f"{door.url}/healthz")).status_code == 200


async def test_an_upstream_that_does_not_answer(tmp_path: Path, upstream: RecordingUpstream) -> None:
    upstreams = [{"name": "main", "url": upstream.url, "timeouts": {"first_byte": "1s"}}]

    async def hang(exchange: object) -> None:
        await asyncio.sleep(60)

    upstream.answer = hang
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        answer = await door.call((await door.sign_in()).access_token)
        assert (answer.status_code, code_of(answer)) == (504, "UPSTREAM_TIMEOUT")


@vector("PROXY-018")
async def test_ten_megabytes_each_way_in_little_memory(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    big = b'{"x":"' + b"y" * (9 * 1024 * 1024) + b'"}'
    upstream.answer = raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(big) + big)
    token = (await door.sign_in()).access_token
    answer = await door.call(token, content=big)
    assert answer.content == big
    assert upstream.requests[-1].body == big

    async def pieces() -> object:
        for start in range(0, len(big), 50_000):
            yield big[start : start + 50_000]

    answer = await door.call(token, content=pieces())
    assert answer.status_code == 200
    assert upstream.requests[-1].body == big


async def test_a_body_over_the_limit(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, http={"max_body": 100_000}) as door:
        token = (await door.sign_in()).access_token
        answer = await door.call(token, content=b"x" * 100_001)
        assert (answer.status_code, code_of(answer)) == (413, "BODY_TOO_LARGE")
        assert upstream.requests == []
        async with Wire(door.url) as wire:
            await wire.send(head(wire.host, "Transfer-Encoding: chunked", token=token))
            for _ in range(3):
                await wire.send(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
            assert (await wire.rest()).status in (413, 0)


@vector("PROXY-019", "PROXY-020")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", "http://localhost:1", "*", ""])
async def test_a_page_of_another_origin(vector: str, door: Door, upstream: RecordingUpstream, origin: str) -> None:
    answer = await door.call((await door.sign_in()).access_token, headers={"Origin": origin})
    assert (answer.status_code, code_of(answer)) == (403, "ORIGIN_DENIED")
    assert upstream.requests == []


@vector("PROXY-019")
async def test_origins_that_are_ours(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, origins=["https://app.example"]) as door:
        token = (await door.sign_in()).access_token
        for origin in (door.url, "https://app.example", door.url.replace("127.0.0.1", "localhost")):
            assert (await door.call(token, headers={"Origin": origin})).status_code == 200


@vector("PROXY-020")
@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example"])
async def test_a_rebound_host(vector: str, door: Door, upstream: RecordingUpstream, name: str) -> None:
    answer = await door.call((await door.sign_in()).access_token, headers={"Host": name})
    assert (answer.status_code, code_of(answer)) == (421, "HOST_DENIED")
    assert upstream.requests == []


@vector("PROXY-027")
@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25", None])
async def test_a_session_of_somebody_else(
    vector: str, door: Door, upstream: RecordingUpstream, version: str | None
) -> None:
    upstream.answer = json_answer({}, headers=("Mcp-Session-Id: upstream-session",))
    ada, client = await door.sign_in(), await door.register()
    grace_flow = await door.sign_in(client=client)
    session = (await door.call(ada.access_token)).headers["mcp-session-id"]
    assert session.startswith("upstream-session.")
    headers = {"Mcp-Session-Id": session, **({"MCP-Protocol-Version": version} if version else {})}
    assert (await door.call(ada.access_token, headers=headers)).status_code == 200
    assert upstream.requests[-1].header("mcp-session-id") == "upstream-session"
    seen = len(upstream.requests)
    for method in ("POST", "GET", "DELETE"):
        answer = await door.call(grace_flow.access_token, headers=headers, method=method)
        assert (answer.status_code, code_of(answer)) == (404, "SESSION_NOT_FOUND")
    for forged in ("upstream-session", session[:-1] + ("A" if session[-1] != "A" else "B"), "x", "." * 40, "é"):
        headers["Mcp-Session-Id"] = forged.encode("latin-1")  # type: ignore[assignment]
        assert (await door.call(ada.access_token, headers=headers)).status_code in (400, 404)
    assert len(upstream.requests) == seen


@vector("PROXY-029")
async def test_get_needs_a_token_as_well(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    assert (await door.call(None, method="GET")).status_code == 401
    assert (await door.call(None, method="DELETE")).status_code == 401
    answer = await door.call((await door.sign_in()).access_token, method="PUT")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, GET, DELETE")


@pytest.mark.parametrize("query", ["access_token=x", "token=x", "ACCESS_TOKEN=x"])
async def test_a_token_in_the_url(door: Door, upstream: RecordingUpstream, query: str) -> None:
    person = await door.sign_in()
    answer = await door.call(person.access_token, url=f"{door.mcp}?{query}")
    assert answer.status_code == 400
    assert (await door.call(None, url=f"{door.mcp}?access_token={person.access_token}")).status_code in (400, 401)
    assert upstream.requests == []


@vector("PROXY-014")
async def test_nobody_registers_an_upstream(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    """What is behind the door stands in the configuration; no route takes a server's address from anybody."""
    token = (await door.sign_in()).access_token
    async with RecordingUpstream() as canary:
        for address, method, path in product(
            ("http://169.254.169.254/latest/", "file:///etc/passwd", canary.url),
            ("POST", "PUT", "PATCH"),
            ("/admin/servers", "/admin/upstreams", "/servers", "/upstreams", "/register", "/evil/mcp"),
        ):
            body = json.dumps({"name": "evil", "url": address, "server_url": address}).encode()
            answer = await door.call(token, method=method, url=f"{door.url}{path}", content=body)
            assert answer.status_code in (400, 401, 403, 404, 405), (method, path)
        assert canary.connections == 0
    assert set(door.house.gateway.pools) == {"main"}
    assert upstream.connections == 0


@vector("PROXY-037")
async def test_the_sign_in_comes_before_the_body(vector: str, door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 9000000"))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 401")


@vector("PROXY-040")
@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"POST /mcp HTTP/1.1\r\nX: " + b"y" * 65_536 + b"\r\n\r\n",
    ],
    ids=["path", "headers", "header"],
)
async def test_a_head_over_the_limits(vector: str, door: Door, request_bytes: bytes) -> None:
    async with Wire(door.url) as wire:
        await wire.send(request_bytes)
        answer = await wire.rest()
    assert answer.status in (400, 414, 431)
    assert answer.closed


@pytest.mark.parametrize("path", ["/mcp/", "//mcp", "/%6dcp", "/mcp;x", "/MCP", "/main/mcp/", "/./mcp", "/other/mcp"])
async def test_only_the_exact_path_is_the_route(door: Door, upstream: RecordingUpstream, path: str) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 0", "Connection: close", path=path, token=token))
        answer = await wire.rest()
    assert answer.status in (404, 405)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer x y",
        "Basic eDp5",
        "bearer\tx",
        "Bearer ü",
        "vat_x",
        "Bearer vat_AAAA",
        "Bearer eyJ.e30.",
    ],
)
async def test_headers_that_carry_no_token_of_ours(door: Door, upstream: RecordingUpstream, authorization: str) -> None:
    answer = await door.call(None, headers={"Authorization": authorization.encode("latin-1")})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert upstream.requests == []


async def test_a_token_that_was_changed_anywhere(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    for place in range(4, len(token), 17):
        forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert (await door.call(forged)).status_code == 401
    for forged in (token + "A", token[:-1], token + "=", token.upper(), token.replace("vat_", "vrt_")):
        assert (await door.call(forged)).status_code == 401
    assert upstream.requests == []


async def test_two_authorization_headers(door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Authorization: Bearer x", "Content-Length: 0", token=token))
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 400")
    assert upstream.requests == []


async def test_a_head_that_drips_is_cut_off(door: Door) -> None:
    async with Wire(door.url) as wire:
        await wire.send(b"POST /mcp HTTP/1.1\r\n")
        await asyncio.sleep(0.05)
        door.house.gateway.tick(asyncio.get_running_loop().time() + 11)
        assert (await wire.rest()).status == 408


async def test_a_body_that_does_not_come_is_cut_off(door: Door) -> None:
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 100", token=token) + b"{")
        await asyncio.sleep(0.05)
        door.house.gateway.tick(asyncio.get_running_loop().time() + 31)
        assert (await wire.rest()).status == 400


async def test_an_anonymous_upstream_gets_no_token_either(tmp_path: Path, upstream: RecordingUpstream) -> None:
    upstreams = [{"name": "main", "url": upstream.url, "access": "anonymous"}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        assert (await door.call(None)).status_code == 200
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 200
    assert len(upstream.requests) == 2
    assert all("authorization" not in request.names() for request in upstream.requests)


@vector("PROXY-005", "PROXY-027")
async def test_a_session_id_does_not_pass_unbound_under_another_spelling(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    """WSGI, CGI and PHP fold `_` into `-`: `Mcp_Session_Id: <somebody's id>` reaches them as the session header."""
    token = (await door.sign_in()).access_token
    async with Wire(door.url) as wire:
        await wire.send(
            head(wire.host, "Mcp_Session_Id: victims-session", f"Content-Length: {len(BODY)}", token=token) + BODY
        )
        await wire.rest(0.5)
    folded = [name.replace("_", "-") for request in upstream.requests for name in request.names()]
    assert "mcp-session-id" not in folded


@vector("PROXY-027")
@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25", None])
async def test_nobody_takes_up_a_stream_that_is_not_in_their_session(
    vector: str, door: Door, upstream: RecordingUpstream, version: str | None
) -> None:
    """A server that keeps its events by their ids alone would give them to whoever names one."""
    upstream.answer = json_answer({}, headers=("Mcp-Session-Id: upstream-session",))
    token = (await door.sign_in()).access_token
    headers = {"Last-Event-ID": "17", **({"MCP-Protocol-Version": version} if version else {})}
    session = (await door.call(token, headers=headers, method="GET")).headers["mcp-session-id"]
    assert upstream.requests[-1].header("last-event-id") is None
    await door.call(token, headers={**headers, "Mcp-Session-Id": session}, method="GET")
    assert upstream.requests[-1].header("last-event-id") == "17"
    assert upstream.requests[-1].header("mcp-session-id") == "upstream-session"


async def test_an_upstream_that_knows_no_sign_in_cannot_make_answers_cacheable(
    door: Door, upstream: RecordingUpstream
) -> None:
    """RFC 9111 §3.5: `public` lets a shared cache give an authorised answer to everybody."""
    token = (await door.sign_in()).access_token
    upstream.answer = json_answer(
        {"private": True}, headers=("Cache-Control: public, max-age=3600", "CDN-Cache-Control: max-age=60")
    )
    answer = await door.call(token, method="GET")
    assert answer.headers["cache-control"] == "no-store"
    assert "cdn-cache-control" not in answer.headers


async def test_a_page_of_an_open_upstream_does_not_run_on_our_origin(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """An anonymous upstream's HTML shares the consent page's origin: its script could click Allow."""

    async def page(exchange: Exchange) -> None:
        await exchange.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 26\r\n\r\n<script>alert(1)</script>\n"
        )

    upstream.answer = page
    upstreams = [{"name": "open", "url": upstream.url, "access": "anonymous"}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        answer = await door.http.get(door.mcp, headers={"Accept": "text/html"})
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


# --- servers that are commands ---------------------------------------------------------------------------------------


@vector("PROXY-033")
@pytest.mark.parametrize("text", ["x;id", "$(id)", "`id`", "--help", "a\nb", "a\r\nb", "a\u2028b", "'\"|&>x", "\x00"])
async def test_what_a_caller_sends_is_data_to_a_command_and_nothing_else(
    vector: str, tmp_path: Path, text: str
) -> None:
    async with odd_door(tmp_path, "word; $(id)") as door:
        token = (await door.sign_in()).access_token
        named = await modern(
            door, token, "tools/call", {"name": "echo", "arguments": {"a": text}}, headers={"VESTIBULE_A": "x"}
        )
        assert text_of(named)["a"] == text
        where = text_of(await tool(door, token, "where", environment={"A": "b"}, words=[text]))
        assert where["words"][1:] == ["word; $(id)"]
        assert not {"A", "VESTIBULE_A"} & set(where["environment"])
        seen = text_of(await tool(door, token, "seen"))["seen"]
        assert set(seen) <= {"tools/call", "tools/list"}  # nothing of it has become a message of its own


@vector("PROXY-034")
@pytest.mark.parametrize("fault", ["garbage", "long_line", "flood", "exit", "twice", "wrong", "close"])
async def test_a_faulty_command_answers_the_right_caller_or_nobody(vector: str, tmp_path: Path, fault: str) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        ada, grace = (await sign_in_as(door, "ada")).access_token, (await sign_in_as(door, "grace")).access_token
        answers = await asyncio.gather(
            tool(door, grace, "echo", rpc_id=1, who="grace"),
            tool(door, ada, fault, rpc_id=1, who="ada"),
            tool(door, grace, "echo", rpc_id=2, who="grace"),
        )
        for answer, who, rpc_id in zip(answers, ("grace", "ada", "grace"), (1, 1, 2), strict=True):
            assert answer.status_code in (200, 502)
            assert answer.json()["id"] == rpc_id
            if answer.status_code == 200:
                assert text_of(answer)["who"] == who
            else:
                assert code_of(answer) == "UPSTREAM_UNAVAILABLE"
        assert text_of(await tool(door, grace, "echo", who="after"))["who"] == "after"


@vector("PROXY-035")
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_two_people_with_one_id_on_one_command(vector: str, tmp_path: Path, era: str) -> None:
    async with odd_door(tmp_path, instances="shared") as door:
        people = {login: (await sign_in_as(door, login)).access_token for login in ("ada", "grace")}
        if era == "legacy":
            sessions = {login: await LegacyClient(door, token).open() for login, token in people.items()}
            calls = [sessions[login].tool("echo", rpc_id=1, who=login) for login in (*people,) * 25]
        else:
            calls = [tool(door, people[login], "echo", rpc_id=1, who=login) for login in (*people,) * 25]
        answers = await asyncio.gather(*calls)
        assert [text_of(answer)["who"] for answer in answers] == [*people] * 25
        assert {answer.json()["id"] for answer in answers} == {1}
        assert len({text_of(answer)["id"] for answer in answers}) == 50  # each under a number of its own
