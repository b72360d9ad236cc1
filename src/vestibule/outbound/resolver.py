"""Names to addresses, through the operating system."""

import asyncio
import socket
from collections.abc import Sequence


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of `host`, in the system's order. Implements `ports.Resolver`. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))
