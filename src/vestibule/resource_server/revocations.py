"""What has been revoked, known without asking the store.

This replica's own revocations arrive by `learn` before they are answered; those of others by looking at the feed every
second (`wiring` does). The look goes back a minute further than the last one, because rows of concurrent transactions
become visible out of order. It is told in the store's own time, because ours may differ from that of the replica that
revoked. A replica that could not look for a minute stops admitting anybody: a revocation may have passed it by.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from vestibule.model import AccessToken, Principal, Revocation, RevocationKind
from vestibule.ports import Clock, RevocationFeed

OVERLAP = timedelta(minutes=1)
_OVERLAP = int(OVERLAP.total_seconds() * 1_000_000)
BLIND_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Until:
    """Everything issued until then is revoked. Seconds since the epoch."""

    revoked_at: float
    expires_at: float


def _user(tenant: str, user: str) -> str:
    return f"{tenant}\n{user}"


Unwelcome = Callable[[Principal], bool]


class RevocationWatch:
    """The revoked grants and tokens that could still matter."""

    def __init__(
        self,
        feed: RevocationFeed,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._clock = clock
        self._grants: dict[str, float] = {}
        self._tokens: dict[str, float] = {}
        self._clients: dict[str, _Until] = {}
        self._users: dict[str, _Until] = {}
        self._tenants: dict[str, _Until] = {}
        self._position = 0  # of the feed: everything that still matters
        self._monotonic = monotonic  # a clock that is set forward must not blind us
        self._blind_from = monotonic() + BLIND_AFTER.total_seconds()
        self._listeners: list[Callable[[Unwelcome], None]] = []

    def covers(self, token: AccessToken | Principal) -> bool:
        """Whether the token, the grant it came from, or all of its client, person or tenant has been revoked."""
        if token.grant_id in self._grants or token.token_id in self._tokens:
            return True
        if not (self._clients or self._users or self._tenants):
            return False
        for kept, value in (
            (self._clients, token.client_id),
            (self._users, _user(token.tenant, token.user)),
            (self._tenants, token.tenant),
        ):
            revoked = kept.get(value)
            # In the same second: which came first is not known, so it is taken for the older.
            if revoked is not None and token.issued_at <= revoked.revoked_at:
                return True
        return False

    def is_blind(self) -> bool:
        return self._monotonic() > self._blind_from

    def add_listener(self, listener: Callable[[Unwelcome], None]) -> None:
        self._listeners.append(listener)

    def learn(self, revocation: Revocation) -> None:
        """Takes effect before this returns: new calls are refused, and open streams told to end."""
        expires_at = revocation.expires_at.timestamp()
        match revocation.kind:
            case RevocationKind.GRANT | RevocationKind.TOKEN:
                ids = self._grants if revocation.kind is RevocationKind.GRANT else self._tokens
                if revocation.value in ids:
                    return
                ids[revocation.value] = expires_at
            case RevocationKind.CLIENT | RevocationKind.USER | RevocationKind.TENANT:
                kept, value = self._place_of(revocation)
                until = _Until(revocation.revoked_at.timestamp(), expires_at)
                if (known := kept.get(value)) is not None and known.revoked_at >= until.revoked_at:
                    return
                kept[value] = until
        for listener in self._listeners:
            listener(self.covers)

    def _place_of(self, revocation: Revocation) -> tuple[dict[str, _Until], str]:
        match revocation.kind:
            case RevocationKind.USER:
                return self._users, _user(revocation.tenant, revocation.value)
            case RevocationKind.TENANT:
                return self._tenants, revocation.value
            case _:
                return self._clients, revocation.value

    async def look(self) -> None:
        """Read the feed once. Raises `StoreUnavailable`."""
        now = self._clock()
        news, position = await self._feed.news(self._position, now=now)
        for revocation in news:
            self.learn(revocation)
        self._position = position - _OVERLAP
        self._blind_from = self._monotonic() + BLIND_AFTER.total_seconds()
        self._forget(now.timestamp())

    def _forget(self, now: float) -> None:
        for ids in (self._grants, self._tokens):
            for value in [value for value, expires_at in ids.items() if expires_at <= now]:
                del ids[value]
        for kept in (self._clients, self._users, self._tenants):
            for value in [value for value, until in kept.items() if until.expires_at <= now]:
                del kept[value]
