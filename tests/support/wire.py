"""Raw bytes to the gateway, and what comes back."""

import asyncio
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


@dataclass
class RawAnswer:
    data: bytes
    closed: bool

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1]) if self.data.startswith(b"HTTP/1.1 ") else 0


class Wire:
    """One connection. `async with Wire(url) as wire: await wire.send(b"…")`"""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._address = parts.hostname or "", parts.port or 80

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *args: object) -> None:
        self.writer.close()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark: bytes, seconds: float = 5) -> bytes:
        async with asyncio.timeout(seconds):
            return await self.reader.readuntil(mark)

    async def rest(self, seconds: float = 3) -> RawAnswer:
        """All that comes until the other side closes, or until `seconds` have passed without that."""
        data = bytearray()
        try:
            async with asyncio.timeout(seconds):
                while piece := await self.reader.read(65536):
                    data += piece
        except (TimeoutError, ConnectionError) as error:
            return RawAnswer(bytes(data), isinstance(error, ConnectionError))
        return RawAnswer(bytes(data), True)


def head(host: str, *lines: str, method: str = "POST", path: str = "/mcp", token: str | None = None) -> bytes:
    """A request head; `lines` come after Host."""
    all_lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *lines]
    if token is not None:
        all_lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*all_lines, "", ""]).encode("latin-1")
