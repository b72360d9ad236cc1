"""The aggregate as a pool: to an exchange it is one more upstream, whose lines are tasks that ask the others.

One request is read once, and goes to one member, to all of them, or to nobody. Its line ends with it: when the client
of a modern request leaves, the task is cancelled, and with it every errand that it has under way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from vestibule.errors import BadRequest, Refusal, SessionNotFound
from vestibule.gateway.aggregate import calls, handshakes, listening, listings, pushing
from vestibule.gateway.aggregate.asking import INVALID_PARAMS, NO_SUCH_RESOURCE, Asking
from vestibule.gateway.aggregate.members import Members
from vestibule.gateway.aggregate.out import Out
from vestibule.gateway.aggregate.revivals import Revivals
from vestibule.gateway.aggregate.seals import Seals
from vestibule.gateway.aggregate.sessions import MemberSession, read_sessions
from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.gateway.upstreams.lines import Answered
from vestibule.model import Era, Operation, Principal, Upstream
from vestibule.protocol.aggregate_merge import MODERN_VERSIONS
from vestibule.protocol.aggregate_messages import LISTINGS, UnreadableMessage, named_in, read_message, text_of
from vestibule.protocol.event_stream import EventTooLong

_UNSUPPORTED_VERSION = -32022
_MODERN: Mapping[str, Callable[[Asking], Awaitable[None]]] = {
    **dict.fromkeys(LISTINGS, listings.list_all),
    "server/discover": handshakes.discover,
    "subscriptions/listen": listening.listen,
}
_LEGACY: Mapping[str, Callable[[Asking], Awaitable[None]]] = {
    **dict.fromkeys(LISTINGS, listings.list_all),
    "initialize": handshakes.initialize,
    "logging/setLevel": listings.tell_everybody,
    "ping": listings.pong,
}
# A call without an id is none of them: to each member its name would be another one than has been decided about.
_TOLD_TO_ALL = frozenset(("notifications/initialized", "notifications/cancelled", "notifications/roots/list_changed"))
_ONE_MEMBERS: Mapping[bool, frozenset[str]] = {
    True: frozenset("tools/call prompts/get resources/read completion/complete".split()),
    False: frozenset(
        "tools/call prompts/get resources/read completion/complete resources/subscribe resources/unsubscribe".split()
    ),
}


class AggregateLine:
    """One request's way to the members. See `Line`."""

    def __init__(self, pool: "AggregatePool") -> None:
        self._pool = pool
        self._out: Out | None = None
        self._is_paused = False
        self._task: asyncio.Task[None] | None = None

    def send(self, request: ProxiedRequest, injected: Sequence[Header], answered: Answered) -> None:
        """`injected`: nothing; each member has a credential of its own."""
        self._out = out = Out(answered)
        if self._is_paused:
            out.pause()
        request.has_left = True
        self._task = self._pool.spawn(request, out)

    def write(self, data: bytes) -> None:
        """Nothing comes after a request that was whole."""

    def finish(self) -> None: ...

    def pause(self) -> None:
        self._is_paused = True
        if self._out is not None:
            self._out.pause()

    def resume(self) -> None:
        self._is_paused = False
        if self._out is not None:
            self._out.resume()

    def abandon(self) -> None:
        if self._out is not None:
            self._out.abandon()
        if self._task is not None:
            self._task.cancel()

    def give_back(self) -> None: ...


