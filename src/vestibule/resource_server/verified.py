"""What was verified a moment ago, good or bad, by a digest of what was shown. The token itself is never kept.

100,000 entries are at most 100 MB (a test measures it): what many principals have in common, their issuer, client,
scopes, is kept once. The oldest goes first. What was refused is remembered for some seconds, so that a client which
tries again and again costs a look into a dict.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from vestibule.errors import Refusal
from vestibule.model import Presented, Principal, Resource

SIZE = 100_000  # principals
REFUSED_SIZE = 10_000
REFUSED_FOR = 5.0  # seconds
SHARED_SIZE = 20_000  # values that principals have in common


def digest_of(presented: Presented, resource: Resource) -> bytes:
    """Of everything that decides whether somebody comes in, and of nothing else: whoever could write one token in many
    ways would have it verified, and its issuer asked, each time. A line ends each part, and no header has one inside.
    """
    authorization, api_key, provider = presented.authorization, presented.api_key, presented.provider
    if authorization is not None and (not authorization.startswith(b"Bearer ") or b"  " in authorization):
        scheme, blank, token = authorization.partition(b" ")
        if blank:  # only a scheme has no case; a token's counts
            authorization = b"%b %b" % (scheme.lower(), token.strip(b" "))
    if api_key is None and provider is None and authorization is not None:  # nearly all
        return sha256(b"+%b\n-\n-\n+%b" % (authorization, resource.identifier.encode())).digest()
    parts = (authorization, api_key, provider, resource.identifier.encode())
    return sha256(b"\n".join(b"-" if part is None else b"+" + part for part in parts)).digest()


class VerifiedTokens:
    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._principals: dict[bytes, tuple[Principal, float]] = {}
        self._refused: dict[bytes, tuple[float, type[Refusal], str, str]] = {}
        self._shared: dict[Any, Any] = {}

    def get(self, digest: bytes, now: float) -> Principal | None:
        found = self._principals.get(digest)
        return found[0] if found is not None and now < found[1] else None

    def keep(self, digest: bytes, principal: Principal, until: float) -> Principal:
        """The principal as it is kept. `until`: seconds since the epoch."""
        kept = self._compact(principal)
        _make_room(self._principals, digest, self._size)
        self._principals[digest] = (kept, until)
        return kept

    def refuse(self, digest: bytes, refusal: Refusal, now: float) -> None:
        _make_room(self._refused, digest, REFUSED_SIZE)
        self._refused[digest] = (now + REFUSED_FOR, type(refusal), refusal.message, refusal.action)

    def check_not_refused(self, digest: bytes, now: float) -> None:
        """Raise what was raised a few seconds ago."""
        found = self._refused.get(digest)
        if found is None:
            return
        until, kind, message, action = found
        if until - REFUSED_FOR <= now < until:  # a clock that is set back forgets
            raise kind(message, action=action, detail="as a moment ago")
        del self._refused[digest]

    def forget(self) -> None:
        self._principals.clear()
        self._refused.clear()

    def __len__(self) -> int:
        return len(self._principals)

    def _compact(self, principal: Principal) -> Principal:
        share = self._share
        return replace(
            principal,
            issuer=share(principal.issuer),
            identity_issuer=share(principal.identity_issuer),
            tenant=share(principal.tenant),
            client_id=share(principal.client_id),
            scopes=share(principal.scopes),
            resource=share(principal.resource),
            roles=share(principal.roles),
            actors=share(principal.actors),
            expires_at=share(principal.expires_at),
        )

    def _share(self, value: Any) -> Any:
        if len(self._shared) >= SHARED_SIZE:
            self._shared.clear()
        return self._shared.setdefault(value, value)


def _make_room(entries: dict[bytes, Any], digest: bytes, size: int) -> None:
    entries.pop(digest, None)
    while len(entries) >= size:
        del entries[next(iter(entries))]  # the oldest
