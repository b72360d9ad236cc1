"""Fetching and keeping client metadata documents.

One fetch serves all who wait for it. A valid document is kept as long as its headers allow; an error is never kept, but
a host that keeps failing is left alone for a while, and no host is asked more than a few times a minute, so that the
door cannot be used to knock at somebody else's.
"""

import asyncio
from collections import deque
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from vestibule.errors import FetchRefused
from vestibule.model import Client
from vestibule.ports import Clock, DocumentFetcher
from vestibule.protocol.client_document import CAP, cache_lifetime, check_client_id_url, read_client_document

MAX_DOCUMENTS = 1000
PER_HOST = 10  # fetches a minute
IN_ALL = 120  # fetches a minute
MINUTE = timedelta(minutes=1)


class ClientDocuments:
    """Implements `clients.DocumentClients`."""

    def __init__(self, fetcher: DocumentFetcher, clock: Clock) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._kept: dict[str, tuple[Client, datetime]] = {}
        self._flights: dict[str, asyncio.Task[Client]] = {}
        self._asked: deque[tuple[datetime, str]] = deque()

    async def get(self, url: str) -> Client:
        check_client_id_url(url)
        kept = self._kept.get(url)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        flight = self._flights.get(url)
        if flight is None:
            self._check_rate(urlsplit(url).netloc)
            flight = self._flights[url] = asyncio.create_task(self._fetch(url))
            flight.add_done_callback(lambda done: self._flights.pop(url, None))
        return await asyncio.shield(flight)

    def purge(self, url: str) -> None:
        """Forget a document, for an operator who knows that it has changed."""
        self._kept.pop(url, None)

    async def _fetch(self, url: str) -> Client:
        document = await self._fetcher.fetch(url, cap=CAP)
        client = read_client_document(url, document.content_type, document.body)
        self._kept.pop(url, None)
        while len(self._kept) >= MAX_DOCUMENTS:
            del self._kept[next(iter(self._kept))]
        self._kept[url] = client, self._clock() + cache_lifetime(document.headers)
        return client

    def _check_rate(self, host: str) -> None:
        now = self._clock()
        while self._asked and self._asked[0][0] <= now - MINUTE:
            self._asked.popleft()
        if len(self._asked) >= IN_ALL or sum(1 for _, asked in self._asked if asked == host) >= PER_HOST:
            raise FetchRefused(
                "The document could not be fetched.", detail=f"too many documents were asked for, of {host[:200]}"
            )
        self._asked.append((now, host))
