"""What is asked of the kernel about a connection that asyncio has no word for."""

import asyncio
import select
import socket

_PROBES = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 120_000))


def probe_the_silent(one: socket.socket) -> None:
    """Have the kernel find out within two minutes that the other side is gone, also while nothing is to be said to it.

    A listening socket hands this on to what it accepts.
    """
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        if hasattr(socket, name):
            one.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def has_news(transport: asyncio.BaseTransport) -> bool:
    """Whether something has come on this connection that the loop has not told of yet: most often its end."""
    return _polled(transport, "POLLIN")


def has_left(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side has ended it, although we do not read from it and so would not be told.

    Where the kernel cannot say that (it is Linux that can), no.
    """
    return _polled(transport, "POLLRDHUP")


def _polled(transport: asyncio.BaseTransport, event: str) -> bool:
    """Errors count as every event."""
    if not hasattr(select, "poll") or not hasattr(select, event):
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), getattr(select, event))
    return bool(poll.poll(0))
