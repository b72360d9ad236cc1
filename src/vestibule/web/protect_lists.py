"""Lists of tools and prompts without those that the caller may not call (MCP 2026-07-28, server/tools: a list may vary
by the authorization presented).

The one place where an answer is rewritten, and only on request (`hide_denied`). A list that was filtered for one is
nobody else's: `cacheScope` becomes private. What is no list passes as it came.
"""

import json
import re
from collections.abc import Callable

from vestibule.web.asgi import Message, Send

LISTS = {"tools/list": ("tools", "tools/call"), "prompts/list": ("prompts", "prompts/get")}

_END_OF_EVENT = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")


class ListFilter:
    """The `send` of one request for a list. `member` of the result; `may_call` decides by name."""

    def __init__(self, send: Send, member: str, may_call: Callable[[str], bool]) -> None:
        self._send = send
        self._member = member
        self._may_call = may_call
        self._start: Message = {}
        self._is_stream = False
        self._kept = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            content_type = dict(message.get("headers", ())).get(b"content-type", b"").lower()
            self._is_stream = content_type.startswith(b"text/event-stream")
            if self._is_stream:
                await self._send(message)
        elif message["type"] != "http.response.body":
            await self._send(message)
        elif self._is_stream:
            await self._pass_events(message)
        else:
            await self._keep(message)

    async def _keep(self, message: Message) -> None:
        """An answer in one piece."""
        self._kept += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = self._filtered(self._kept)
        headers = [(name, value) for name, value in self._start.get("headers", ()) if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def _pass_events(self, message: Message) -> None:
        """Each event as soon as it is whole."""
        *events, self._kept = _END_OF_EVENT.split(self._kept + message.get("body", b""))
        out = b"".join(self._event(event) + b"\n\n" for event in events)
        more = message.get("more_body", False)
        await self._send({"type": "http.response.body", "body": out if more else out + self._kept, "more_body": more})

    def _event(self, event: bytes) -> bytes:
        lines = _LINE.split(event)
        data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        whole = b"\n".join(data)
        filtered = self._filtered(whole)
        if filtered == whole:
            return event
        return b"\n".join([*(line for line in lines if not line.startswith(b"data:")), b"data: " + filtered])

    def _filtered(self, body: bytes) -> bytes:
        try:
            message = json.loads(body)
            result = message["result"]
            result[self._member] = [one for one in result[self._member] if self._may_call(one["name"])]
        except (ValueError, KeyError, TypeError):
            return body
        if "cacheScope" in result:
            result["cacheScope"] = "private"
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
