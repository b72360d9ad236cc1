"""What carries messages to and from a server that is not spoken to by one HTTP request a message.

A child process and an HTTP+SSE server have that in common: one stream of JSON-RPC messages there, one back, and no
status codes, heads or answers. `bridge` makes streamable HTTP of it.
"""

from typing import Protocol


class Listener(Protocol):
    """Who is at our end of a channel."""

    def heard(self, message: bytes) -> None:
        """One message from the server, as it wrote it: whole, and JSON as far as its first byte tells."""

    def lost(self, reason: str) -> None:
        """The server is gone; called once, whoever ended it. `reason`: for the log."""


class Channel(Protocol):
    """One server, as long as it lives. Not opened twice."""

    async def open(self, listener: Listener) -> None:
        """Raises OSError or TimeoutError; then `lost` is not called."""

    def send(self, message: bytes) -> None:
        """One message, without line breaks outside its strings. What cannot be delivered ends in `lost`."""

    @property
    def is_clogged(self) -> bool:
        """Whether so much waits to be taken by the server that nothing should be added."""

    def pause(self) -> None:
        """Read nothing more from the server until `resume`."""

    def resume(self) -> None: ...

    def close(self) -> None:
        """End it, gently first. `lost` follows."""
