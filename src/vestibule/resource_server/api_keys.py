"""From an API key to a Principal.

Whatever is wrong with a key, its holder reads one sentence: an unknown key, a truncated one, one that was revoked or
has expired, one whose tenant is suspended. The log says which. A key is found by its digest, so no comparison can be
timed; one that cannot be a key costs no look into the store.

What was verified is good for five minutes, then the store is asked again. A revocation does not wait for that: it comes
by the feed, as those of access tokens do (`revocations`). When a key was used is written beside the call, never before
its answer, and not more often than every five minutes.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from vestibule.errors import InvalidToken, PolicyDenied, StoreUnavailable, TenantDenied
from vestibule.model import ApiKey, Principal, Resource, digest
from vestibule.ports import ApiKeyStore, TenantGate
from vestibule.protocol.api_key import looks_like_api_key, read_api_key
from vestibule.resource_server.revocations import RevocationWatch

ASKED_AGAIN = timedelta(minutes=5)
TOUCHED_AGAIN = timedelta(minutes=5)
LOOKUPS = 4  # at once: whoever floods us with keys that there are not leaves the store to the others


class ApiKeys:
    """Implements `ports.TokenVerifier` for keys of the store, and for those that the configuration names."""

    def __init__(
        self,
        store: ApiKeyStore,
        tenants: TenantGate,
        revocations: RevocationWatch,
        *,
        issuer: str,
        static: Sequence[ApiKey] = (),
        log: Callable[..., None],
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._revocations = revocations
        self._issuer = issuer
        self._static = {key.digest: key for key in static}
        self._log = log
        self._lookups = asyncio.Semaphore(LOOKUPS)
        self._touching: dict[str, asyncio.Task[None]] = {}

    def takes(self, token: str) -> bool:
        """Whether a bearer token is an API key, good or not. No I/O."""
        return looks_like_api_key(token) or digest(token) in self._static

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        """Raises `InvalidToken`; `PolicyDenied` for a good key at an upstream that it is not for."""
        key = await self._find(token)
        await self._check_alive(key, now)
        principal = self._principal(key, resource, now)
        if self._revocations.covers(principal):
            raise _refused(f"{key.key_id} was revoked a moment ago")
        opened = {one.name for one in resource.upstream.members} or {resource.upstream.name}
        if key.upstreams and not opened.intersection(key.upstreams):
            # 403, not 401: the key is good, and neither another sign-in nor a fresh token would help.
            raise PolicyDenied(
                "This API key is not for this MCP server.",
                action="Use a key that is made for it.",
                detail=f"{key.key_id} at {resource.upstream.name}",
            )
        self._touch(key, datetime.fromtimestamp(now, UTC))
        return principal

    async def settle(self) -> None:
        """What is being written about uses has been."""
        await asyncio.gather(*self._touching.values())

    async def _find(self, token: str) -> ApiKey:
        if (static := self._static.get(digest(token))) is not None:
            return static
        known_by = read_api_key(token)
        if known_by is None:
            raise _refused("it has not the form of a key, or its checksum is wrong")
        async with self._lookups:
            key = await self._store.find(known_by)
        if key is None:
            raise _refused("there is no such key")
        return key

    async def _check_alive(self, key: ApiKey, now: float) -> None:
        if key.revoked_at is not None:
            raise _refused(f"{key.key_id} was revoked at {key.revoked_at}")
        if key.expires_at is not None and now >= key.expires_at.timestamp():
            raise _refused(f"{key.key_id} expired at {key.expires_at}")
        try:
            await self._tenants.check_open(key.tenant)
        except TenantDenied as error:
            raise _refused(f"the tenant of {key.key_id} is unknown, suspended or deleted: {key.tenant}") from error

    def _principal(self, key: ApiKey, resource: Resource, now: float) -> Principal:
        end = datetime.fromtimestamp(now, UTC) + ASKED_AGAIN
        return Principal(
            issuer=self._issuer,
            subject=key.user,
            user=key.user,
            tenant=key.tenant,
            client_id=key.user,
            scopes=frozenset(key.scopes),
            resource=resource.identifier,
            grant_id="",
            token_id=key.key_id,
            expires_at=end if key.expires_at is None else min(end, key.expires_at),
            issued_at=int(now),
            shown="api-key",
            upstreams=key.upstreams,
        )

    def _touch(self, key: ApiKey, now: datetime) -> None:
        is_fresh = key.last_used_at is not None and now - key.last_used_at < TOUCHED_AGAIN
        if is_fresh or key.digest in self._static or key.key_id in self._touching:
            return
        self._touching[key.key_id] = asyncio.create_task(self._write_use(key.key_id, now))

    async def _write_use(self, key_id: str, now: datetime) -> None:
        try:
            await self._store.touch(key_id, now=now)
        except StoreUnavailable as error:
            self._log("api_key_use_not_written", level="warning", key_id=key_id, detail=error.detail)
        finally:
            del self._touching[key_id]


def _refused(detail: str) -> InvalidToken:
    return InvalidToken(
        "The API key is not valid.",
        action="Send the whole key; ask the operator whether it has expired or been revoked.",
        detail=detail,
    )
