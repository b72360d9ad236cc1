"""The plain client, for URLs of the operator's own configuration: identity providers.

They may be private, because the operator named them; everything else is as strict as for strangers: no redirects, no
proxies of the environment, time-outs, a cap on what is read. Nothing is sent twice: a form may carry a one-time code.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vestibule.errors import FetchError
from vestibule.outbound.tls import client_context
from vestibule.ports import HttpAnswer

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT = timedelta(seconds=3)
DEADLINE = timedelta(seconds=10)
CAP = 1024 * 1024  # bytes


class OutboundClient:
    """Implements `ports.HttpClient`."""

    def __init__(self, *, extra_ca_file: Path | None = None, deadline: timedelta = DEADLINE, cap: int = CAP) -> None:
        self._extra_ca_file = extra_ca_file
        self._deadline = deadline
        self._cap = cap
        self._client: httpx2.AsyncClient | None = None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        return await self._send("GET", url, headers=headers)

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        return await self._send("POST", url, headers=headers, form=form)

    async def close(self) -> None:
        if self._client is not None:
            with suppress(RuntimeError):  # its loop may be gone already
                await self._client.aclose()

    async def _send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None, form: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        import httpx2  # lazily: a gateway with the development sign-in need not carry it

        if self._client is None:
            self._client = httpx2.AsyncClient(
                verify=client_context(self._extra_ca_file),
                trust_env=False,
                follow_redirects=False,
                timeout=httpx2.Timeout(self._deadline.total_seconds(), connect=CONNECT_TIMEOUT.total_seconds()),
                headers={"Accept": "application/json"},
            )
        try:
            async with (
                asyncio.timeout(self._deadline.total_seconds()),
                self._client.stream(method, url, headers=dict(headers or {}), data=form) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > self._cap:
                        raise FetchError("The answer was too long.", detail=f"{url}: more than {self._cap} bytes")
                return HttpAnswer(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    bytes(body),
                )
        except TimeoutError as error:
            raise FetchError("No answer came in time.", detail=f"{url}: {self._deadline}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise FetchError("No answer came.", detail=f"{url}: {type(error).__name__} {error}"[:500]) from error
