"""The servers behind one address: who may use which, how one of them is asked, and what is done when it is silent.

A member is asked by its own route: its own lines, its own credential. What it may be asked for is decided for its own
resource and by its own names, as at its own path.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vestibule.errors import Refusal
from vestibule.gateway.errand import Errand, run_errand
from vestibule.gateway.framing import Framing
from vestibule.gateway.headers import Header
from vestibule.gateway.lasting import SESSION
from vestibule.gateway.refusals import unavailable
from vestibule.gateway.request import ProxiedRequest
from vestibule.model import Era, Operation, Principal
from vestibule.protocol.aggregate_messages import Message, UnreadableMessage, number_of, read_message
from vestibule.protocol.aggregate_names import Prefixes
from vestibule.protocol.event_stream import EventRewriter, EventTooLong
from vestibule.protocol.operation import encode_header

if TYPE_CHECKING:
    from vestibule.gateway.routes import Route

LONGEST = 4 * 1024 * 1024  # bytes of an answer that is read here, or of one event
METHOD_NOT_FOUND = -32601
_TOLD_EVERY = 60.0  # seconds: how often the log hears the same of the same member
_BOTH = b"application/json, text/event-stream"
_PASS = frozenset((b"accept-language", b"user-agent", b"traceparent", b"tracestate", b"baggage"))
_MIRRORED = frozenset((b"mcp-method", b"mcp-name", b"mcp-protocol-version", SESSION))


@dataclass(frozen=True, slots=True)
class Member:
    """One server, by its name in the aggregate."""

    name: str
    route: "Route"

    @property
    def title(self) -> str:
        return self.route.resource.upstream.title or self.name

    def check(self, principal: Principal | None, operation: Operation) -> None:
        """Raises the `Refusal` that the caller would get at the member's own path. `operation`: in its own words."""
        judge = self.route.judge
        judge.permission.check(principal, self.route.resource, operation, judge.clock().timestamp())

    def may(self, principal: Principal | None, operation: Operation) -> bool:
        try:
            self.check(principal, operation)
        except Refusal:
            return False
        return True

    def may_list(self, principal: Principal | None, operation: Operation) -> bool:
        judge = self.route.judge
        return judge.permission.may_list(principal, self.route.resource, operation, judge.clock().timestamp())


@dataclass(frozen=True, slots=True)
class Reply:
    """A member's whole answer. `message` is empty where it answered with none."""

    member: Member
    status: int
    headers: list[Header]
    message: Message

    @property
    def result(self) -> Message | None:
        """None for an error, and for what is no object."""
        found = bytes(self.message.get("result", b""))
        return read_message(found) if found.lstrip().startswith(b"{") else None

    @property
    def error_code(self) -> int | None:
        if "error" not in self.message:
            return None
        return number_of(read_message(self.message["error"]).get("code"))

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a request is put to a member: what stands in its head beside what the client sent."""

    version: bytes | None  # MCP-Protocol-Version
    method: str = ""  # Mcp-Method and Mcp-Name, in the modern era
    name: str = ""
    session: bytes | None = None  # the member's own
    accept: bytes = _BOTH  # what its answer may be
    more: tuple[Header, ...] = ()


def request_to(request: ProxiedRequest, body: bytes, words: Wording, *, http: bytes = b"POST") -> ProxiedRequest:
    """A request to a member in the place of the client's, whose own session, query and length stay here."""
    is_modern = request.era is Era.MODERN
    headers = [one for one in request.headers if one[0] in _PASS or _is_parameter(one[0], words)]
    headers.append((b"accept", b"text/event-stream" if http == b"GET" else words.accept))
    if http == b"POST":
        headers.append((b"content-type", b"application/json"))
    if words.version is not None:
        headers.append((b"mcp-protocol-version", words.version))
    if is_modern and words.method:
        headers.append((b"mcp-method", words.method.encode("latin-1", "replace")))
    if is_modern and words.name:
        headers.append((b"mcp-name", encode_header(words.name)))
    if words.session is not None:
        headers.append((SESSION, words.session))
    framing = Framing(len(body) if http == b"POST" else None, chunked=False)
    made = ProxiedRequest(http, b"", [*headers, *words.more], framing, era=request.era)
    made.principal, made.session = request.principal, words.session
    if http == b"POST":
        made.add(body)
        made.finish()
    return made


def _is_parameter(name: bytes, words: Wording) -> bool:
    """What a tool declares, and what else of MCP goes with a call; not with a question of our own."""
    return bool(words.name) and name.startswith(b"mcp-") and name not in _MIRRORED


