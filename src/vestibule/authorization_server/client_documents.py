"""Fetching and keeping client metadata documents.

One fetch serves all who wait for it. A valid document is kept as long as its headers allow, at most a thousand of
them, those last asked for; an error is never kept. Anybody can make us ask anybody, so there are limits, before the
first byte goes out: a few fetches a minute for one network that makes us ask, and for one host that is asked; a pause
for a host that keeps failing; and so many a minute in all. A document that has been valid here before is counted by
itself, so that nobody can use up its chances by asking for its neighbours.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from urllib.parse import urlsplit

from vestibule.errors import FetchError, FetchRefused, InvalidClientMetadata
from vestibule.model import Client
from vestibule.ports import Clock, DocumentFetcher
from vestibule.protocol.caller import network_of
from vestibule.protocol.client_document import CAP, cache_lifetime, read_client_document
from vestibule.protocol.client_url import check_client_id_url

MAX_DOCUMENTS = 1000
PER_HOST = 10  # fetches a minute, of documents that were never valid here; and of each document that was
IN_ALL = 600  # fetches a minute of documents that were never valid here
PER_SOURCE = 20  # fetches a minute of documents that were never valid here, for one network that asks
FAILURES = 5  # in a minute, until a pause
PAUSE = 30.0  # seconds
MINUTE = 60.0

_Target: TypeAlias = str  # what is counted: a host, or the URL of a known document


@dataclass(frozen=True, slots=True)
class _Kept:
    client: Client
    until: datetime  # after that it is only known, and no longer used


@dataclass(frozen=True, slots=True)
class DomainTrust:
    """What the operator thinks of the hosts that documents stand at. A domain is itself and what is under it."""

    trusted: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    only_trusted: bool = False

    def is_trusted(self, url: str) -> bool:
        return _is_under(url, self.trusted)

    def check(self, url: str) -> None:
        """Raise `InvalidClientMetadata` for a document that is not wanted here: before anything is fetched."""
        if _is_under(url, self.blocked) or (self.only_trusted and not self.is_trusted(url)):
            raise InvalidClientMetadata("this server does not accept applications of this domain")


def _is_under(url: str, domains: tuple[str, ...]) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


class ClientDocuments:
    """Implements `clients.DocumentClients`."""

    def __init__(
        self,
        fetcher: DocumentFetcher,
        clock: Clock,
        trust: DomainTrust = DomainTrust(),
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._monotonic = monotonic  # for the limits: a clock that is set back must not stop us asking
        self._kept: OrderedDict[str, _Kept] = OrderedDict()  # the last asked for at the end
        self._flights: dict[str, asyncio.Task[Client]] = {}
        self._limits = _Limits()
        self._trust = trust

    async def get(self, url: str, address: str = "") -> Client:
        """The client that the document at `url` describes. `address`: who makes us ask.

        Raises `InvalidClientMetadata`, or `FetchError` with one message for every cause.
        """
        check_client_id_url(url)
        self._trust.check(url)
        kept = self._kept.get(url)
        if kept is not None:
            self._kept.move_to_end(url)
            if self._clock() < kept.until:
                return kept.client
        flight = self._flights.get(url)
        if flight is None:
            target = url if kept is not None else urlsplit(url).netloc
            self._limits.take(target, known=kept is not None, source=network_of(address), now=self._monotonic())
            flight = self._flights[url] = asyncio.create_task(self._fetch(url, target))
            flight.add_done_callback(lambda done: self._land(url, done))
        return await asyncio.shield(flight)  # one who gives up does not end it for the others

    def purge(self, url: str) -> None:
        """Forget a document, for an operator who knows that it has changed."""
        self._kept.pop(url, None)

    async def _fetch(self, url: str, target: _Target) -> Client:
        try:
            document = await self._fetcher.fetch(url, cap=CAP)
            client = read_client_document(url, document.content_type, document.body)
        except (FetchError, InvalidClientMetadata):
            self._limits.failed(target, now=self._monotonic())
            raise
        self._kept[url] = _Kept(client, self._clock() + cache_lifetime(document.headers))
        self._kept.move_to_end(url)
        if len(self._kept) > MAX_DOCUMENTS:
            self._kept.popitem(last=False)
        return client

    def is_trusted(self, url: str) -> bool:
        """Whether the operator knows whoever publishes at this URL."""
        return self._trust.is_trusted(url)

    def _land(self, url: str, flight: asyncio.Task[Client]) -> None:
        del self._flights[url]
        if not flight.cancelled():
            flight.exception()  # seen, even if everybody who waited has gone


@dataclass(slots=True)
class _Record:
    """What one target was asked lately."""

    asked: deque[float] = field(default_factory=deque)
    failed: deque[float] = field(default_factory=deque)


class _Limits:
    """How often we go out. What is older than a minute is forgotten, so the records are as many as the fetches."""

    def __init__(self) -> None:
        self._records: dict[_Target, _Record] = {}
        self._strangers: deque[tuple[float, str]] = deque()

    def take(self, target: _Target, *, known: bool, source: str, now: float) -> None:
        """Count one fetch. Raises `FetchRefused` when it is one too many."""
        self._forget(now)
        record = self._records.setdefault(target, _Record())
        if len(record.asked) >= PER_HOST:
            raise _refused(f"{target[:200]} was asked {PER_HOST} times within a minute")
        if len(record.failed) >= FAILURES and now < record.failed[-1] + PAUSE:
            raise _refused(f"{target[:200]} failed {FAILURES} times within a minute")
        if not known:
            if sum(by == source for _, by in self._strangers) >= PER_SOURCE:
                raise _refused(f"{source} made us ask for {PER_SOURCE} new documents within a minute")
            if len(self._strangers) >= IN_ALL:
                raise _refused(f"{IN_ALL} new documents were asked for within a minute")
            self._strangers.append((now, source))
        record.asked.append(now)

    def failed(self, target: _Target, *, now: float) -> None:
        self._records.setdefault(target, _Record()).failed.append(now)

    def _forget(self, now: float) -> None:
        while self._strangers and self._strangers[0][0] <= now - MINUTE:
            self._strangers.popleft()
        for target, record in list(self._records.items()):
            _drop_old(record.asked, now)
            _drop_old(record.failed, now)
            if not record.asked and not record.failed:
                del self._records[target]


def _drop_old(moments: deque[float], now: float) -> None:
    while moments and moments[0] <= now - MINUTE:
        moments.popleft()


def _refused(detail: str) -> FetchRefused:
    return FetchRefused("The document could not be fetched.", detail=detail)
