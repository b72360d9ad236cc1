"""The tokens that identity providers gave us for people (see `ports.ProviderTokenKeeper`).

They are sealed before the store sees them, bound to the row that holds them. Of all callers of all replicas one asks
the provider for newer ones, the others wait for what it brings: a provider that rotates its refresh tokens takes a
second use for a theft. While the provider cannot be reached, its old refresh token stays as it was.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from vestibule.errors import IdentityProviderUnavailable, ProviderSignInNeeded, StoreUnavailable
from vestibule.model import KeptTokens, ProviderTokens, TenantId
from vestibule.ports import Clock, Entropy, IdentityProvider, KeptTokenStore, Sealer

PURPOSE = "provider-tokens"
FRESH_FOR = timedelta(minutes=1)  # a token that ends sooner is refreshed first
ANSWER = timedelta(seconds=20)  # that a provider has for its answer, discovery included
LEASE = timedelta(seconds=30)  # longer than that, or two would ask at once
WAIT = timedelta(seconds=35)  # for another replica's refresh
LOOK_EVERY = 0.05  # seconds


class _Tokens(msgspec.Struct, array_like=True):
    provider: str
    access_token: str
    refresh_token: str
    expires_at: int | None
    scopes: tuple[str, ...]


class KeptProviderTokens:
    """Implements `ports.ProviderTokenKeeper`."""

    def __init__(
        self,
        store: KeptTokenStore,
        providers: Mapping[str, IdentityProvider],
        sealer: Sealer,
        *,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._store = store
        self._providers = providers
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy
        self._flights: dict[str, asyncio.Task[ProviderTokens]] = {}

    async def keep(self, tokens: ProviderTokens, tenant: TenantId, user: str) -> str:
        tokens_id = self._entropy(16).hex()
        await self._store.add(KeptTokens(tokens_id, tenant, user, self._seal(tokens_id, tokens), self._clock()))
        return tokens_id

    async def get(self, tokens_id: str) -> ProviderTokens:
        _, tokens = await self._read(tokens_id)
        if self._is_fresh(tokens):
            return tokens
        flight = self._flights.get(tokens_id)
        if flight is None:
            flight = self._flights[tokens_id] = asyncio.create_task(self._refresh(tokens_id))
            flight.add_done_callback(lambda done: self._land(tokens_id, done))
        return await asyncio.shield(flight)  # one who gives up does not end it for the others

    async def drop(self, tokens_id: str) -> None:
        dropped = await self._store.drop_unused(tokens_id, now=self._clock())
        if dropped is None:
            return
        tokens = self._open(dropped)
        provider = self._providers.get(tokens.provider) if tokens is not None else None
        if tokens is not None and provider is not None:
            await provider.revoke(tokens)

    async def reseal(self, prefix: bytes) -> int:
        """Seal again what another key has sealed, so that the other key may go. How many there were."""
        done = 0
        while batch := await self._store.sealed_otherwise(prefix):
            before = done
            for kept in batch:
                tokens = self._open(kept)
                if tokens is not None and await self._store.replace(kept, self._seal(kept.tokens_id, tokens)):
                    done += 1
            if done == before:  # what is left cannot be opened, or is being written by somebody else
                return done
        return done

    def _land(self, tokens_id: str, done: "asyncio.Task[ProviderTokens]") -> None:
        self._flights.pop(tokens_id, None)
        if not done.cancelled():
            done.exception()

    async def _refresh(self, tokens_id: str) -> ProviderTokens:
        """Ask the provider, or wait for the replica that does."""
        deadline = asyncio.get_running_loop().time() + WAIT.total_seconds()
        while True:
            kept, tokens = await self._read(tokens_id)
            if self._is_fresh(tokens):
                return tokens
            now = self._clock()
            if await self._store.lease(tokens_id, now=now, until=now + LEASE):
                return await self._ask(kept)
            if asyncio.get_running_loop().time() > deadline:
                raise IdentityProviderUnavailable(
                    "The identity provider's answer is taking too long.", action="Try again in a minute."
                )
            await asyncio.sleep(LOOK_EVERY)

    async def _ask(self, leased: KeptTokens) -> ProviderTokens:
        try:
            # Read again under the lease: somebody may have refreshed between our look and our lease.
            kept, tokens = await self._read(leased.tokens_id)
            if self._is_fresh(tokens):
                await self._store.release(kept.tokens_id)
                return tokens
            async with asyncio.timeout(ANSWER.total_seconds()):
                newer = await self._provider(tokens).refresh(tokens)
        except TimeoutError as error:
            await self._release(leased.tokens_id)
            raise IdentityProviderUnavailable(
                "The identity provider's answer is taking too long.", action="Try again in a minute."
            ) from error
        except BaseException:
            await self._release(leased.tokens_id)
            raise
        # The provider has spent the old refresh token: this write must happen whoever stops waiting for it.
        if not await asyncio.shield(self._store.replace(kept, self._seal(kept.tokens_id, newer))):
            raise ProviderSignInNeeded("This sign-in has ended meanwhile.", action="Sign in again.")
        return newer

    async def _release(self, tokens_id: str) -> None:
        try:
            await asyncio.shield(self._store.release(tokens_id))
        except StoreUnavailable:
            return  # the lease ends by itself

    async def _read(self, tokens_id: str) -> tuple[KeptTokens, ProviderTokens]:
        kept = await self._store.get(tokens_id) if tokens_id else None
        tokens = self._open(kept) if kept is not None else None
        if kept is None or tokens is None:
            raise ProviderSignInNeeded(
                "There is no token of the identity provider for this sign-in.", action="Sign in again."
            )
        return kept, tokens

    def _provider(self, tokens: ProviderTokens) -> IdentityProvider:
        provider = self._providers.get(tokens.provider)
        if provider is None:
            raise ProviderSignInNeeded("The identity provider of this sign-in is not used here any more.")
        return provider

    def _is_fresh(self, tokens: ProviderTokens) -> bool:
        return tokens.expires_at is None or tokens.expires_at > self._clock() + FRESH_FOR

    def _seal(self, tokens_id: str, tokens: ProviderTokens) -> bytes:
        expires_at = int(tokens.expires_at.timestamp()) if tokens.expires_at is not None else None
        row = _Tokens(tokens.provider, tokens.access_token, tokens.refresh_token, expires_at, tokens.scopes)
        return self._sealer.seal(PURPOSE, msgspec.json.encode(row), tokens_id.encode())

    def _open(self, kept: KeptTokens) -> ProviderTokens | None:
        opened = self._sealer.open(PURPOSE, kept.sealed, kept.tokens_id.encode())
        if opened is None:
            return None
        row = msgspec.json.decode(opened, type=_Tokens)
        expires_at = datetime.fromtimestamp(row.expires_at, UTC) if row.expires_at is not None else None
        return ProviderTokens(row.provider, row.access_token, row.refresh_token, expires_at, row.scopes)
