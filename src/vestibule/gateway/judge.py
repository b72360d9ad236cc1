"""What a request asks for, whether it may, and who hears of it: read once, decided once, told once.

Where a decision hangs on the tool, the body decides, and headers that say otherwise end the request. Where none does,
the body is only glanced at, to tell the trail which tool it was; nothing is refused for how it is written. What cannot
be seen to be no call is told as `unread`: how a body is written must not keep a call out of the trail.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from vestibule.errors import BodyTooLarge, MissingAuthorization, Refusal
from vestibule.model import DEFAULT_TENANT, NO_OPERATION, AuditEvent, Operation, Outcome, Reading, Resource
from vestibule.ports import CallTrail, Clock, Permission
from vestibule.protocol.messages import glance
from vestibule.protocol.operation import read_method, read_operation

if TYPE_CHECKING:
    from vestibule.gateway.exchange import Exchange

MAX_READ = 1024 * 1024  # bytes of a body that a decision hangs on
CALLS = frozenset({"tools/call", "prompts/get", "resources/read"})  # what the trail tells of when it was allowed
UNSEEN = "(not seen)"  # in the place of the tool: what was asked for could not be read, and went on
_NO_FACTS: Mapping[str, str] = {}
_TOLD_A_MINUTE = 60  # refusals of one caller; a trail must not be a way to fill the disk
_MAX_CALLERS = 10_000

Told = Literal["all", "denied", "none"]


@dataclass(slots=True)
class Judge:
    """Of one gateway."""

    permission: Permission
    clock: Clock
    trail: CallTrail | None = None
    told: Told = "all"
    facts: Callable[[str, Mapping[str, Any]], Mapping[str, str]] | None = None
    """What the trail says of a tool and its arguments; None: nothing, and they need not be read for it."""
    _refused: "_Counts" = field(default_factory=lambda: _Counts())  # of callers who are known
    _refused_strangers: "_Counts" = field(default_factory=lambda: _Counts())  # of networks, of which there are more

    def reading(self, resource: Resource) -> Reading:
        """What must be known of a request before it may leave."""
        needed = self.permission.reading(resource)
        if self.facts is not None and self.trail is not None and self.told != "none":
            return Reading.ARGUMENTS
        return max(needed, Reading.NAME) if resource.upstream.hide_denied else needed

    def may_list(self, exchange: "Exchange", tool: str) -> bool:
        return self.permission.may_list(
            exchange.principal, exchange.route.resource, Operation("tools/call", tool), self.clock().timestamp()
        )

    def check_head(self, exchange: "Exchange") -> None:
        """Decide at once where no more than the head is needed. Raises a `Refusal`."""
        if exchange.route.reading is Reading.NOTHING or exchange.request.method != b"POST":
            self._decide(exchange, NO_OPERATION)
            exchange.is_judged = True

    def check_body(self, exchange: "Exchange") -> None:
        """Decide on a POST. Does nothing until its body is whole. Raises a `Refusal`."""
        request = exchange.request
        if request.size > MAX_READ:
            raise BodyTooLarge(
                f"The policy here has to read the request, and it is longer than {MAX_READ} bytes.",
                action="Send less at once.",
            )
        if request.is_whole:
            self._decide(exchange, read_operation(request.method, request.headers, request.text()))
            exchange.is_judged = True

    def check_named(self, exchange: "Exchange", operation: Operation) -> None:
        """Decide on what the head alone says, where it is to be believed. Raises a `Refusal`."""
        self._decide(exchange, operation)
        exchange.is_judged = True

    def _decide(self, exchange: "Exchange", operation: Operation) -> None:
        exchange.operation = operation
        resource, meant = exchange.route.place(operation)
        now = self.clock().timestamp()
        self.permission.check(exchange.principal, resource, meant, now)
        if exchange.route.placing is None:  # an aggregate leaves out what this caller may not listen to
            for uri in operation.watches:
                self.permission.check(exchange.principal, resource, Operation("resources/subscribe", uri), now)

    # --- the trail --------------------------------------------------------------------------------------------------

    def tell_allowed(self, exchange: "Exchange") -> None:
        """Raises `StoreUnavailable`: what cannot be told is not done."""
        if self.trail is None or self.told != "all" or not exchange.may_be_call:
            return
        operation: Operation | None = exchange.operation
        if exchange.route.reading is Reading.NOTHING:
            operation = _glanced(exchange)
        if operation is None or operation.method in CALLS:
            self.trail.note(self._event(exchange, operation or Operation(UNSEEN), "allowed"))

    def tell_refused(self, exchange: "Exchange", refusal: Refusal) -> None:
        """A request that goes no further. Asking without credentials, as every client begins, is no news."""
        if self.trail is None or self.told == "none" or isinstance(refusal, MissingAuthorization):
            return
        if refusal.status not in (401, 403, 429, 503):
            return
        now, principal = self.clock().timestamp(), exchange.principal
        if principal is not None:
            told = self._refused.count(principal.key, now)
        else:
            told = self._refused_strangers.count(exchange.lane.network(), now)
        if told > _TOLD_A_MINUTE:
            return
        outcome: Outcome = "failed" if refusal.status >= 500 else "denied"
        self.trail.note(self._event(exchange, exchange.operation, outcome, refusal))

    def _event(
        self, exchange: "Exchange", operation: Operation, outcome: Outcome, refusal: Refusal | None = None
    ) -> AuditEvent:
        principal = exchange.principal
        resource, operation = exchange.route.place(operation)
        facts = self.facts(operation.tool, operation.arguments) if self.facts and operation.arguments else _NO_FACTS
        return AuditEvent(
            at=self.clock(),
            action="mcp.call",
            outcome=outcome,
            request_id=exchange.request_id,
            actor=principal.user if principal is not None else "",
            client_id=principal.client_id if principal is not None else "",
            tenant=principal.tenant if principal is not None else DEFAULT_TENANT,  # as what is nobody's elsewhere
            target=resource.identifier,
            reason="" if refusal is None else f"{refusal.code}: {refusal.detail or refusal.message}"[:500],
            address=exchange.lane.address(),
            tool=(operation.name or operation.method)[:200],
            facts=facts,
        )


def _glanced(exchange: "Exchange") -> Operation | None:
    """What a body seems to ask for; of one that is passed on as it comes, what its head says, if it says a call.

    None: it cannot be seen, so it may be a call.
    """
    request = exchange.request
    if request.is_whole and request.size:
        seen = glance(request.text())
        if seen is None or seen.method in CALLS:
            return seen
        method = read_method(request.text())  # a second look: what seems to be no call may be one to another reader
        return None if method is None else Operation(method)
    said = {name: value.decode("latin-1") for name, value in request.headers if name in (b"mcp-method", b"mcp-name")}
    method = said.get(b"mcp-method", "")
    return Operation(method, said.get(b"mcp-name", "")) if method in CALLS else None


class _Counts:
    """Of this minute, by caller."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[str, int] = {}

    def count(self, who: str, now: float) -> int:
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._counts = minute, {}
        if who not in self._counts and len(self._counts) >= _MAX_CALLERS:
            who = ""  # so many callers share what is left
        self._counts[who] = count = self._counts.get(who, 0) + 1
        return count
