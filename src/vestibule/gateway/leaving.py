"""What is under way when the server stops, or is configured anew: what ends now, and what ends by itself.

A stream that answers a call ends with the answer. One that waits for whatever may happen (a GET, or
`subscriptions/listen`) has no end of its own; its client opens the next one when it ends.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vestibule.gateway.exchange import Exchange

_LISTENING = (b"mcp-method", b"subscriptions/listen")


def is_endless(exchange: "Exchange") -> bool:
    """Whether nobody should wait for this exchange to end."""
    if not exchange.is_stream or exchange.owes_answers:
        return False
    request = exchange.request
    return (
        request.method == b"GET" or exchange.operation.method == "subscriptions/listen" or _LISTENING in request.headers
    )


def end_endless(exchanges: Iterable["Exchange"]) -> int:
    """Tell them that it is over, between two events and with the framing's own end. How many there were."""
    ending = [exchange for exchange in exchanges if is_endless(exchange)]
    for exchange in ending:
        exchange.stop()
    return len(ending)
