"""An answer of an upstream, a document or a stream of events, as messages on a client's stream.

Messages pass as the upstream wrote them, but for line breaks between their tokens. Where a caller may not see all
tools, listings are rewritten as elsewhere; what cannot be read then does not pass.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from vestibule.errors import UpstreamTimeout
from vestibule.gateway.errand import Errand, ErrandHead
from vestibule.gateway.refusals import unavailable
from vestibule.protocol.event_stream import Event, EventReader
from vestibule.protocol.listing import leave_out
from vestibule.protocol.messages import error_of, read_envelope, with_error

if TYPE_CHECKING:
    from vestibule.gateway.sse_clients.stream import SseStream

LONGEST = 10 * 1024 * 1024  # bytes of one message
MAX_HELD = 32 * 1024 * 1024  # bytes of messages that are not whole yet, of one session
USUAL_WAIT = 1.0  # seconds before a stream that has ended is opened again
LONGEST_WAIT = 30.0
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class Held:
    """What one session holds of answers that are not whole yet, in bytes."""

    def __init__(self) -> None:
        self.size = 0

    @property
    def is_too_much(self) -> bool:
        return self.size > MAX_HELD


class Relay:
    """Of one request, or of what is said unasked (`rpc_id` None)."""

    def __init__(self, stream: "SseStream", held: Held, method: str, rpc_id: str | int | None) -> None:
        self._stream = stream
        self._held = held
        self._route = stream.route
        self._rpc_id = rpc_id
        # A GET stream may bring the rest of any answer.
        self._hides = self._route.resource.upstream.hide_denied and method in ("", "tools/list")
        self.on_answer: Callable[[bytes], None] | None = None
        self.is_answered = False
        self.last_id = b""
        self.heard_at = asyncio.get_running_loop().time()  # of the last message, or of the beginning
        self.seconds_to_wait = USUAL_WAIT

    async def pass_answer(self, errand: Errand, head: ErrandHead) -> None:
        """Raises a `Refusal` for what is no answer."""
        if (head.get(b"content-encoding") or b"identity").lower() != b"identity":
            raise unavailable(self._route.name, "the answer is compressed, although it was asked not to be")
        if head.status >= 400:
            await self._pass_error(errand, head)
        elif head.is_stream:
            await self._pass_events(errand)
        elif head.status == 200 and self._rpc_id is not None:
            body = await self._body(errand)
            if not self._is_answer(body):
                raise unavailable(self._route.name, "the answer is not one to the request")
            await self._pass(body)
        else:
            raise unavailable(self._route.name, f"upstream answered {head.status} without an answer")

    async def _pass_error(self, errand: Errand, head: ErrandHead) -> None:
        """An upstream's own error, if it gives one: its id may be missing there."""
        found = error_of(await self._body(errand))
        if found is None or self._rpc_id is None:
            raise unavailable(self._route.name, f"upstream answered {head.status}")
        self.is_answered = True
        await self._stream.say(with_error(self._rpc_id, found))

    async def _pass_events(self, errand: Errand) -> None:
        reader, held = EventReader(longest=LONGEST), 0
        try:
            async for piece in self._pieces(errand):
                try:
                    events = reader.feed(piece)
                except ValueError as error:
                    raise unavailable(self._route.name, str(error)) from error
                change = reader.waiting - held
                held += change
                self._hold(change)
                for event in events:
                    await self._pass_event(event)
        finally:
            self._held.size -= held

    async def _pass_event(self, event: Event) -> None:
        self.last_id = event.id
        if event.retry is not None:
            self.seconds_to_wait = min(event.retry / 1000, LONGEST_WAIT)
        if event.data.strip() and event.name == b"message":
            self.heard_at = asyncio.get_running_loop().time()
            await self._pass(event.data)

    async def _body(self, errand: Errand) -> bytes:
        found = bytearray()
        try:
            async for piece in self._pieces(errand):
                found += piece
                self._hold(len(piece))
                if len(found) > LONGEST:
                    raise unavailable(self._route.name, f"an answer is longer than {LONGEST} bytes")
            return bytes(found)
        finally:
            self._held.size -= len(found)

    def _hold(self, size: int) -> None:
        self._held.size += size
        if self._held.is_too_much:
            raise unavailable(self._route.name, f"answers of more than {MAX_HELD} bytes are under way to one client")

    async def _pieces(self, errand: Errand) -> AsyncIterator[bytes]:
        pieces = aiter(errand)
        while True:
            try:
                async with asyncio.timeout(self._route.idle_seconds):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                name = self._route.name
                raise UpstreamTimeout(f"The MCP server {name} has fallen silent.", action="Try again.") from error
            yield piece

    async def _pass(self, message: bytes) -> None:
        if self._hides and (b'"tools"' in message or b"\\u" in message):
            try:
                message = leave_out(message, self._may_list, is_modern=False)
            except ValueError as error:
                raise unavailable(self._route.name, f"a listing: {error}") from error
        if not self.is_answered and self._is_answer(message):
            self.is_answered = True
            if self.on_answer is not None:
                self.on_answer(message)
        await self._stream.say(message.translate(_ONE_LINE))

    def _is_answer(self, message: bytes) -> bool:
        envelope = read_envelope(message) if self._rpc_id is not None else None
        return envelope is not None and not envelope.method and envelope.id == self._rpc_id

    def _may_list(self, tool: str) -> bool:
        return self._route.judge.may_list(self._stream, tool)
