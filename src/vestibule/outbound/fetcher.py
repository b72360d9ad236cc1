"""The guarded GET, for every URL that a stranger can steer (client metadata documents).

The name is resolved once, every answer must be admitted by the guard, and the connection goes to exactly the address
that was checked: a second look at the DNS would be the attacker's chance. Certificate and Host are checked by name. No
redirects, no proxies of the environment, no cookies, no compression, 200 only, five seconds and a cap on bytes. Whoever
wrote the URL gets one message whatever went wrong; the log gets the cause.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound.addresses import AddressGuard
from vestibule.outbound.tls import client_context
from vestibule.ports import FetchedDocument, Resolver

if TYPE_CHECKING:
    import httpx2

DEADLINE = timedelta(seconds=5)
CONNECT_TIMEOUT = timedelta(seconds=3)
CONCURRENT = 10

_MESSAGE = "The document could not be fetched."


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
        self._extra_ca_file = extra_ca_file
        self._deadline = deadline
        self._slots = asyncio.Semaphore(CONCURRENT)

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        import httpx2  # lazily: a gateway that fetches nothing need not carry it

        try:
            async with asyncio.timeout(self._deadline.total_seconds()), self._slots:
                return await self._fetch(url, cap, httpx2.AsyncClient)
        except TimeoutError as error:
            raise FetchError(_MESSAGE, detail=f"{url[:200]}: no whole answer within {self._deadline}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            raise FetchError(_MESSAGE, detail=f"{url[:200]}: {type(error).__name__} {error}"[:500]) from error

    async def _fetch(self, url: str, cap: int, client_of: Callable[..., "httpx2.AsyncClient"]) -> FetchedDocument:
        parts = _read_url(url)
        host, port = parts.hostname or "", parts.port or 443
        address = await self._address(host, port)
        pinned = parts._replace(netloc=f"{f'[{address}]' if ':' in address else address}:{port}").geturl()
        headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
        async with (
            client_of(
                verify=client_context(self._extra_ca_file),
                trust_env=False,
                follow_redirects=False,
                timeout=CONNECT_TIMEOUT.total_seconds(),
            ) as client,
            client.stream("GET", pinned, headers=headers, extensions={"sni_hostname": host}) as response,
        ):
            if response.status_code != 200:
                raise _refused(url, f"status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _refused(url, "a compressed answer")
            return FetchedDocument(
                url=url,
                content_type=response.headers.get("content-type", ""),
                body=await _read(response, cap, url),
                headers={name.lower(): value for name, value in response.headers.items()},
            )

    async def _address(self, host: str, port: int) -> str:
        """One address, after all of them have passed: a name with one private address is not half public."""
        addresses = await self._resolver(host, port)
        if not addresses:
            raise _refused(host, "no address")
        for address in addresses:
            if not self._guard.admits(address):
                raise _refused(host, f"special-use address {address}")
        return addresses[0]


def _read_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(url, "not a URL") from error
    host = parts.hostname or ""
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.fragment or port == 0:
        raise _refused(url, "not a plain https URL")
    if not url.isascii() or not url.isprintable() or "%" in parts.netloc or "\\" in url:
        raise _refused(url, "characters that are read in more than one way")
    if _looks_numeric(host):
        raise _refused(url, "a number that some resolvers read as an address")
    return parts


def _looks_numeric(host: str) -> bool:
    """127.1, 0x7f000001, 2130706433, 0177.0.0.1: addresses to inet_aton, names to others."""
    try:
        ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return last.isdigit() or last.lower().startswith("0x")
    return False


async def _read(response: "httpx2.Response", cap: int, url: str) -> bytes:
    length = response.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > cap:
        raise _refused(url, f"longer than {cap} bytes")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > cap:
            raise _refused(url, f"longer than {cap} bytes")
    return bytes(body)


def _refused(url: str, detail: str) -> FetchRefused:
    return FetchRefused(_MESSAGE, detail=f"{url[:200]}: {detail}")
