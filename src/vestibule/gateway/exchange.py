"""One request at a path of ours, from its head to the end of its answer: what all of them have in common.

    ADMITTING   the head is checked; the token may need more than the cache; a little of the body may wait here
    COLLECTING  admitted; a small body is awaited whole; one that has to be judged is awaited whole whatever its size
    then        what the path is for: `leave` says so. A proxied exchange goes on in `proxied`
    DONE

An exchange is refused at most once, and only before its answer has begun. Nothing here decodes a message: `judge` reads
a request where a decision hangs on it.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from vestibule.errors import Allowance, BadRequest, BodyTooLarge, Refusal, StoreUnavailable, TokenRevoked
from vestibule.gateway.checks import check_host
from vestibule.gateway.cors import cors_lines
from vestibule.gateway.headers import Header
from vestibule.gateway.request import ProxiedRequest
from vestibule.model import NO_OPERATION, Operation, Principal
from vestibule.protocol.messages import id_of
from vestibule.protocol.rate_limit import rate_limit_headers

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane
    from vestibule.gateway.routes import Route


class State(IntEnum):
    ADMITTING = 0
    COLLECTING = 1
    CONNECTING = 2
    WAITING = 3
    ANSWERING = 4
    DISCARDING = 5
    DONE = 6


class Exchange:
    """See the top of the file. Made by the lane for each request; `leave` is what a kind of route does."""

    has_sessions: ClassVar[bool] = True  # whether a client names its session with Mcp-Session-Id here

    __slots__ = (
        "allowance",
        "deadline",
        "is_judged",
        "keep_alive",
        "lane",
        "next_nonce",
        "operation",
        "origin",
        "principal",
        "request",
        "request_id",
        "route",
        "state",
    )

    def __init__(
        self, lane: "Lane", route: "Route", request: ProxiedRequest, *, keep_alive: bool, request_id: str, now: float
    ) -> None:
        """`now`: the loop's time."""
        self.lane = lane
        self.route = route
        self.request = request
        self.state = State.ADMITTING
        self.principal: Principal | None = None
        self.keep_alive = keep_alive
        self.request_id = request_id
        self.origin: bytes | None = None  # of the page that asks, if it may
        self.next_nonce = ""  # of DPoP, for the client to use next
        self.operation: Operation = NO_OPERATION
        self.is_judged = False
        self.allowance: Allowance | None = None
        self.deadline = 0.0  # on the loop's clock; 0: none

    @property
    def is_stream(self) -> bool:
        """Whether its answer is an event stream, which may end between any two events."""
        return False

    @property
    def may_be_call(self) -> bool:
        """Whether the trail hears of it: a GET or DELETE asks for nothing."""
        return self.request.method == b"POST"

    @property
    def owes_answers(self) -> bool:
        """Whether its stream is where answers to other requests will come."""
        return False

    # --- what a kind of exchange does -------------------------------------------------------------------------------

    def check_addressed(self, host: bytes, changing: Mapping[bytes, bytes], hosts: frozenset[bytes]) -> None:
        """That the request is for a name of ours. `changing`: the header lines that differ from one to the next."""
        check_host(host, hosts)

    def leave(self) -> None:
        """The request has been admitted, judged and told of; its body is whole, or too long to wait for."""
        raise NotImplementedError

    def waits_for(self) -> bool:
        """Whether all of a long body must come before `leave`."""
        return False

    def more(self, data: bytes) -> None:
        """More of the body, after `leave`; as it is to be passed on."""

    def end_of_body(self, end: bytes) -> None:
        """The body is whole, after `leave`."""

    # --- from the client --------------------------------------------------------------------------------------------

    def admitted(self) -> None:
        """Every check of the head has passed, at once or after the token has been verified."""
        self.state = State.COLLECTING
        request = self.request
        request.principal = self.principal
        if request.is_whole or request.is_long:
            self._advance()

    def body(self, data: bytes) -> None:
        request = self.request
        now = request.add(data)
        if request.size > self.route.limits.max_body:
            self.fail(BodyTooLarge(f"The body is longer than {self.route.limits.max_body} bytes."))
        elif request.is_batch and self.route.call_limits is not None:
            self.fail(BadRequest("A batch is many calls, and is counted as one.", action="Send one message at a time."))
        elif request.has_left:
            self.more(now)
        elif not request.is_long:
            return  # the rest of it comes, or it is whole
        elif self.state is State.COLLECTING:
            self._advance()
        else:
            self.lane.pause_client()

    def body_complete(self) -> None:
        end = self.request.finish()
        if self.request.has_left:
            self.end_of_body(end)
        elif self.state is State.COLLECTING:
            self._advance()

    def _advance(self) -> None:
        judge = self.route.judge
        try:
            if not self.is_judged:
                judge.check_body(self)
            if not self.is_judged or self.waits_for():
                return
            judge.tell_allowed(self)
        except Refusal as refusal:
            self.fail(refusal)
            return
        self.leave()

    def client_lost(self) -> None:
        if self.state is not State.DONE:
            self.end()

    def client_paused(self) -> None:
        """The client does not take what it has been answered."""

    def client_resumed(self) -> None: ...

    # --- ends -------------------------------------------------------------------------------------------------------

    def fail(self, refusal: Refusal) -> None:
        """Answer with a refusal if nothing has been answered yet; otherwise break off."""
        if self.state is State.DONE:
            return
        if self.state is State.ANSWERING:
            self.end()
            self.lane.abort()
            return
        text = self.request.text()
        rpc_id = id_of(text) if text else None
        if self.state < State.WAITING:
            refusal = self._told(refusal)
        self.end()
        self.lane.refuse(
            refusal,
            self.route,
            rpc_id=rpc_id,
            request_id=self.request_id,
            body_done=self.request.is_whole,
            keep_alive=self.keep_alive,
            is_head=self.request.method == b"HEAD",
            more=self.more_headers(refusal),
        )

    def _told(self, refusal: Refusal) -> Refusal:
        """What the client is told: that, or that the trail cannot be written."""
        try:
            self.route.judge.tell_refused(self, refusal)
        except StoreUnavailable as error:
            return error
        return refusal

    def more_headers(self, refusal: Refusal | None = None) -> list[Header]:
        """What an answer says beside the answer: how many calls are left, DPoP's next nonce, which page may read it."""
        lines: list[Header] = [] if self.origin is None else list(cors_lines(self.origin))
        if self.allowance is not None and self.allowance.limit:
            lines += [(name.encode(), value.encode()) for name, value in rate_limit_headers(self.allowance)]
        if self.next_nonce and refusal is None:  # RFC 9449 §8.2: for the client's next proof
            lines.append((b"dpop-nonce", self.next_nonce.encode("ascii")))
        return lines

    def revoke(self, now: float) -> None:
        """The token has been revoked while the exchange was under way. What has not left does not leave."""
        if self.state < State.WAITING:
            self.fail(revoked())

    def stop(self) -> None:
        """The answer ends here, because its token has ended or the server shuts down; broken off, it must not look
        whole."""
        if self.state is State.ANSWERING:
            self.end()
            self.lane.abort()

    def tick(self, now: float) -> None:
        """Called about once a second, with the loop's time."""

    def end(self, *, answered: bool = False) -> None:
        """Nothing more will come of this exchange. `answered`: its answer is out, to its last byte."""
        self.state = State.DONE
        self.lane.gateway.forget(self)
        if answered:
            self.lane.exchange_done(keep_alive=self.keep_alive and self.request.is_whole)
        else:
            self.lane.exchange_gone(self)


def revoked() -> TokenRevoked:
    return TokenRevoked("The access token was revoked while this request was under way.", action="Sign in again.")
