"""A streamable HTTP server, of every era, over servers that are spoken to by a channel: child processes, HTTP+SSE.

    legacy, per principal   each session has a server for itself: initialize starts it, DELETE or silence ends it
    legacy, shared          one server for each tenant; its sessions are kept here (`shared`)
    modern                  one server for each principal, or for each tenant, beside those of the legacy eras, because
                            a server chooses its era by the first message that it gets

Servers are started when they are asked for; how many run, and how they end, is the `fleet`'s. Never do two tenants meet
at one.
"""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from vestibule.errors import HeaderMismatch, Refusal
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.bridge_line import BridgeLine
from vestibule.gateway.upstreams.channel import Caller, OpenChannel
from vestibule.gateway.upstreams.conversation import Clock, Conversation, Parts, Report
from vestibule.gateway.upstreams.fleet import Fleet
from vestibule.gateway.upstreams.modern import ModernServer
from vestibule.gateway.upstreams.sessions import ClientSession, OwnSession
from vestibule.gateway.upstreams.shared import SharedServer, SharedSession
from vestibule.model import Era, Principal, Upstream
from vestibule.protocol.operation import read_operation
from vestibule.protocol.relayed import (
    CAPABILITIES,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    VERSION,
    Kind,
    Message,
    UnreadableMessage,
    error_answer,
    read_asked,
    value_of,
)

MAX_OF_ONE = 10  # servers, or sessions on a shared one, of one person; then those end that nobody uses
MAX_SESSIONS = 10_000  # on shared servers


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    upstream: Upstream
    instances: Literal["per-principal", "shared"] = "per-principal"
    idle: timedelta = timedelta(minutes=10)
    max_instances: int = 100
    is_legacy_only: bool = False  # whether nothing behind the channel knows the modern era


