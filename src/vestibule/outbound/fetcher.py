"""The guarded GET, for every URL that a stranger can steer (client metadata documents).

The name is resolved once, every answer must pass the guard, and the connection goes to exactly the address that was
checked; certificate, SNI and Host are by name. No redirects, no proxies of the environment, no cookies, no
credentials, no compression; 200 only, five seconds in all, a cap on bytes, a few at once. Whoever wrote the URL gets
one message whatever went wrong; the log gets the cause.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address
from pathlib import Path

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound.addresses import Address, AddressGuard
from vestibule.outbound.resolver import PinnedHost, pin
from vestibule.outbound.transport import Call, NotConnected, Transports
from vestibule.ports import FetchedDocument, Resolver

DEADLINE = timedelta(seconds=5)  # from the call to the last byte, waiting for a place included
CONNECT_TIMEOUT = timedelta(seconds=3)  # for TCP and for TLS, or less: see `_connect_timeout`
TRIED_ADDRESSES = 2
CONCURRENT = 20
CONCURRENT_PER_HOST = 2

_MESSAGE = "The document could not be fetched."

# RFC 3986 without anything that two parsers read in two ways: no user, no fragment, ASCII only, whole escapes.
_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_URL = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<target>/{_CHARACTER}*(?:\?(?:{_CHARACTER}|\?)*)?)"
)
_DOT_SEGMENT = re.compile(r"[^?]*/(?:\.|%2e){1,2}(?:[/?]|\Z)", re.IGNORECASE)


class GuardedFetcher:
    """Implements `ports.DocumentFetcher`."""

    def __init__(
        self,
        *,
        guard: AddressGuard,
        resolver: Resolver,
        extra_ca_file: Path | None = None,
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._transports = Transports(extra_ca_file)
        self._deadline = deadline
        self._places = _Places()

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        try:
            async with asyncio.timeout(self._deadline.total_seconds()) as deadline:
                return await self._fetch(url, cap, deadline)
        except FetchRefused as error:
            raise FetchRefused(_MESSAGE, detail=f"{url[:200]!r}: {error.message}") from error
        except FetchError as error:
            raise FetchError(_MESSAGE, detail=f"{url[:200]!r}: {error.message}") from error
        except TimeoutError as error:
            raise FetchError(_MESSAGE, detail=f"{url[:200]!r}: no whole answer within {self._deadline}") from error
        except OSError as error:
            raise FetchError(_MESSAGE, detail=f"{url[:200]!r}: not resolved: {error}"[:500]) from error

    async def _fetch(self, url: str, cap: int, deadline: asyncio.Timeout) -> FetchedDocument:
        asked = _read_url(url)
        async with self._places.one_for(asked.host):
            host = await pin(asked.host, asked.port, guard=self._guard, resolver=self._resolver)
            *others, last = _to_try(host.addresses)
            connect_timeout = _connect_timeout(deadline, len(others) + 1)
            for address in others:
                with suppress(NotConnected):
                    return await self._fetch_from(address, asked, host, cap, connect_timeout)
            return await self._fetch_from(last, asked, host, cap, connect_timeout)

    async def _fetch_from(
        self, address: Address, asked: "_Asked", host: PinnedHost, cap: int, connect_timeout: timedelta
    ) -> FetchedDocument:
        """Over a connection of its own: one that was verified for one name never serves another name."""
        call = Call(
            "GET",
            f"https://{_literal(address)}:{asked.port}/",
            headers={
                "Host": asked.authority(host.name),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "Vestibule",
                "Connection": "close",
            },
            target=asked.target,
            server_name=host.name,
            connect_timeout=connect_timeout,
        )
        pool = await self._transports.open(connections=1)
        try:
            async with pool.answer(call) as reply:
                if reply.status != 200:
                    raise FetchRefused(f"status {reply.status}")
                body = await reply.read(cap)
                return FetchedDocument(asked.url, reply.headers.get("content-type", ""), body, reply.headers)
        finally:
            await pool.close()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A URL that has one reading."""

    url: str
    host: str  # in lower case; an IPv6 address in its brackets
    port: int
    target: str  # path and query, to the letter

    def authority(self, name: str) -> str:
        """The Host header, by the canonical name."""
        shown = f"[{name}]" if ":" in name else name
        return shown if self.port == 443 else f"{shown}:{self.port}"


def _read_url(url: str) -> _Asked:
    found = _URL.fullmatch(url)
    if found is None or _DOT_SEGMENT.match(found["target"]):
        raise FetchRefused("not a plain https URL")
    port = int(found["port"] or 443)
    if not 0 < port < 65536:
        raise FetchRefused("not a port")
    return _Asked(url, found["host"].lower(), port, found["target"])


def _to_try(addresses: tuple[Address, ...]) -> list[Address]:
    """The first address and one more: of the other family if there is one, because a host may lack a family."""
    first, *rest = addresses
    other_family = [address for address in rest if address.version != first.version]
    return [first, *(other_family or rest)][:TRIED_ADDRESSES]


def _connect_timeout(deadline: asyncio.Timeout, tried: int) -> timedelta:
    """So short that connecting ends by itself before the deadline ends it, whichever step of it is slow.

    httpcore2 leaves a connection open that is cancelled in its TLS handshake.
    """
    left = (deadline.when() or 0) - asyncio.get_running_loop().time()
    return min(CONNECT_TIMEOUT, timedelta(seconds=max(0.9 * left, 0)) / (2 * tried))


def _literal(address: Address) -> str:
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)


class _Places:
    """How many fetches run at once: in all, and for one host. Waiting is bounded by each fetch's own deadline."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(CONCURRENT)
        self._hosts: dict[str, tuple[asyncio.Semaphore, int]] = {}  # and how many hold a place or want one

    @asynccontextmanager
    async def one_for(self, host: str) -> AsyncIterator[None]:
        places, users = self._hosts.get(host, (asyncio.Semaphore(CONCURRENT_PER_HOST), 0))
        self._hosts[host] = places, users + 1
        try:
            # The host's first: who waits for a slow host must not hold a place that others could use.
            async with places, self._all:
                yield
        finally:
            places, users = self._hosts.pop(host)
            if users > 1:
                self._hosts[host] = places, users - 1
