"""A server in the modern era (2026-07-28): no sessions, each request for itself.

We are its HTTP server, so it is for us to compare the headers with the body: what a router before us believed must be
what the server is asked. `read_operation` does it for the method and the name. For headers that a tool declares the
tool's schema is needed: tools/list is asked once, and again when a minute has passed or the server says that its tools
have changed.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from vestibule.errors import HeaderMismatch
from vestibule.gateway.headers import Header
from vestibule.gateway.upstreams.bridge_line import BridgeLine
from vestibule.gateway.upstreams.call import Call
from vestibule.gateway.upstreams.conversation import Conversation, Parts, ask
from vestibule.gateway.upstreams.sessions import calls_of
from vestibule.model import Operation
from vestibule.protocol.declared_headers import PREFIX, DeclaredHeader, check_declared, declared_headers
from vestibule.protocol.relayed import (
    HEADER_MISMATCH,
    METHOD_NOT_FOUND,
    SUBSCRIPTION,
    Message,
    error_answer,
    make_request,
    number_of,
    value_of,
)

LISTING_SECONDS = 60.0  # what was declared is believed for
MAX_PAGES = 100
_META = ("params", "_meta")
_TOOLS = ("result", "tools")
_CURSOR = ("result", "nextCursor")

Declared = dict[str, tuple[DeclaredHeader, ...]]


class ModernServer(Conversation):
    """One for each principal, or for each tenant: `is_shared`."""

    def __init__(self, parts: Parts, *, is_shared: bool) -> None:
        super().__init__(parts)
        self._declared: Declared | None = None
        self._declared_at = 0.0
        self._is_shared = is_shared
        self._listing: asyncio.Task[Declared] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def post(
        self, message: Message, line: BridgeLine, operation: Operation, headers: Sequence[Header], now: float
    ) -> None:
        """`message`: a request with the era's `_meta`, whose method and name the headers agree with."""
        arguments = operation.arguments or {}
        needs_schema = operation.method == "tools/call" and (
            arguments or any(name.startswith(PREFIX) for name, _ in headers)
        )
        if not needs_schema:
            self._ask(message, line, now)
        elif self._declared is not None and now - self._declared_at < LISTING_SECONDS:
            self._check(message, line, operation, headers, self._declared, now)
        else:
            self._later(self._learn(message, line, operation, headers, now))

    def _ask(self, message: Message, line: BridgeLine, now: float) -> None:
        call = Call(self, message, line, is_modern=True, now=now)
        call.is_shared = self._is_shared
        call.ask(message)

    def _check(
        self,
        message: Message,
        line: BridgeLine,
        operation: Operation,
        headers: Sequence[Header],
        declared: Declared,
        now: float,
    ) -> None:
        try:
            check_declared(declared.get(operation.name, ()), operation.arguments or {}, headers)
        except HeaderMismatch as error:
            line.document(400, error_answer(message.id, HEADER_MISMATCH, error.message, error.code))
            return
        self._ask(message, line, now)

    # --- what its tools declare -------------------------------------------------------------------------------------

    async def _learn(
        self, message: Message, line: BridgeLine, operation: Operation, headers: Sequence[Header], now: float
    ) -> None:
        meta = value_of(message.find(_META))
        if self._listing is None:
            self._listing = asyncio.get_running_loop().create_task(self._list(meta))
        try:
            declared = await asyncio.shield(self._listing)
        except OSError as error:
            line.lose(str(error))
            return
        if line.is_live:
            self._check(message, line, operation, headers, declared, now)

    async def _list(self, meta: Any) -> Declared:
        """Raises OSError when the server ends. A server that does not list its tools declares nothing."""
        found: Declared = {}
        try:
            cursor: Any = None
            for _ in range(MAX_PAGES):
                params = {"_meta": _without_token(meta), **({"cursor": cursor} if cursor is not None else {})}
                answer = await ask(self, make_request("tools/list", params))
                if "error" in answer.members:  # of this caller, perhaps
                    return found
                for tool in value_of(answer.find(_TOOLS)) or ():
                    found[str(tool.get("name"))] = declared_headers(tool.get("inputSchema"))
                cursor = value_of(answer.find(_CURSOR))
                if not isinstance(cursor, str):
                    break
        except (AttributeError, TypeError):  # tools that are none
            pass
        finally:
            self._listing = None
        self._declared, self._declared_at = found, self._clock()
        return found

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- from the server --------------------------------------------------------------------------------------------

    def requested(self, message: Message) -> None:
        """In this era a server asks nothing of its client."""
        self.reply(error_answer(message.id, METHOD_NOT_FOUND, "A server sends no requests in MCP 2026-07-28."))

    def notified(self, message: Message) -> None:
        if message.method == "notifications/tools/list_changed":
            self._declared = None
        if (subscription := message.find(SUBSCRIPTION)) is not None:
            number = number_of(subscription)
            call = self.waiting.get(number) if number is not None else None
            if isinstance(call, Call) and call.method == "subscriptions/listen":
                call.subscribed(message)
        elif message.method == "notifications/message":
            self._logged(message)

    def _logged(self, message: Message) -> None:
        """A log message does not say which request it is about; only one that asked for any can be meant."""
        calls = [call for call in calls_of(self) if call.wants_logs and call.line.is_live]
        if calls and not self._is_shared:
            calls[-1].tell(message)

    def tick(self, now: float) -> None:
        for call in list(calls_of(self)):
            call.tick(now)


def _without_token(meta: Any) -> dict[str, Any]:
    left = dict(meta) if isinstance(meta, dict) else {}
    left.pop("progressToken", None)
    return left
