"""How a connection to an upstream is made: to the addresses of its name one after the other, or to a socket file.

A name's addresses share the time for connecting, so that one which swallows everything leaves some to the next. Over
TLS the name is asked for (SNI) and verified; an address whose certificate is wrong is not passed over for another, and
nothing is ever tried without TLS that was configured with it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar, cast
from urllib.parse import urlsplit

from vestibule.gateway.sockets import probe_the_silent
from vestibule.model import Upstream

P = TypeVar("P", bound=asyncio.Protocol)
Found = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class Dialer:
    """To one upstream."""

    def __init__(self, upstream: Upstream, tls: Callable[[], ssl.SSLContext]) -> None:
        """`tls`: asked for when the first connection is made, and only for https."""
        parts = urlsplit(upstream.url)
        self._seconds = upstream.timeouts.connect.total_seconds()
        self._file = upstream.socket
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if parts.scheme == "https" else None

    async def dial(self, make: Callable[[], P]) -> P:
        """A protocol with its connection. Raises OSError or TimeoutError, with a text for the log."""
        try:
            async with asyncio.timeout(self._seconds):
                return await (self._to_file(make) if self._file else self._to_name(make))
        except TimeoutError as error:
            raise TimeoutError(f"not connected within {self._seconds:g} s") from error

    async def _to_file(self, make: Callable[[], P]) -> P:
        try:
            _, protocol = await asyncio.get_running_loop().create_unix_connection(make, self._file)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file) from error
        return protocol

    async def _to_name(self, make: Callable[[], P]) -> P:
        reached = await self._reach()
        try:
            _, protocol = await asyncio.get_running_loop().create_connection(
                make,
                sock=reached,
                ssl=self._tls() if self._tls is not None else None,
                server_hostname=self._host if self._tls is not None else None,
            )
        except BaseException:
            reached.close()
            raise
        return protocol

    async def _reach(self) -> socket.socket:
        """A socket that is connected to one of the addresses."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds
        found = cast("list[Found]", await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))
        failed: OSError = OSError("the name has no address")
        for number, address in enumerate(found):
            try:
                async with asyncio.timeout((until - loop.time()) / (len(found) - number)):
                    return await _connect(address)
            except OSError as error:  # TimeoutError is one
                failed = error
        raise failed


async def _connect(found: Found) -> socket.socket:
    family, kind, protocol, _, address = found
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        probe_the_silent(made)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made
