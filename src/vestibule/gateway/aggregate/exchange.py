"""A request at an aggregate's path: a call of one member counts against that member's own limits, too."""

from vestibule.errors import Allowance, RateLimited, Refusal, Unavailable
from vestibule.gateway.exchange import State
from vestibule.gateway.proxied import ProxiedExchange
from vestibule.ports import CallLimits


class AggregateExchange(ProxiedExchange):
    """See the top of the file. What all members are asked for at once counts once, at the aggregate."""

    __slots__ = ()

    def leave(self) -> None:
        name, limits = self.route.place(self.operation)[0].upstream.name, self.route.call_limits
        if limits is None or name == self.route.name or not limits.counts_apart(name):
            super().leave()
            return
        allowance = limits.take(self.principal, self.lane.address(), name)
        if allowance is not None:
            self._counted(allowance)
            return
        self.state = State.CONNECTING
        self.lane.spawn(self._ask_for_more(limits, name))

    async def _ask_for_more(self, limits: CallLimits, name: str) -> None:
        try:
            allowance = await limits.fetch(self.principal, self.lane.address(), name)
        except Refusal as refusal:
            self.fail(refusal)
        except Exception as error:  # nobody must wait for ever because of something nobody foresaw
            self.lane.gateway.report("limits_failed", level="error", exc_info=error, request_id=self.request_id)
            self.fail(Unavailable("Something went wrong here.", action="Try again; tell the operator the id."))
        else:
            if self.state is State.CONNECTING:
                self._counted(allowance)

    def _counted(self, allowance: Allowance) -> None:
        self.allowance = allowance
        if allowance.retry_after:
            self.fail(RateLimited(allowance, detail=f"limit {allowance.policy!r}"))
        else:
            super().leave()
