"""A provider's discovery document and keys, kept for an hour.

An unknown `kid` allows one fresh look at the keys, no more than one a minute. While the provider is down, what was last
read keeps serving, and the provider is asked again every half a minute, not at every sign-in.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from vestibule.errors import FetchError
from vestibule.oauth_client.discovery import MetadataError, ProviderMetadata, read_metadata
from vestibule.ports import Clock, HttpClient
from vestibule.protocol import jwt
from vestibule.protocol.json_body import UnreadableJson, read_object

KEEP = timedelta(hours=1)
RETRY = timedelta(seconds=30)
REFETCH_COOLDOWN = timedelta(minutes=1)

Kind = TypeVar("Kind")
_NEVER = datetime.min.replace(tzinfo=UTC)


class _Kept(Generic[Kind]):
    """One value that is read again when it is old."""

    def __init__(self, read: Callable[[], Awaitable[Kind]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._value: Kind | None = None
        self._ask_again_at = _NEVER
        self._refetched_at = _NEVER
        self._lock = asyncio.Lock()

    async def get(self) -> Kind:
        async with self._lock:
            if self._value is None or self._clock() >= self._ask_again_at:
                await self._try()
            assert self._value is not None
            return self._value

    async def look_again(self) -> Kind | None:
        """The value read anew; None when that was done a minute ago or less."""
        async with self._lock:
            if self._clock() - self._refetched_at < REFETCH_COOLDOWN:
                return None
            self._refetched_at = self._clock()
            await self._try()
            return self._value

    async def _try(self) -> None:
        try:
            self._value = await self._read()
            self._ask_again_at = self._clock() + KEEP
        except FetchError:
            if self._value is None:
                raise
            self._ask_again_at = self._clock() + RETRY


class Documents:
    """Of one provider. Everything raises `FetchError`, with the reason in its detail."""

    def __init__(self, *, url: str, issuer: str, http: HttpClient, clock: Clock) -> None:
        """`url`: where the discovery document is. `issuer`: what it must say its issuer is, to the letter."""
        self._url = url
        self._issuer = issuer
        self._http = http
        self._metadata = _Kept(self._read_metadata, clock)
        self._jwks = _Kept(self._read_jwks, clock)

    async def metadata(self) -> ProviderMetadata:
        return await self._metadata.get()

    async def jwks(self) -> Mapping[str, Any]:
        return await self._jwks.get()

    async def verified_claims(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of a token that one of the provider's keys signed. Raises `JwtError` as well."""
        algorithms = (await self.metadata()).signing_algorithms
        try:
            return jwt.verify(token, await self._jwks.get(), algorithms=algorithms)
        except jwt.UnknownKey:
            keys = await self._jwks.look_again()
            if keys is None:
                raise
            return jwt.verify(token, keys, algorithms=algorithms)

    async def _read_metadata(self) -> ProviderMetadata:
        try:
            return read_metadata(await self._get(self._url), issuer=self._issuer)
        except MetadataError as error:
            raise FetchError("The document cannot be used.", detail=str(error)) from error

    async def _read_jwks(self) -> Mapping[str, Any]:
        url = (await self._metadata.get()).jwks_uri
        try:
            return read_object(await self._get(url))
        except UnreadableJson as error:
            raise FetchError("The keys cannot be read.", detail=f"{url}: {error}") from error

    async def _get(self, url: str) -> bytes:
        answer = await self._http.get(url)
        if answer.status != 200:
            raise FetchError("The document did not come.", detail=f"{url} answered {answer.status}")
        return answer.body
