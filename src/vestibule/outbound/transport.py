"""httpx2, reduced to what we want of it: send one request, read a capped answer. The only file that imports it.

Its transport is used and not its client: the client has cookies, redirects, proxies of the environment and a netrc
file, and here none of that exists. It is loaded at first use, and in a thread: 12 MB and a tenth of a second that a
gateway with nothing to fetch never pays, and that must not stand still in the loop of one that has.

Errors are `FetchError` and `FetchRefused` whose message is the cause; whoever calls decides what of it may be shown.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound.tls import client_context

if TYPE_CHECKING:
    import httpx2


class NotConnected(FetchError):
    """No connection came about, so nothing has been sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str]
    connect_timeout: timedelta
    body: bytes = field(default=b"", repr=False)
    target: str = ""  # path and query, to the letter; empty: as the URL has them
    server_name: str = ""  # for SNI and the certificate, where the URL has an address; empty: the URL's host


class Reply:
    """The head of an answer; the body is still to come."""

    def __init__(self, response: "httpx2.Response") -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self, cap: int) -> bytes:
        """The body. Raises `FetchRefused` as soon as it is known to be compressed or longer than `cap` bytes.

        Nothing is ever decompressed: a few kilobytes can unpack to gigabytes.
        """
        if self.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
            raise FetchRefused("a compressed answer")
        length = self.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > cap:
            raise FetchRefused(f"longer than {cap} bytes")
        body = bytearray()
        async with aclosing(self._response.aiter_raw()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > cap:
                    raise FetchRefused(f"longer than {cap} bytes")
        return bytes(body)


class Pool:
    """Connections, kept for reuse or not. No deadline of its own except for connecting."""

    def __init__(self, transport: "httpx2.AsyncHTTPTransport") -> None:
        self._transport = transport

    @asynccontextmanager
    async def answer(self, call: Call) -> AsyncIterator[Reply]:
        """Raises `NotConnected`, or `FetchError` for everything that goes wrong after that, in reading too."""
        import httpx2

        extensions: dict[str, object] = {"timeout": {"connect": call.connect_timeout.total_seconds()}}
        if call.target:
            extensions["target"] = call.target.encode()
        if call.server_name:
            extensions["sni_hostname"] = call.server_name
        try:
            request = httpx2.Request(
                call.method, call.url, headers=dict(call.headers), content=call.body or None, extensions=extensions
            )
            response = await self._transport.handle_async_request(request)
            try:
                yield Reply(response)
            finally:
                await response.aclose()
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise NotConnected(_describe(error)) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError, ValueError) as error:
            raise FetchError(_describe(error)) from error

    async def close(self) -> None:
        await self._transport.aclose()


class Transports:
    """Opens pools that verify certificates against the system's authorities and those of `extra_ca_file`."""

    def __init__(self, extra_ca_file: Path | None = None) -> None:
        self._extra_ca_file = extra_ca_file
        self._context: ssl.SSLContext | None = None

    async def open(self, *, connections: int, kept: int = 0, kept_for: timedelta = timedelta(0)) -> Pool:
        """Raises `FetchError` when the certificate authorities cannot be read."""
        if self._context is None:
            try:
                self._context = await asyncio.to_thread(_load, self._extra_ca_file)
            except OSError as error:
                raise FetchError(f"{self._extra_ca_file}: {_describe(error)}") from error
        import httpx2

        limits = httpx2.Limits(
            max_connections=connections, max_keepalive_connections=kept, keepalive_expiry=kept_for.total_seconds()
        )
        return Pool(httpx2.AsyncHTTPTransport(verify=self._context, trust_env=False, limits=limits))


def _load(extra_ca_file: Path | None) -> ssl.SSLContext:
    import httpcore2  # noqa: F401 - what httpx2 itself imports late
    import httpx2  # noqa: F401

    return client_context(extra_ca_file)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
