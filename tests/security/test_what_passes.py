"""Whatever a client says of itself, an upstream hears nothing of it: found by trying, and read by h11, not by us."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.security.vectors import vector
from tests.support.house import Door, open_door
from tests.support.second_reader import SecondReader, read_answer
from tests.support.wire import Wire
from vestibule.testing.recording_upstream import RecordingUpstream, raw_answer

CANARY = "c4n4ry"
INNER = "Bearer the-inner-credential"
IDENTITY = """authorization proxy-authorization cookie cookie2 x-api-key api-key apikey x-functions-key dpop
    x-token-provider x-forwarded-for x-forwarded-user x-forwarded-email x-forwarded-groups x-forwarded-host
    x-forwarded-proto x-forwarded-prefix x-forwarded-access-token x-forwarded-client-cert forwarded x-real-ip
    x-client-ip true-client-ip cf-connecting-ip x-original-url x-rewrite-url x-user x-user-id x-remote-user remote-user
    x-auth-request-user x-auth-request-email x-auth-request-access-token x-ms-client-principal x-ms-client-principal-id
    x-ms-token-aad-access-token x-amzn-oidc-data x-amzn-oidc-identity x-goog-iap-jwt-assertion
    x-goog-authenticated-user-email cf-access-jwt-assertion tailscale-user-login x-tenant-id x-scopes x-roles
    x-http-method-override origin referer x-csrf-token mcp-session-id sec-websocket-protocol te trailer via""".split()
PASSES = """accept accept-language content-type user-agent mcp-protocol-version mcp-method mcp-name mcp-param-region
    traceparent tracestate baggage""".split()
OURS = {"host", "accept-encoding", "content-length", "transfer-encoding", "authorization"}

steps = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def spelled(draw: st.DrawFn, names: list[str]) -> str:
    """A name in one of its foldings."""
    name = draw(st.sampled_from(names))
    letters = [draw(st.sampled_from((one, one.upper(), "_" if one == "-" else one))) for one in name]
    return "".join(letters)


values = st.sampled_from(
    (CANARY, f"Bearer {CANARY}", f"a={CANARY}; b", "{token}", "sid={token}", f"{CANARY}\r\n  folded")
)
identities = st.lists(st.tuples(spelled(IDENTITY), values), max_size=6)
kept = st.lists(st.tuples(st.sampled_from(PASSES), st.just("harmless")), max_size=4, unique_by=lambda one: one[0])
named = st.lists(spelled([*IDENTITY, *PASSES, "close", "content-length", "transfer-encoding", "host"]), max_size=3)
queries = st.sampled_from(
    ("", "?a=b", "?x={token}", f"?access_token={CANARY}", f"?API_KEY={CANARY}", "?%61ccess_token={token}")
)


@pytest.fixture
async def behind() -> AsyncIterator[SecondReader]:
    async with SecondReader() as reader:
        yield reader


@pytest.fixture
async def signed(
    tmp_path: Path, behind: SecondReader, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Door, str]]:
    """A door to it, with a credential of its own, and somebody's token."""
    credential = {"kind": "static", "header": "Authorization", "value": "env:INNER"}
    upstreams = [{"name": "main", "url": behind.url, "credential": credential}]
    async with open_door(tmp_path, behind.url, upstreams=upstreams, environ={"INNER": INNER}) as door:
        yield door, (await door.sign_in()).access_token