@dataclass(slots=True)
class Members:
    """Of one aggregate, in their order. `deadline`: seconds that each has for what all are asked."""

    members: tuple[Member, ...]
    prefixes: Prefixes
    deadline: float
    report: Callable[..., None]
    new_id: Callable[[], str]  # 16 hex digits, never twice
    count_absence: Callable[[str], None]  # by member, for the metrics
    _told: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Member:
        return next(member for member in self.members if member.name == name)

    def open_to(self, principal: Principal | None, operation: Operation) -> list[Member]:
        """Those whom this caller may ask that."""
        return [member for member in self.members if member.may(principal, operation)]

    async def ask_all(self, questions: Mapping[str, ProxiedRequest]) -> list[Reply]:
        """Each its own question, all at once. Who does not answer in time, or not readably, is absent."""
        asked = [self._ask_or_tell(self[name], question) for name, question in questions.items()]
        return [reply for reply in await asyncio.gather(*asked) if reply is not None]

    async def _ask_or_tell(self, member: Member, question: ProxiedRequest) -> Reply | None:
        try:
            async with asyncio.timeout(self.deadline):
                return await ask(member, question)
        except TimeoutError:
            self.tell_absent(member, f"no answer within {self.deadline:g} s")
        except Refusal as refusal:
            self.tell_absent(member, refusal.detail or refusal.message)
        except (UnreadableMessage, EventTooLong) as error:
            self.tell_absent(member, f"unreadable answer: {error}")
        return None

    def tell_absent(self, member: Member, reason: str) -> None:
        """Its things are missing from an answer."""
        self.count_absence(member.name)
        self.tell("aggregate_member_absent", member, reason)

    def tell(self, event: str, member: Member, reason: str) -> None:
        """The log, once a minute for each reason."""
        now, key = asyncio.get_running_loop().time(), (event, member.name, reason[:100])
        if now - self._told.get(key, -_TOLD_EVERY) < _TOLD_EVERY:
            return
        if len(self._told) > 1000:
            self._told.clear()
        self._told[key] = now
        self.report(event, level="warning", member=member.name, reason=reason[:500])


@asynccontextmanager
async def errand_to(member: Member, question: ProxiedRequest) -> AsyncIterator[Errand]:
    """Under way for as long as the block; given up at its end if it is not over. Raises a `Refusal`."""
    errand = await run_errand(member.route, question)
    try:
        yield errand
    finally:
        errand.abandon()


async def ask(member: Member, question: ProxiedRequest) -> Reply:
    """Its answer, read whole. Raises a `Refusal`, `UnreadableMessage` or `EventTooLong`."""
    async with errand_to(member, question) as errand:
        head = await errand.head()
        encoding = head.get(b"content-encoding")
        if encoding is not None and encoding.lower() != b"identity":
            raise unavailable(member.name, "it has compressed its answer, although it was asked not to")
        if head.is_stream:
            message = await _answer_in(errand)
        else:
            body = await errand.body(longest=LONGEST)
            message = read_message(body) if body.lstrip().startswith(b"{") else {}
        return Reply(member, head.status, head.headers, message)


async def events_of(
    errand: Errand,
    rename: Callable[[bytes], bytes],
    *,
    event_id: Callable[[bytes], bytes] | None = None,
    longest: int = LONGEST,
) -> AsyncIterator[bytes]:
    """Its events as they come, with their data rewritten; empty when something came, and no whole event."""
    events = EventRewriter(rename, longest=longest, rewrite_id=event_id)
    async for piece in errand:
        yield events.feed(piece)
    yield events.finish()


async def _answer_in(errand: Errand) -> Message:
    """Of a stream, the message that ends it: what a server says on the way there is not for us."""
    found: list[Message] = []

    def keep(data: bytes) -> bytes:
        if data.strip():
            message = read_message(data)
            if "method" not in message and ("result" in message or "error" in message):
                found.append(message)
        return b""

    async for _ in events_of(errand, keep):
        if found:
            return found[0]
    raise UnreadableMessage("the stream has ended without an answer")


def first_error(replies: Iterable[Reply]) -> Reply | None:
    """What is wrong with a request that nobody could answer, in the words of the first who says so."""
    told = [reply for reply in replies if "error" in reply.message]
    return next((reply for reply in told if reply.error_code != METHOD_NOT_FOUND), told[0] if told else None)
