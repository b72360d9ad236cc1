"""The open door: one listening socket, its connections, and how they end. HTTP itself is uvicorn's and the gateway's.

It stops in this order:

    nobody new      what already waits in the socket's queue is still let in; then the socket is closed
    the last word   a client that has kept its connection may be sending at this very moment: for half a second every
                    request is still answered, with Connection: close, and a connection is closed after its answer
    the idle        what has said nothing by then is closed
    the busy        are answered, as long as there is time
"""

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Callable, Collection, Sequence
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from vestibule.gateway.lane import Lane

BACKLOG = 2048
HANDSHAKE_SECONDS = 10.0
GOODBYE_SECONDS = 2.0  # for a client's close_notify, after ours
LAST_WORD = 0.5
_LOOKS = 0.02
_MOST_WAITING = 2 * BACKLOG


class Doorway:
    """Takes connections on one socket until it is closed."""

    def __init__(
        self,
        app: Callable[..., Any],
        lanes: type[Lane],
        *,
        tls: ssl.SSLContext | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """`headers`: what every answer says beside the date."""
        self._config = uvicorn.Config(
            app,
            http=lanes,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
        )
        self._lanes = lanes
        self._tls = tls
        self._state = ServerState()
        self._headers: list[tuple[bytes, bytes]] = []
        self._server: asyncio.AbstractServer | None = None
        self._listener: socket.socket | None = None
        self._clock: asyncio.TimerHandle | None = None
        self.say(headers)

    @property
    def connections(self) -> Collection[Lane]:
        return self._state.connections  # type: ignore[return-value]  # uvicorn names its own classes only

    def say(self, headers: Sequence[tuple[str, str]]) -> None:
        """What every answer says from now on."""
        self._headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
        self._set_headers()

    async def open(self, listener: socket.socket) -> None:
        """From now on the socket is ours to close."""
        self._config.load()
        self._tick()
        loop = asyncio.get_running_loop()
        self._listener = listener
        if self._tls is None:
            self._server = await loop.create_server(self._connection, sock=listener, backlog=BACKLOG)
        else:
            self._server = await loop.create_server(
                self._connection,
                sock=listener,
                backlog=BACKLOG,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=GOODBYE_SECONDS,
            )

    def _connection(self) -> Lane:
        return self._lanes(config=self._config, server_state=self._state, app_state={})

    def _tick(self) -> None:
        self._set_headers()
        self._clock = asyncio.get_running_loop().call_later(1.0, self._tick)

    def _set_headers(self) -> None:
        date = formatdate(time.time(), usegmt=True).encode()
        self._state.default_headers = [(b"date", date), *self._headers]

    # --- the end ----------------------------------------------------------------------------------------------------

    async def close(self, *, seconds: float, end_streams: Callable[[], object], busy: Callable[[], set[Lane]]) -> bool:
        """Let everything end. Whether it has, within that time.

        `end_streams` tells the streams that have no end of their own; `busy` says which connections are being answered
        by the gateway, and which of its exchanges go on without one.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self._stop_accepting()
        while self.connections or busy():
            now = loop.time()
            if now - started > seconds:
                break
            for lane in self.connections:
                lane.is_closing_soon = True
            end_streams()
            if now - started > min(LAST_WORD, seconds / 2):
                for lane in set(self.connections) - busy():
                    lane.shutdown()
            await asyncio.sleep(_LOOKS)
        is_over = not self.connections and not busy()
        for task in list(self._state.tasks):
            task.cancel()
        if self._clock is not None:
            self._clock.cancel()
        return is_over

    async def _stop_accepting(self) -> None:
        if self._server is None or self._listener is None:
            return
        if hasattr(select, "poll"):
            waiting = select.poll()
            waiting.register(self._listener.fileno(), select.POLLIN)
            looks = 0
            while waiting.poll(0) and looks < _MOST_WAITING:
                looks += 1
                await asyncio.sleep(0)  # the loop takes one of them each time round
        self._server.close()

    def abort(self) -> None:
        """Whoever is still here is cut off."""
        for lane in list(self.connections):
            lane.abort()
