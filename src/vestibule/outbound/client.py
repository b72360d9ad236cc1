"""The plain client, for URLs of the operator's own configuration: identity providers.

They may be private, because the operator named them, and plain http on loopback only. Everything else is as strict as
for strangers: no redirects, no proxies of the environment, no cookies, no compression, time-outs, a cap. Nothing is
sent twice, because a form may carry a one-time code; a GET whose connection did not come about is tried once more.
"""

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from vestibule.errors import FetchError, FetchRefused
from vestibule.outbound.transport import Call, NotConnected, Pool, Transports
from vestibule.ports import HttpAnswer

CONNECT_TIMEOUT = timedelta(seconds=3)
DEADLINE = timedelta(seconds=10)  # from the call to the last byte
CAP = 1024 * 1024  # bytes
CONNECTIONS = 20
KEPT = 5
# Shorter than the five seconds after which uvicorn and Node close an idle connection: a POST that meets the closing
# is lost, and is not sent again.
KEPT_FOR = timedelta(seconds=4)

_FORM = "application/x-www-form-urlencoded"


class OutboundClient:
    """Implements `ports.HttpClient`."""

    def __init__(
        self,
        *,
        extra_ca_file: Path | None = None,
        deadline: timedelta = DEADLINE,
        cap: int = CAP,
        plain_hosts: Collection[str] = (),
    ) -> None:
        """`plain_hosts`: hosts beside this computer that may be asked over http; for a cloud's metadata service."""
        self._transports = Transports(extra_ca_file)
        self._deadline = deadline
        self._cap = cap
        self._plain_hosts = frozenset(plain_hosts)
        self._pool: Pool | None = None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Raises `FetchError`."""
        call = self._call("GET", url, headers)
        return await self._send(call, attempts=2)

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        call = self._call("POST", url, {**(headers or {}), "Content-Type": _FORM}, urlencode(form).encode())
        return await self._send(call, attempts=1)

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Raises `FetchError`."""
        body = json.dumps(document, separators=(",", ":")).encode()
        call = self._call(method, url, {**(headers or {}), "Content-Type": "application/json"}, body)
        return await self._send(call, attempts=1)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    def _call(self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes = b"") -> Call:
        _check_url(url, self._plain_hosts)
        always = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Vestibule"}
        return Call(method, url, {**always, **(headers or {})}, CONNECT_TIMEOUT, body)

    async def _send(self, call: Call, *, attempts: int) -> HttpAnswer:
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                for _ in range(attempts - 1):
                    try:
                        return await self._once(call)
                    except NotConnected:
                        continue
                return await self._once(call)
        except FetchRefused as error:
            raise FetchRefused("The answer could not be read.", detail=f"{_shown(call)}: {error.message}") from error
        except FetchError as error:
            raise FetchError("No answer came.", detail=f"{_shown(call)}: {error.message}") from error
        except TimeoutError as error:
            raise FetchError("No answer came in time.", detail=f"{_shown(call)}: {self._deadline}") from error

    async def _once(self, call: Call) -> HttpAnswer:
        if self._pool is None:
            pool = await self._transports.open(connections=CONNECTIONS, kept=KEPT, kept_for=KEPT_FOR)
            self._pool = self._pool or pool  # another call may have been quicker
        async with self._pool.answer(call) as reply:
            return HttpAnswer(reply.status, reply.headers, await reply.read(self._cap))


def _check_url(url: str, plain_hosts: Collection[str]) -> None:
    """Raise `FetchRefused` unless it is https, or http to where that is allowed, without user and fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and (_is_loopback(host) or host in plain_hosts))
    if not safe or not host or port == 0 or "@" in parts.netloc or "#" in url or not re.fullmatch(r"[!-~]+", url):
        raise FetchRefused("The address cannot be used: https, or http to this computer only.", detail=f"{url[:200]!r}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(call: Call) -> str:
    """For the log: without the query, where an endpoint may carry anything."""
    return f"{call.method} {call.url.partition('?')[0][:200]!r}"
