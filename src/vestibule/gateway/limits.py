"""How much one client may take of us, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """What one client may take. Bytes and seconds."""

    max_head: int = 32 * 1024
    max_headers: int = 100
    max_body: int = 10 * 1024 * 1024
    max_swallowed: int = 64 * 1024  # of a refused request's body, to keep its connection
    head_seconds: float = 10.0
    body_seconds: float = 30.0  # of silence in a body
    body_bytes_per_second: int = 500  # slower than that, the silence adds up
    idle_seconds: float = 75.0  # between requests
    unread_seconds: float = 60.0  # an answer waits, and nothing of it is taken
    keep_alive_seconds: float = 25.0  # of silence on a stream, before a comment


DEFAULT_LIMITS = GatewayLimits()
