"""Why a client is not read from, and who may say so."""

import asyncio
import weakref
from typing import TYPE_CHECKING

from uvicorn.protocols.http.flow_control import FlowControl

if TYPE_CHECKING:
    from vestibule.gateway.lane import Lane


class Hold:
    """Why a client is not read from, as bits. It is read again when no reason is left."""

    BODY = 1  # the exchange has no room for more of the request
    ANSWER = 2  # the client does not take what it has been answered
    APPLICATION = 4  # the ASGI application has not taken the body yet


class Flow(FlowControl):
    """uvicorn's wish to stop reading is one among others: its going on must not end ours.

    Made for every connection, so nothing is made for it before it is needed (an Event is a kilobyte).
    """

    def __init__(self, lane: "Lane") -> None:
        self.read_paused = False
        self.write_paused = False
        self._writable: asyncio.Event | None = None  # once somebody waits for it
        self._lane = weakref.ref(lane)  # it has us; a connection that is over is not to wait for the collector

    async def drain(self) -> None:
        if self.write_paused:
            self._writable = self._writable or asyncio.Event()
            await self._writable.wait()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def pause_reading(self) -> None:
        if (lane := self._lane()) is not None:
            lane.hold(Hold.APPLICATION)

    def resume_reading(self) -> None:
        if (lane := self._lane()) is not None:
            lane.release(Hold.APPLICATION)
