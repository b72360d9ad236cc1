"""What an aggregate answers: a document or a stream, as fast as it is taken."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from vestibule.gateway.headers import Header
from vestibule.gateway.upstreams.lines import Answered

_JSON: Header = (b"content-type", b"application/json")
EVENTS: Header = (b"content-type", b"text/event-stream")
STILL_THERE = b": still there\n\n"


class Out:
    """Of one request. Nothing is told any more once nobody waits for it."""

    def __init__(self, answered: Answered) -> None:
        self._answered: Answered | None = answered
        self._may_go = asyncio.Event()
        self._may_go.set()

    @property
    def answered(self) -> Answered | None:
        return self._answered

    def abandon(self) -> None:
        self._answered = None
        self._may_go.set()

    def pause(self) -> None:
        self._may_go.clear()

    def resume(self) -> None:
        self._may_go.set()

    def begin(self, status: int, headers: Sequence[Header], length: int | None = None) -> None:
        """`length`: of a document; the head of a stream leaves before there is anything in it."""
        if self._answered is not None:
            self._answered.upstream_head(status, list(headers), length)
        if length is None and self._answered is not None:
            self._answered.upstream_flush()

    async def write(self, data: bytes) -> None:
        await self._may_go.wait()
        if data and self._answered is not None:
            self._answered.upstream_data(data)
        if data and self._answered is not None:
            self._answered.upstream_flush()

    def end(self) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered.upstream_end()

    async def document(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        self.begin(status, [*headers, *([_JSON] if body else ())], len(body))
        await self.write(body)
        self.end()

    async def result(self, rpc_id: msgspec.Raw, result: Any, headers: Sequence[Header] = ()) -> None:
        await self.document(200, _envelope(rpc_id, "result", result), headers)

    async def error(self, rpc_id: msgspec.Raw | None, code: int, text: str, *, status: int, data: Any = None) -> None:
        error = {"code": code, "message": text, **({"data": data} if data is not None else {})}
        await self.document(status, _envelope(rpc_id or msgspec.Raw(b"null"), "error", error))


def event(message: bytes) -> bytes:
    """Of one line: what msgspec writes has no line ends."""
    return b"event: message\ndata: %b\n\n" % message


def _envelope(rpc_id: msgspec.Raw, kind: str, value: Any) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": rpc_id, kind: value})