class AggregatePool:
    """See `Pool`."""

    takes_whole_requests = True

    def __init__(self, upstream: Upstream, members: Members, seals: Seals) -> None:
        self.upstream = upstream
        self.members = members
        self._seals = seals
        self._revivals = Revivals(members)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        return len(self._tasks)

    def take(self, request: ProxiedRequest) -> AggregateLine:
        return AggregateLine(self)

    async def connect(self, request: ProxiedRequest) -> AggregateLine:
        return AggregateLine(self)

    def tick(self, now: float) -> None:
        """The members' own pools have their ticks; deadlines are the tasks'."""

    def revoke(self, unwelcome: Callable[[Principal], bool]) -> None:
        """Nothing is kept here from one request to the next; what members keep, their own pools end."""

    def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()

    async def wait_closed(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, request: ProxiedRequest, out: Out) -> asyncio.Task[None]:
        task = asyncio.create_task(self._answer(request, out))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, request: ProxiedRequest, out: Out) -> None:
        try:
            await self._serve(request, out)
        except Refusal as refusal:
            if out.answered is not None:
                out.answered.upstream_refused(refusal)
        except (UnreadableMessage, EventTooLong) as error:
            if out.answered is not None:
                out.answered.upstream_lost(f"unreadable: {error}")
        except Exception as error:  # nobody must wait for ever because of something nobody foresaw
            self.members.report("aggregate_failed", level="error", exc_info=error)
            if out.answered is not None:
                out.answered.upstream_lost(type(error).__name__)

    async def _serve(self, request: ProxiedRequest, out: Out) -> None:
        body = request.text()
        message = read_message(body) if request.method == b"POST" else {}
        asking = Asking(
            request,
            message,
            text_of(message.get("method")) or "",
            out,
            members=self.members,
            seals=self._seals,
            revivals=self._revivals,
            sessions=self._sessions(request),
        )
        if asking.is_modern:
            await _serve_modern(asking)
        else:
            await _serve_legacy(asking)

    def _sessions(self, request: ProxiedRequest) -> dict[str, MemberSession]:
        """Of a legacy session, those of the members that this caller may use still: a session outlives its tokens, and
        the next one may give less. Raises `SessionNotFound`."""
        if request.era is Era.MODERN or request.session is None:
            return {}
        sessions = read_sessions(request.session, (one.name for one in self.members.members))
        if sessions is None or self._revivals.is_ended(request.session):
            raise SessionNotFound("There is no such session.", action="Send initialize again, without Mcp-Session-Id.")
        sessions |= self._revivals.known(request.session)
        open_to = {one.name for one in self.members.open_to(request.principal, Operation())}
        return {name: one for name, one in sessions.items() if name in open_to}


async def _serve_modern(asking: Asking) -> None:
    version = _version(asking)
    if version not in MODERN_VERSIONS:
        said = {"supported": list(MODERN_VERSIONS), "requested": version}
        await asking.out.error(asking.id, _UNSUPPORTED_VERSION, "Unsupported protocol version", status=400, data=said)
    elif "id" not in asking.message:
        await asking.out.document(202, b"")  # none is about anything here: leaving is how a client cancels
    else:
        await _serve_request(asking, _MODERN)


async def _serve_legacy(asking: Asking) -> None:
    """Raises `BadRequest` for what needs a session and names none."""
    if asking.request.session is None and asking.method not in ("initialize", "ping"):
        raise BadRequest("This address keeps sessions, and the request names none.", action="Send initialize first.")
    if asking.request.method == b"GET":
        await pushing.push(asking)
    elif asking.request.method == b"DELETE":
        await calls.end_session(asking)
    elif not asking.method or asking.method == "notifications/progress":
        await calls.answer_member(asking)
    elif "id" not in asking.message:
        await (calls.tell_all(asking) if asking.method in _TOLD_TO_ALL else asking.out.document(202, b""))
    else:
        await _serve_request(asking, _LEGACY)


async def _serve_request(asking: Asking, everybodys: Mapping[str, Callable[[Asking], Awaitable[None]]]) -> None:
    answer = everybodys.get(asking.method)
    if answer is not None:
        await answer(asking)
        return
    if asking.method not in _ONE_MEMBERS[asking.is_modern]:
        await asking.refuse_method()
        return
    name = named_in(asking.method, asking.params)
    named = asking.members.prefixes.of_operation(Operation(asking.method, name))
    if named is not None:
        await calls.call(asking, named)
    elif asking.method.startswith("resources/"):
        code, status = (INVALID_PARAMS, 400) if asking.is_modern else (NO_SUCH_RESOURCE, 200)
        await asking.out.error(asking.id, code, "Resource not found", status=status, data={"uri": name})
    else:
        await asking.refuse_params(f"Unknown name: {name}")


def _version(asking: Asking) -> str:
    found = [value for key, value in asking.request.headers if key == b"mcp-protocol-version"]
    return found[0].decode("latin-1") if found else ""