def message(host: str, token: str, lines: list[tuple[str, str]], *, query: str, chunked: bool, last: bool) -> bytes:
    """`last`: whether the true credential stands behind everything else."""
    own = [("Authorization", f"Bearer {token}")]
    framing = [("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "5")]
    all_lines = [("Host", host), *(lines + own if last else own + lines), *framing]
    text = f"POST /mcp{query} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in all_lines) + "\r\n"
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    return text.replace("{token}", token).encode() + body


def check_what_left(upstream: SecondReader, token: str, *, status: int) -> None:
    seen = bytes(upstream.seen)
    assert upstream.errors == []
    assert CANARY.encode() not in seen
    assert token.encode() not in seen
    assert token.partition("_")[2].encode() not in seen
    assert len(upstream.requests) == (status == 200)
    for request, body in upstream.requests:
        names = [name.decode().lower() for name, _ in request.headers]
        assert body == b"hello"
        assert len(set(names)) == len(names)
        assert set(names) <= OURS | set(PASSES)
        assert not any("_" in name for name in names)
        assert dict(request.headers)[b"authorization"] == INNER.encode()
        assert dict(request.headers)[b"host"] == re.findall(rb"127\.0\.0\.1:\d+", upstream.url.encode())[0]
        assert ("content-length" in names) != ("transfer-encoding" in names)


@vector("PROXY-004", "PROXY-005")
@given(identities=identities, kept=kept, named=named, query=queries, chunked=st.booleans(), last=st.booleans())
@steps
async def test_nothing_of_the_caller_leaves(
    vector: str,
    signed: tuple[Door, str],
    behind: SecondReader,
    identities: list[tuple[str, str]],
    kept: list[tuple[str, str]],
    named: list[str],
    query: str,
    *,
    chunked: bool,
    last: bool,
) -> None:
    door, token = signed
    behind.forget()
    lines = [*identities, *kept, *([("Connection", ", ".join(named))] if named else [])]
    async with Wire(door.url) as wire:
        await wire.send(message(wire.host, token, lines, query=query, chunked=chunked, last=last))
        status = int((await wire.until(b"\r\n")).split(b" ")[1])
        rest = await wire.until(b"\r\n\r\n")
    assert INNER.encode() not in rest
    check_what_left(behind, token, status=status)


ORDERS = """set-cookie set-cookie2 www-authenticate proxy-authenticate authentication-info strict-transport-security
    access-control-allow-origin access-control-allow-credentials clear-site-data location refresh link
    content-security-policy alt-svc server x-powered-by x-accel-redirect x-sendfile cache-control cdn-cache-control
    service-worker-allowed connection keep-alive upgrade trailer proxy-connection via x-request-id dpop-nonce""".split()


@vector("PROXY-004", "PROXY-005")
@given(
    orders=st.lists(st.tuples(spelled(ORDERS), st.just(CANARY)), max_size=8),
    named=st.lists(spelled(["x-internal", "content-length", "content-type", *ORDERS]), max_size=3),
    internal=st.booleans(),
)
@steps
async def test_an_upstream_gives_no_orders(
    vector: str,
    door: Door,
    upstream: RecordingUpstream,
    orders: list[tuple[str, str]],
    named: list[str],
    *,
    internal: bool,
) -> None:
    token = await token_of(door)
    lines = [f"{name}: {value}" for name, value in orders if fold(name) not in ("connection", "upgrade")]
    lines += [f"Connection: {', '.join(['x-internal', *named])}", f"X-Internal: {CANARY}"] if internal else []
    head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", "X-Kept: 1", *lines])
    upstream.answer = raw_answer(head.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")
    async with Wire(door.url) as wire:
        own = f"Host: {wire.host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\nContent-Length: 2"
        await wire.send(f"POST /mcp HTTP/1.1\r\n{own}\r\n\r\n{{}}".encode())
        answer = await wire.rest()
    assert read_answer(answer.data, closed=answer.closed) == (200, b"{}", b"")
    assert CANARY.encode() not in answer.data
    assert b"x-kept: 1" in answer.data.lower()


_tokens: dict[str, str] = {}


async def token_of(door: Door) -> str:
    """Somebody's, signed in once for all examples."""
    if door.url not in _tokens:
        _tokens[door.url] = (await door.sign_in()).access_token
    return _tokens[door.url]


def fold(name: str) -> str:
    return name.lower().replace("_", "-")
