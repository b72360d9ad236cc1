"""An event stream ends with its token; any other answer is finished."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.library.conftest import RESOURCE, served
from tests.library.test_remembered import ADA
from vestibule import Principal, protect
from vestibule.model import Resource


class ShortLived:
    """Every token is Ada's, and lives for a moment."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        return replace(ADA, expires_at=datetime.now(UTC) + timedelta(seconds=self.seconds))


def application(content_type: bytes) -> Any:
    """Says something every 20 ms until the client leaves, or for half a second."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()  # the request's body
        leaving = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]})
        for _ in range(25):
            if (await asyncio.wait([leaving], timeout=0.02))[0]:
                assert leaving.result()["type"] == "http.disconnect"
                return
            await send({"type": "http.response.body", "body": b": there\n\n", "more_body": True})
        leaving.cancel()
        await send({"type": "http.response.body", "body": b"end"})

    return app


async def fetch(content_type: bytes, seconds: float, port: int) -> str:
    app = protect(application(content_type), resource=RESOURCE, issuers=["https://a"], verifier=ShortLived(seconds))
    async with served(app, port) as url, httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/mcp", headers={"Authorization": "Bearer t"})
    return answer.text


async def test_an_event_stream_ends_with_its_token(port: int) -> None:
    heard = await fetch(b"text/event-stream; charset=utf-8", 0.1, port)
    assert heard.startswith(": there\n\n")  # and its end was a right one, or the client had raised
    assert not heard.endswith("end")


async def test_an_event_stream_whose_token_lives_is_left_alone(port: int) -> None:
    assert (await fetch(b"text/event-stream", 60, port)).endswith("end")


async def test_any_other_answer_is_finished(port: int) -> None:
    assert (await fetch(b"text/plain", 0.1, port)).endswith("end")


async def test_a_stream_of_an_application_that_never_looks_ends_with_its_token(port: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for _ in range(60):
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"data: end\n\n"})

    door = protect(app, resource=RESOURCE, issuers=["https://a"], verifier=ShortLived(0.2))
    async with served(door, port) as url, httpx2.AsyncClient(trust_env=False, timeout=10) as http:
        heard = (await http.get(f"{url}/mcp", headers={"Authorization": "Bearer t"})).text
    assert "end" not in heard


async def test_a_websocket_ends_with_its_token() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "secret"})

    door = protect(app, resource=RESOURCE, issuers=["https://a"], verifier=ShortLived(0.1))
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer t")]
    scope = {"type": "websocket", "path": "/mcp", "query_string": b"", "headers": headers, "extensions": {}}
    running = asyncio.create_task(door(scope, incoming.get, send))
    incoming.put_nowait({"type": "websocket.connect"})
    await asyncio.sleep(0.3)
    incoming.put_nowait({"type": "websocket.receive", "text": "more"})
    await asyncio.sleep(0.1)
    running.cancel()
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
