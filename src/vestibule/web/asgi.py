"""The little of ASGI that a door in front of an application needs."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from vestibule.errors import BodyTooLarge

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class ClientLeft(Exception):
    """In the middle of its request; nobody waits for an answer."""


async def read_body(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise BodyTooLarge(f"The body is longer than {most} bytes.", action="Send less at once.")
        more = message.get("more_body", False)
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """The body once more for the application, then whatever comes after it."""
    has_come = False

    async def replay() -> Message:
        nonlocal has_come
        if has_come:
            return await receive()
        has_come = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def uncompressed(scope: Scope) -> Scope:
    """What is compressed cannot be filtered."""
    return {**scope, "headers": [line for line in scope["headers"] if line[0] != b"accept-encoding"]}


def with_nonce(send: Send, nonce: str) -> Send:
    if not nonce:
        return send

    async def with_nonce(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"dpop-nonce", nonce.encode("ascii"))]}
        await send(message)

    return with_nonce
