"""Tokens that have been verified a moment ago, for an application in process: nobody is asked again.

The gateway's doorkeeper does the same for all the kinds that it takes; here there is one. Refused tokens are remembered
too, and slow down those that come next (`brake`): to refuse a well-made one costs as much as to take it.
"""

from collections.abc import Callable

from vestibule.errors import InvalidToken
from vestibule.model import Presented, Principal, Resource
from vestibule.ports import TokenVerifier
from vestibule.resource_server.brake import Brake
from vestibule.resource_server.verified import VerifiedTokens, digest_of

SIZE = 10_000  # principals; about 1 KB each


class RememberedTokens:
    """Implements `ports.TokenVerifier` before another one."""

    def __init__(self, verifier: TokenVerifier, good_for: Callable[[Principal], float], *, size: int = SIZE) -> None:
        """`good_for`: how many seconds a verdict counts; never longer than the token lives."""
        self._verifier = verifier
        self._good_for = good_for
        self._verified = VerifiedTokens(size)
        self._brake = Brake()

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        digest = digest_of(Presented(b"Bearer " + token.encode(), provider=hint.encode()), resource)
        known = self._verified.get(digest, now)
        if known is not None:
            return known
        self._verified.check_not_refused(digest, now)
        await self._brake.wait()
        try:
            principal = await self._verifier.verify(token, resource, now, hint=hint)
        except InvalidToken as refusal:
            self._brake.charge()
            self._verified.refuse(digest, refusal, now)
            raise
        until = min(now + self._good_for(principal), principal.expires_at.timestamp())
        return self._verified.keep(digest, principal, until)
