"""h11 in the places of both our neighbours: what we emit has to have one reading, and that is not ours to say."""

import asyncio
from dataclasses import dataclass, field
from typing import Self

import h11


@dataclass
class SecondReader:
    """An upstream that reads with h11, and keeps every byte. `async with SecondReader() as upstream:`"""

    requests: list[tuple[h11.Request, bytes]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *args: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/mcp"

    def forget(self) -> None:
        self.requests.clear()
        self.errors.clear()
        self.seen.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while data := await reader.read(65_536):
                self.seen += data
                connection.receive_data(data)
                self._read(connection, writer)
        except h11.RemoteProtocolError as error:
            self.errors.append(str(error))
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _read(self, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Request):
                self._request, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.requests.append((self._request, self._body))
                writer.write(connection.send(h11.Response(status_code=200, headers=[("content-length", "2")])) or b"")
                writer.write(connection.send(h11.Data(data=b"{}")) or b"")
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            elif event is h11.PAUSED:
                return


def read_answer(data: bytes, *, closed: bool, method: str = "POST") -> tuple[int, bytes, bytes] | None:
    """Status, body, and what stands behind them, as h11 reads an answer; None for one that breaks off.

    Raises `h11.RemoteProtocolError` for one that is none.
    """
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    status, body = 0, b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            if closed and status and connection.their_state is h11.ERROR:
                return None
            raise
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return status, body, connection.trailing_data[0]
        elif event is h11.NEED_DATA:
            if not closed:
                return None
            connection.receive_data(b"")
        elif isinstance(event, h11.ConnectionClosed):
            return None
