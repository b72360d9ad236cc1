"""An event stream ends with the token that opened it: the application is told that its client has left.

A WebSocket ends so as well. Nothing else is cut off: an answer that is on its way when its token expires is finished.
A client whose stream ends asks again, with a fresh token.
"""

import asyncio

from vestibule.web.asgi import Message, Receive, Send

POLICY_VIOLATION = 1008  # RFC 6455 §7.4.1
LOOK_EVERY = 5.0  # seconds, at an exchange whose token has expired: it may become a stream yet


class Lifetime:
    """Of one exchange. `seconds`: that its token has still to live."""

    def __init__(self, seconds: float, receive: Receive, send: Send) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._receive = receive
        self._send = send
        self._is_stream = self._is_whole = self._has_ended = False

    async def receive(self) -> Message:
        while not self._has_ended:
            left = self._until - asyncio.get_running_loop().time()
            if left <= 0 and self._is_stream:
                self._has_ended = True
                break
            try:
                async with asyncio.timeout(left if left > 0 else LOOK_EVERY):
                    return await self._receive()
            except TimeoutError:
                continue
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_stream = any(
                name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
                for name, value in message.get("headers", ())
            )
        elif message["type"] == "http.response.body":
            if self._is_stream and asyncio.get_running_loop().time() >= self._until:
                self._has_ended = True  # also of an application that never looks whether its client is there
                await self.finish()
            if self._has_ended:
                return
            self._is_whole = not message.get("more_body", False)
        await self._send(message)

    async def finish(self) -> None:
        """The end of a stream that we have ended and the application has left open."""
        if self._has_ended and not self._is_whole:
            self._is_whole = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class SocketLifetime:
    """Of one WebSocket. When its token has ended the client is told so, and the application that it has left."""

    def __init__(self, seconds: float, receive: Receive, send: Send) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._receive = receive
        self._send = send
        self._has_ended = False

    async def receive(self) -> Message:
        if not self._is_over():
            try:
                async with asyncio.timeout_at(self._until):
                    return await self._receive()
            except TimeoutError:
                pass
        await self._end()
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": ""}

    async def send(self, message: Message) -> None:
        if self._is_over():
            await self._end()
            return
        self._has_ended = message["type"] == "websocket.close"
        await self._send(message)

    def _is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    async def _end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "The token has ended."})
