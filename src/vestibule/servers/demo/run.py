"""Running the sample server over HTTP, or over standard input and output.

Decided here: when it listens, when it stops, and what it says meanwhile (warnings, on standard error).
"""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from vestibule.servers.demo.server import demo_server

_GRACE_SECONDS = 1


async def serve_http(*, host: str, port: int, ready: Callable[[str], None] | None = None) -> None:
    """Streamable HTTP at /mcp until SIGINT or SIGTERM. Port 0 means any free one.

    `ready` is told the URL once a client can connect. On a loopback `host` only requests whose Host and Origin name
    loopback are answered (DNS rebinding); on another one the names are not ours to know, and all are.

    Raises OSError, before anything is said, when the address cannot be had.
    """
    _log_warnings_to_stderr()
    app = demo_server().streamable_http_app(host=host)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=_GRACE_SECONDS
    )
    with _listening(host, port) as listener:
        if ready is not None:
            ready(_url(host, listener.getsockname()[1]))
        await _Server(config).serve(sockets=[listener])


async def serve_stdio() -> None:
    """On standard input and output until input ends, or a signal ends the process."""
    _log_warnings_to_stderr()
    with _interruptible():
        await demo_server().run_stdio_async()


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A stream that is open when the server is told to stop is broken off after the grace. That is what was asked
        # for; uvicorn and the SDK would write a page of tracebacks about each.
        with _silenced("uvicorn", "mcp"):
            await super().shutdown(sockets)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        yield listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/mcp" if ":" in host else f"http://{host}:{port}/mcp"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends the process at once, as SIGTERM does.

    asyncio would cancel our task, and the task would wait for the SDK's thread, which sits in a read of standard input
    that nothing can cancel: the process would hang until its input ends. There is nothing to put away.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _silenced(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _log_warnings_to_stderr() -> None:
    """Before the SDK does it, which would draw boxes. Where the program has set up logging, that stays."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