class BridgePool:
    """See the top of the file. Implements `Pool`.

    `open_channel` makes a channel for a caller; it is opened later. `report`: one line in the log.
    """

    takes_whole_requests = True

    def __init__(
        self,
        settings: BridgeSettings,
        open_channel: OpenChannel,
        *,
        report: Report,
        clock: Clock | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.upstream = settings.upstream
        self._clock = clock or _loop_time
        self._entropy = entropy
        self._modern: dict[str, ModernServer] = {}
        self._open_channel = open_channel
        self._report: Report = lambda event, **facts: report(event, upstream=settings.upstream.name, **facts)
        self._sessions: dict[bytes, ClientSession] = {}
        self._settings = settings
        self._shared: dict[str, SharedServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._fleet = Fleet(
            most=settings.max_instances,
            idle=settings.idle,
            report=self._report,
            clock=self._clock,
            jitter=jitter,
            forget=self._forget,
        )

    # --- Pool -------------------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        return self._fleet.size

    def take(self, request: ProxiedRequest) -> BridgeLine:
        return BridgeLine(self._receive)

    async def connect(self, request: ProxiedRequest) -> BridgeLine:
        return self.take(request)

    def tick(self, now: float) -> None:
        now, idle = self._clock(), self._settings.idle.total_seconds()
        for session in list(self._sessions.values()):
            if now - session.used_at >= idle and session.is_quiet:
                self._end(session)
        self._fleet.tick(now)

    def revoke(self, unwelcome: Callable[[Principal], bool]) -> None:
        """Nothing that those principals have begun is there for the next request."""
        for session in list(self._sessions.values()):
            if session.principal is not None and unwelcome(session.principal):
                self._sessions.pop(session.id, None)
                if isinstance(session, OwnSession):
                    self._fleet.revoke(session)
                else:
                    session.end()
        for key, server in list(self._modern.items()):
            if server.caller.principal is not None and unwelcome(server.caller.principal) and not self._is_shared:
                del self._modern[key]
                self._fleet.revoke(server)

    def close(self) -> None:
        self._fleet.close()

    async def wait_closed(self) -> None:
        await self._fleet.wait_closed()

    # --- requests ---------------------------------------------------------------------------------------------------

    @property
    def _is_shared(self) -> bool:
        return self._settings.instances == "shared"

    def _receive(self, line: BridgeLine, request: ProxiedRequest) -> None:
        try:
            if request.era is Era.MODERN:
                self._modern_request(line, request)
            elif request.method == b"POST":
                self._legacy_post(line, request, read_asked(request.text()))
            elif (session := self._session(line, request, b"")) is None:
                return
            elif request.method == b"GET":
                session.listen(line, self._clock())
            else:
                self._end(session)
                line.document(204, b"")
        except UnreadableMessage as error:
            line.document(400, error_answer(b"", error.code, str(error)))
        except OSError as error:
            line.lose(str(error))

    def _legacy_post(self, line: BridgeLine, request: ProxiedRequest, message: Message) -> None:
        if request.session is None and message.method == "initialize" and message.kind is Kind.REQUEST:
            self._open_session(line, request, message)
        elif (session := self._session(line, request, message.id)) is not None:
            session.post(message, line, self._clock())

    def _session(self, line: BridgeLine, request: ProxiedRequest, rpc_id: bytes) -> ClientSession | None:
        """The session that a request names; without one it is answered here."""
        if request.session is None:
            text = "There is no Mcp-Session-Id. Send initialize first, and then the id that its answer has."
            line.document(400, error_answer(rpc_id, INVALID_REQUEST, text))
            return None
        session = self._sessions.get(request.session)
        server = None if session is None else _server_of(session)
        is_there = server is not None and not server.is_closing
        if session is None or not is_there or _owner(session.principal) != _owner(request.principal):
            text = "There is no such session. Send initialize again, without Mcp-Session-Id."
            line.document(404, error_answer(rpc_id, INVALID_REQUEST, text, "SESSION_NOT_FOUND"))
            return None
        if isinstance(session, OwnSession):
            session.caller.injected = line.injected
        return session

    def _open_session(self, line: BridgeLine, request: ProxiedRequest, message: Message) -> None:
        self._make_room(request)
        session_id = self._entropy(16).hex().encode("ascii")
        if not self._is_shared:
            parts, key = self._parts(line, request)
            own = OwnSession(parts, session_id)
            self._fleet.add(own, key)
            self._sessions[session_id] = own
            own.begin(message, line, self._clock())
            return
        server = self._shared.get(request.tenant)
        if server is None or server.is_over or server.is_closing:
            parts, key = self._parts(line, request)
            server = self._shared[request.tenant] = SharedServer(parts)
            self._fleet.add(server, key)
        session = SharedSession(server, session_id, request.principal, self._clock())
        self._sessions[session_id] = session
        self._later(self._join(server, session, message, line))

    async def _join(self, server: SharedServer, session: SharedSession, message: Message, line: BridgeLine) -> None:
        await server.open(session, message, line)
        if session.id not in server.sessions:
            self._sessions.pop(session.id, None)

    def _modern_request(self, line: BridgeLine, request: ProxiedRequest) -> None:
        if self._settings.is_legacy_only:
            text = "Bad Request: unsupported protocol version. Send initialize; this server is of the eras before."
            line.document(400, error_answer(b"", INVALID_REQUEST, text))
            return
        if request.method != b"POST":
            text = "MCP 2026-07-28 has POST alone."
            line.document(405, error_answer(b"", INVALID_REQUEST, text), ((b"allow", b"POST"),))
            return
        message = read_asked(request.text())
        if message.kind is Kind.NOTIFICATION:  # the era has none that a server could do something with
            line.document(202, b"")
            return
        if message.kind is Kind.ANSWER:
            raise UnreadableMessage("A client sends no answers in MCP 2026-07-28.")
        if not isinstance(value_of(message.find(VERSION)), str) or message.find(CAPABILITIES) is None:
            text = "The request's params._meta must have the protocol version and the client's capabilities."
            line.document(400, error_answer(message.id, INVALID_PARAMS, text))
            return
        if message.method == "initialize":
            line.document(404, error_answer(message.id, METHOD_NOT_FOUND, "MCP 2026-07-28 has no initialize."))
            return
        try:
            operation = read_operation(request.method, request.headers, request.text())
        except Refusal as refusal:
            code = HEADER_MISMATCH if isinstance(refusal, HeaderMismatch) else INVALID_REQUEST
            line.document(400, error_answer(message.id, code, refusal.message, refusal.code))
            return
        self._modern_server(line, request).post(message, line, operation, request.headers, self._clock())

    def _modern_server(self, line: BridgeLine, request: ProxiedRequest) -> ModernServer:
        key = request.tenant if self._is_shared else _owner(request.principal)
        server = self._modern.get(key)
        if server is None or server.is_over or server.is_closing:
            self._make_room(request)
            parts, backoff_key = self._parts(line, request)
            is_shared = self._is_shared or request.principal is None
            server = self._modern[key] = ModernServer(parts, is_shared=is_shared)
            self._fleet.add(server, backoff_key)
        server.caller.injected = line.injected
        server.caller.principal = request.principal
        return server

    # --- servers ----------------------------------------------------------------------------------------------------

    def _parts(self, line: BridgeLine, request: ProxiedRequest) -> tuple[Parts, str]:
        """For a new server. Raises OSError when there may be none now."""
        key = f"tenant {request.tenant}" if self._is_shared else _person(request.principal)
        self._fleet.check_may_start(key)
        caller = Caller(request.tenant, request.principal, line.injected)
        parts = Parts(self._open_channel(caller), caller, self._fleet.ended, self._report, self._clock)
        return parts, key

    def _make_room(self, request: ProxiedRequest) -> None:
        """End what this person has longest left alone, or else anybody has. Raises OSError when all is in use."""
        if request.principal is not None:
            person = _person(request.principal)
            own = [one for one in self._sessions.values() if _person(one.principal) == person]
            if len(own) >= MAX_OF_ONE:
                self._end_oldest(own, f"{MAX_OF_ONE} sessions of one person are in use")
        if self._is_shared and len(self._sessions) >= MAX_SESSIONS:
            self._end_oldest(self._sessions.values(), f"{MAX_SESSIONS} sessions are in use")
        self._fleet.make_room()

    def _end_oldest(self, sessions: Iterable[ClientSession], otherwise: str) -> None:
        quiet = [one for one in sessions if one.is_quiet]
        if not quiet:
            raise OSError(otherwise)
        self._end(min(quiet, key=lambda one: one.used_at))

    def _end(self, session: ClientSession) -> None:
        self._sessions.pop(session.id, None)
        if isinstance(session, OwnSession):
            session.close()
        else:
            session.end()

    def _forget(self, server: Conversation) -> None:
        for session in [one for one in self._sessions.values() if _server_of(one) is server]:
            del self._sessions[session.id]
        for servers in (self._modern, self._shared):
            for name in [name for name, one in servers.items() if one is server]:
                del servers[name]

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _owner(principal: Principal | None) -> str:
    return principal.key if principal is not None else ""


def _person(principal: Principal | None) -> str:
    """Whose all of that is, with whatever client: a client is registered for the asking."""
    if principal is None:
        return ""
    return "\n".join((principal.tenant, principal.identity_issuer or principal.issuer, principal.subject))


def _server_of(session: ClientSession) -> Conversation | None:
    return (
        session.server if isinstance(session, SharedSession) else session if isinstance(session, OwnSession) else None
    )


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
