"""What does a call cost in the fast lane itself? `python -m bench.lane`.

A tools/call of 1 KB through a whole gateway's connection class, without sockets: bytes in from a client, bytes
out to an upstream, its answer in, bytes out to the client. Microseconds of CPU of the loop's thread, at the best of
many rounds: good to compare one way of writing something with another, on a machine that is never quiet.
"""

import asyncio
import socket
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, cast

import uvloop
from tests.support.house import open_door
from uvicorn.config import Config
from uvicorn.server import ServerState

from bench.requests import call
from vestibule.gateway.upstreams.http import HttpLine

ROUNDS, CALLS = 60, 200
ANSWER = b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"%b"}]}}' % (
    b"y" * 900
)
_DATE = b"Sat, 21 Nov 2026 10:00:00 GMT"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"Connection: keep-alive\r\n\r\n%b" % (_DATE, len(ANSWER), ANSWER)
)


class Silent:
    """A transport that takes everything."""

    def __init__(self) -> None:
        self.taken = 0
        self._socket, self._other_end = socket.socketpair()
        self._socket.setblocking(False)

    def write(self, data: bytes) -> None:
        self.taken += len(data)

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        known = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": self._socket}
        return known.get(name, default)

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_write_buffer_limits(self, high: int) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None: ...
    def abort(self) -> None: ...


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        for calls in ("none", "all"):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, redirect_stdout(StringIO()):
                figure = runner.run(measure(Path(folder) / calls, calls))
            print(f"{figure:6.1f} µs a call with audit.calls: {calls}")


async def measure(folder: Path, calls: str, rounds: int = ROUNDS) -> float:
    folder.mkdir()
    async with open_door(folder, "http://127.0.0.1:9/mcp", audit={"calls": calls}) as door:
        token = (await door.sign_in()).tokens["access_token"]
        request = call(int(door.url.rpartition(":")[2]), token)
        gateway = cast("Any", door.house).gateway
        lane, line, client = _lane(gateway), _line(gateway), Silent()
        lane.connection_made(client)
        lane.data_received(request)
        while line.exchange is None:  # noqa: ASYNC110 - the first time, the token is verified
            await asyncio.sleep(0.01)
        line.data_received(_ANSWER)
        best = float("inf")
        for _ in range(rounds):
            before, began = client.taken, time.thread_time()
            for _ in range(CALLS):
                lane.data_received(request)
                line.data_received(_ANSWER)
            best = min(best, time.thread_time() - began)
            assert client.taken - before > CALLS * len(ANSWER)
            await asyncio.sleep(0.002)
        return best / CALLS * 1e6


def _line(gateway: Any) -> HttpLine:
    """A connection to the upstream that is ready to be used."""
    (pool,) = gateway.pools.values()
    line = HttpLine(pool, "default")
    line.connection_made(cast("asyncio.Transport", Silent()))
    pool.release(line)
    return line


def _lane(gateway: Any) -> Any:
    """A client's connection, as the server makes one."""

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    config, state = Config(app=app, log_config=None), ServerState()
    config.load()
    state.default_headers = [(b"date", _DATE)]
    return gateway.protocol_class()(config=config, server_state=state, app_state={})


if __name__ == "__main__":
    main()
