"""A request on its way in: who is calling, with which proof, how often, and whether they may, as far as a head tells.

    what is shown ─► known, or verified ─► the key is proven ─► counted ─► judged by its head ─► its session

All of it happens at once for whoever is known; what has to be waited for is waited for beside the connection, whose
client is not read meanwhile.
"""

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vestibule.errors import Allowance, MissingAuthorization, RateLimited, Refusal, TokenExpired, Unavailable
from vestibule.model import Presented, Principal

if TYPE_CHECKING:
    from vestibule.gateway.exchange import Exchange
    from vestibule.gateway.lane import Lane

_NOTHING = Presented()


class Admission:
    """Of one exchange. What it refuses, it raises; or tells the exchange, where it had to wait."""

    __slots__ = ("_exchange", "_lane", "_session")

    def __init__(self, lane: "Lane", exchange: "Exchange", session: bytes | None) -> None:
        """`session`: what the client calls its MCP session."""
        self._lane = lane
        self._exchange = exchange
        self._session = session

    def begin(self, presented: Presented) -> None:
        """Raises a `Refusal`."""
        gateway, resource = self._lane.gateway, self._exchange.route.resource
        if resource.upstream.access == "anonymous" and presented == _NOTHING:
            self._recognized(None)
            return
        try:
            principal = gateway.doorkeeper.recognize(presented, resource, gateway.clock())
        except Refusal as refusal:
            if not self._is_guess(refusal):
                raise
            self._later(self._refuse_guess(refusal))
            return
        if principal is None:
            self._later(self._verify(presented))
        else:
            self._recognized(principal)

    async def _verify(self, presented: Presented) -> None:
        gateway, resource = self._lane.gateway, self._exchange.route.resource
        try:
            presented = replace(presented, network=self._lane.network())
            principal = await gateway.doorkeeper.admit(presented, resource, gateway.clock())
        except Refusal as refusal:
            raise await self._of_stranger(refusal) from refusal
        if self._lane.is_about(self._exchange):
            self._recognized(principal)

    def _is_guess(self, refusal: Refusal) -> bool:
        """Whoever guesses tokens is slowed down by their address; whose token has ended must learn just that."""
        counts = self._exchange.route.call_limits is not None
        return counts and refusal.status == 401 and not isinstance(refusal, MissingAuthorization | TokenExpired)

    async def _refuse_guess(self, refusal: Refusal) -> None:
        raise await self._of_stranger(refusal) from refusal

    async def _of_stranger(self, refusal: Refusal) -> Refusal:
        limits = self._exchange.route.call_limits
        if limits is None or not self._is_guess(refusal):
            return refusal
        address, upstream = self._lane.address(), self._exchange.route.name
        allowance = limits.take(None, address, upstream) or await limits.fetch(None, address, upstream)
        self._exchange.allowance = allowance
        if not allowance.retry_after:
            return refusal
        return RateLimited(allowance, detail=f"limit {allowance.policy!r} of an address")

    def _recognized(self, principal: Principal | None) -> None:
        exchange, limits = self._exchange, self._exchange.route.call_limits
        exchange.principal = principal
        if principal is not None and principal.key_thumbprint:
            exchange.next_nonce = self._check_proof(principal)
        if limits is None:
            self._within_limits()
            return
        allowance = limits.take(principal, self._lane.address(), exchange.route.name)
        if allowance is None:
            self._later(self._ask_for_more())
        else:
            self._counted(allowance)

    def _check_proof(self, principal: Principal) -> str:
        """RFC 9449 §7: this very request proves the key that its token is for. Returns the nonce to use next."""
        request, url = self._exchange.request, self._exchange.route.url
        proofs = [value.decode("latin-1") for name, value in request.headers if name == b"dpop"]
        authorization = dict(request.headers)[b"authorization"]
        method = request.method.decode("ascii")
        return self._lane.gateway.doorkeeper.check_proof(principal, authorization, proofs, method=method, url=url)

    async def _ask_for_more(self) -> None:
        exchange, limits = self._exchange, self._exchange.route.call_limits
        assert limits is not None
        allowance = await limits.fetch(exchange.principal, self._lane.address(), exchange.route.name)
        if self._lane.is_about(exchange):
            self._counted(allowance)

    def _counted(self, allowance: Allowance) -> None:
        self._exchange.allowance = allowance
        if allowance.retry_after:
            raise RateLimited(allowance, detail=f"limit {allowance.policy!r}")
        self._within_limits()

    def _within_limits(self) -> None:
        exchange, route = self._exchange, self._exchange.route
        route.judge.check_head(exchange)
        if self._session is not None:
            exchange.request.session = route.sessions.unbind(self._session, exchange.principal, route.resource)
        self._lane.go_on()
        exchange.admitted()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        """Something has to be waited for; the client is read again when that is over."""
        lane, exchange = self._lane, self._exchange

        async def wait() -> None:
            try:
                await work
                if lane.is_about(exchange):
                    lane.resume_client()
            except Refusal as refusal:
                exchange.fail(refusal)
            except Exception as error:  # nobody must wait for ever because of something nobody foresaw
                lane.gateway.report("admission_failed", level="error", exc_info=error, request_id=exchange.request_id)
                exchange.fail(Unavailable("Something went wrong here.", action="Try again; tell the operator the id."))

        lane.spawn(wait())
