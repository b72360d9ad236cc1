"""Garbage at every endpoint gets an answer of ours: never a 500, never a traceback, and the door stays open."""

import itertools

import pytest

from tests.support.house import Door
from tests.support.wire import Wire
from vestibule.testing.recording_upstream import RecordingUpstream

PATHS = [
    "/",
    "/mcp",
    "/main/mcp",
    "/sse",
    "/message",
    "/authorize",
    "/consent",
    "/callback/development",
    "/callback/%00",
    "/development/sign-in",
    "/token",
    "/register",
    "/revoke",
    "/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource/mcp",
    "/assets/../../etc/passwd",
    "/healthz",
    "/readyz",
    "/no/such/thing",
    "/%ff%fe",
]
BODIES = [
    b"",
    b"\x00\xff" * 50,
    b"{" * 1000,
    b"grant_type=authorization_code&code=%",
    b"grant_type=refresh_token&refresh_token=vrt_x&client_id=x",
    b"token=vat_AAAA&client_id=x",
    b"txn=x&csrf=x&decision=approve",
    b'{"redirect_uris":["https://c.example/cb"],"client_name":{}}',
]
KINDS = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data", "\xff"]
QUERIES = [
    "",
    "?%",
    "?txn=%00",
    "?client_id=x&redirect_uri=%ff",
    "?state=" + "x" * 3000,
    "?provider=x&state=" + "%F0%9F",
]


@pytest.mark.parametrize("path", PATHS)
async def test_garbage(path: str, door: Door, upstream: RecordingUpstream, capsys: pytest.CaptureFixture[str]) -> None:
    for method, body, kind, query in itertools.chain(
        itertools.product(("POST", "PUT"), BODIES, KINDS, ("",)),
        itertools.product(("GET", "DELETE", "HEAD", "OPTIONS", "PATCH"), (b"",), ("",), QUERIES),
    ):
        async with Wire(door.url) as wire:
            lines = [f"{method} {path}{query} HTTP/1.1", f"Host: {wire.host}", f"Content-Length: {len(body)}"]
            lines += [f"Content-Type: {kind}", "Cookie: vestibule_session=x; =; vestibule_csrf", "Accept: text/html"]
            await wire.send("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body)
            answer = await wire.rest(10)
        assert 200 <= answer.status < 500, (method, query, body[:40], kind, answer.data[:300])
        assert answer.closed  # as it asked
    assert "Traceback" not in capsys.readouterr().err
    assert upstream.requests == []
    assert (await door.http.get(f"{door.url}/healthz")).status_code == 200
    assert not door.house.gateway.exchanges
