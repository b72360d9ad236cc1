"""Every answer of a server that is known by https says so to browsers, whoever wrote the answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Door, open_door
from tests.support.wire import Wire
from vestibule.testing.recording_upstream import RecordingUpstream

KEY = "v7Qm2Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4"
HOST = "mcp.example.com"
HSTS = b"\r\nstrict-transport-security: max-age=31536000\r\n"


@pytest.fixture
async def public(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    keys: dict[str, Any] = {
        "public_url": f"https://{HOST}",
        "identity_providers": [
            {"name": "work", "kind": "oidc", "issuer": "https://id.example.com", "client_id": "vestibule"}
        ],
        "api_keys": {"static": [{"name": "ci", "key": "env:CI_KEY"}]},
    }
    async with open_door(tmp_path, upstream.url, environ={"CI_KEY": KEY}, **keys) as door:
        yield door


def call(*lines: str, body: bytes = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}') -> bytes:
    first = ("POST /mcp HTTP/1.1", f"Host: {HOST}", "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list")
    return "\r\n".join([*first, *lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def get(path: str, host: str = HOST) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (call(f"X-API-Key: {KEY}"), 200),
        (call(), 401),
        (call("Origin: https://evil.example"), 403),
        (b"DELETE / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (get("/healthz"), 200),
        (get("/nowhere"), 404),
        (get("/authorize"), 400),
        (get("/nowhere", "evil.example"), 421),
        (get("/.well-known/oauth-authorization-server"), 200),
    ],
)
async def test_every_answer_says_it_once(public: Door, request_: bytes, status: int) -> None:
    async with Wire(public.url) as wire:
        await wire.send(request_)
        head = (await wire.until(b"\r\n\r\n")).lower()
    assert head.split()[1] == str(status).encode()
    assert head.count(b"strict-transport-security") == 1
    assert HSTS in head


async def test_a_stream_says_it_too(public: Door, upstream: RecordingUpstream) -> None:
    upstream.answer = lambda exchange: exchange.begin_events()
    async with Wire(public.url) as wire:
        await wire.send(call(f"X-API-Key: {KEY}"))
        assert HSTS in (await wire.until(b"\r\n\r\n")).lower()


async def test_plain_http_on_loopback_does_not_say_it(door: Door) -> None:
    answer = await door.http.get(f"{door.url}/healthz")
    assert "strict-transport-security" not in answer.headers
    assert "strict-transport-security" not in (await door.call(None)).headers
