"""What carries messages to and from a server that is not spoken to by one HTTP request a message.

A child process and an HTTP+SSE server have that in common: one stream of JSON-RPC messages there, one back, and no
status codes, heads or answers. `bridge` makes streamable HTTP of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vestibule.gateway.headers import Header
from vestibule.model import Principal, TenantId

MAX_MESSAGE = 16 * 1024 * 1024  # bytes of one message from a server; a longer one ends the channel


class Listener(Protocol):
    """Who is at our end of a channel."""

    def heard(self, message: bytes) -> None:
        """One message from the server, as it wrote it: whole, but not looked at."""

    def lost(self, reason: str) -> None:
        """The server is gone; called once, whoever ended it. `reason`: for the log."""


class Channel(Protocol):
    """One server, as long as it lives. Not opened twice."""

    async def open(self, listener: Listener) -> None:
        """Raises OSError or TimeoutError; then `lost` is not called."""

    def send(self, message: bytes) -> None:
        """One message, in one line. What cannot be delivered ends in `lost`."""

    @property
    def is_clogged(self) -> bool:
        """Whether so much waits to be taken by the server that nothing should be added."""

    def pause(self) -> None:
        """Read nothing more from the server until `resume`."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """End it, gently first. `lost` follows."""

    async def closed(self) -> None:
        """Returns when nothing of it is left. After `lost` or `close`."""


@dataclass(slots=True)
class Caller:
    """For whom a channel is. All that speak over one channel are the same principal, or at least of one tenant."""

    tenant: TenantId
    principal: Principal | None  # who asked first; None where nobody has to say
    injected: Sequence[Header]  # the header lines of our credential, as the latest request had them
    refused: int = 0  # the status with which the server did not accept them, if it did not


OpenChannel = Callable[[Caller], Channel]
