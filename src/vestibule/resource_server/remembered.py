"""Tokens that have been verified a moment ago: a digest and a dict, and nobody is asked again.

For an application in process; the gateway's doorkeeper has its own. What a token is for is in the key, so that a token
remembered for one resource is nothing at another.
"""

from collections.abc import Callable
from hashlib import sha256

from vestibule.model import Principal, Resource
from vestibule.ports import TokenVerifier

CACHE_SIZE = 10_000  # verified tokens; about 2 KB each


class RememberedTokens:
    """Implements `ports.TokenVerifier` before another one."""

    def __init__(
        self, verifier: TokenVerifier, good_for: Callable[[Principal], float], *, size: int = CACHE_SIZE
    ) -> None:
        """`good_for`: how many seconds a verdict counts; never longer than the token lives."""
        self._verifier = verifier
        self._good_for = good_for
        self._size = size
        self._kept: dict[tuple[str, str, bytes], tuple[Principal, float]] = {}

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        key = (resource.identifier, hint, sha256(token.encode()).digest())
        found = self._kept.get(key)
        if found is not None and now < found[1]:
            return found[0]
        principal = await self._verifier.verify(token, resource, now, hint=hint)
        self._kept.pop(key, None)
        while len(self._kept) >= self._size:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[key] = principal, min(now + self._good_for(principal), principal.expires_at.timestamp())
        return principal
