"""Running the sample server over HTTP or standard input and output."""

import asyncio
import logging
import socket

import uvicorn

from vestibule.servers.demo.server import demo_server


async def serve_http(*, host: str, port: int) -> None:
    """Streamable HTTP at /mcp until a signal. Raises OSError when the port is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        app = demo_server().streamable_http_app(host=host)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=2)
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        listener.close()


async def serve_stdio() -> None:
    """On standard input and output, until input ends. Nothing but the protocol is written there."""
    logging.basicConfig(level=logging.WARNING)
    try:
        await demo_server().run_stdio_async()
    except asyncio.CancelledError:
        return
