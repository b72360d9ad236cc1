"""An MCP server behind somebody's own proxy, which asks us: the example's configuration, all of it running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.parts.processes import free_port
from tests.parts.reverse_proxy import example, reverse_proxy
from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream

PATH = "/tickets/mcp"
STRANGER = "127.0.0.2"  # an address of this computer that is nobody's proxy


@dataclass
class Site:
    """`public`: the door as clients see it, through the proxy. `inner`: where the proxy asks."""

    public: Door
    inner: Door
    backend: RecordingUpstream

    @property
    def mcp(self) -> str:
        return f"{self.public.url}{PATH}"

    async def call(self, token: str | None, path: str = PATH, **options: Any) -> httpx2.Response:
        """An MCP call through the proxy."""
        return await self.public.call(token, url=f"{self.public.url}{path}", **options)

    async def ask(self, token: str | None, path: str = f"/auth{PATH}", **options: Any) -> httpx2.Response:
        """The sub-request that a proxy sends, without one: its method, our public name, the head of a call."""
        method = options.pop("method", "POST")
        headers = {
            "Host": self.public.url.partition("://")[2],
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/list",
            **({"Authorization": f"Bearer {token}"} if token is not None else {}),
            **options.pop("headers", {}),
        }
        return await self.inner.http.request(method, f"{self.inner.url}{path}", headers=headers, **options)


@asynccontextmanager
async def site_without_proxy(
    folder: Path,
    backend: RecordingUpstream,
    *,
    proxy_port: int = 8000,
    upstream: dict[str, Any] | None = None,
    **keys: Any,
) -> AsyncIterator[Site]:
    """For tests that send the proxy's sub-requests themselves."""
    said = yaml.safe_load(example("vestibule.yaml", proxy=proxy_port, vestibule=0, backend=0))
    del said["listen"]
    said["upstreams"][0].update(upstream or {})
    said |= keys
    async with open_door(folder, "", **said) as inner:
        yield Site(replace(inner, url=said["public_url"]), inner, backend)


@asynccontextmanager
async def site_behind(kind: str, folder: Path, *, backend_port: int = 0, **options: Any) -> AsyncIterator[Site]:
    """With nginx, Caddy or Envoy before it. `backend_port`: of another server than the one that records."""
    port = free_port()
    async with (
        RecordingUpstream() as backend,
        site_without_proxy(folder, backend, proxy_port=port, **options) as site,
    ):
        vestibule = int(site.inner.url.rpartition(":")[2])
        with reverse_proxy(kind, folder, proxy=port, vestibule=vestibule, backend=backend_port or backend.port):
            yield site
