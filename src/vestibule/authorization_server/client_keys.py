"""The public keys of clients: those they registered, or those that stand at their jwks_uri.

A stranger can steer this fetch as any other: guarded, capped, counted. Keys are kept for a quarter of an hour, one
fetch serves all who wait, and an unknown `kid` allows one fresh look a minute. While the host is down, what was last
read keeps serving.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from vestibule.errors import FetchError, FetchRefused, TooManyRequests
from vestibule.model import Client, Rate
from vestibule.ports import Clock, DocumentFetcher, Throttle
from vestibule.protocol.json_body import UnreadableJson, read_object

CAP = 64 * 1024  # bytes
KEEP = timedelta(minutes=15)
COOLDOWN = timedelta(minutes=1)
MAX_CLIENTS = 1000
FETCHES = Rate(10, timedelta(minutes=1))  # from one host


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: Mapping[str, Any] = field(repr=False)
    read_at: datetime


class ClientKeys:
    def __init__(self, fetcher: DocumentFetcher, clock: Clock, throttle: Throttle) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._throttle = throttle
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._flights: dict[str, asyncio.Task[Mapping[str, Any]]] = {}

    async def get(self, client: Client, *, fresh: bool = False) -> Mapping[str, Any]:
        """A JWK Set; empty for a client without keys. `fresh`: the keys may have been rotated. Raises `FetchError`."""
        if client.jwks is not None or not client.jwks_uri:
            return client.jwks or {"keys": []}
        kept = self._kept.get(client.jwks_uri)
        if kept is not None:
            self._kept.move_to_end(client.jwks_uri)
            if self._clock() - kept.read_at < (COOLDOWN if fresh else KEEP):
                return kept.keys
        try:
            return await self._fly(client.jwks_uri)
        except FetchError:
            if kept is None:
                raise
            return kept.keys

    async def _fly(self, url: str) -> Mapping[str, Any]:
        flight = self._flights.get(url)
        if flight is None:
            flight = self._flights[url] = asyncio.create_task(self._fetch(url))
            flight.add_done_callback(lambda done: self._land(url, done))
        return await asyncio.shield(flight)

    def _land(self, url: str, done: "asyncio.Task[Mapping[str, Any]]") -> None:
        self._flights.pop(url, None)
        if not done.cancelled():
            done.exception()  # somebody has seen it, or nobody waits any more

    async def _fetch(self, url: str) -> Mapping[str, Any]:
        from vestibule.protocol.jwt import JwtError, check_key_set  # brings the JOSE library: 3 MB

        try:
            await self._throttle.take("fetches of clients' keys", urlsplit(url).netloc, FETCHES)
        except TooManyRequests as error:
            raise FetchRefused("The keys were asked for too often.", detail=url[:200]) from error
        document = await self._fetcher.fetch(url, cap=CAP)
        try:
            keys = read_object(document.body)
            check_key_set(keys)
        except (UnreadableJson, JwtError) as error:
            raise FetchError("The client's keys cannot be read.", detail=f"{url[:200]}: {error}") from error
        self._kept[url] = _Kept(keys, self._clock())
        while len(self._kept) > MAX_CLIENTS:
            self._kept.popitem(last=False)
        return keys
