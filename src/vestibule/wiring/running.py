"""Running: one process that serves until it is told to stop, and takes up a new configuration when it is told to.

A reload builds a second house beside the first one, on the same store and the same keys. When all of it stands, every
connection belongs to it from one moment to the next: none is closed, and none of its requests is judged by the old
configuration any more. What is under way goes on in the old house, which is taken down when the last of it has ended.
Whatever is wrong before that moment is told, and nothing has changed.
"""

import asyncio
import ctypes
import gc
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from vestibule.config import Configuration
from vestibule.config.tls import hsts_value
from vestibule.config.worker_rules import faults_of_change
from vestibule.errors import ConfigurationError, Fault, StartError, StoreUnavailable
from vestibule.gateway.lane import Lane
from vestibule.gateway.leaving import end_endless
from vestibule.gateway.sockets import probe_the_silent
from vestibule.model import AuditEvent
from vestibule.telemetry import event_logger
from vestibule.wiring.doorway import Doorway
from vestibule.wiring.front import Front
from vestibule.wiring.house import House
from vestibule.wiring.settings import make_resources
from vestibule.wiring.tls import ServedCertificate

ReadConfiguration = Callable[[], Configuration]
"""Reads it anew. Raises `ConfigurationError`."""
Reloaded = Callable[[Configuration | None], None]
"""Told what is in use from now on; None: what was in use before."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a caller of `serve` is told when the door is open."""

    public_url: str
    mcp_urls: tuple[str, ...]
    signs_in_with: tuple[str, ...]
    stop: Callable[[], None]  # what SIGTERM does; from a signal handler too
    reload: Callable[[], None]  # what SIGHUP does


async def serve(
    configuration: Configuration,
    *,
    ready: Callable[[Running], None] | None = None,
    migrate_apart: bool = False,
    read_again: ReadConfiguration | None = None,
    reloaded: Reloaded | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Run until `Running.stop`. Raises `StartError`; then nothing has been left half-started.

    `migrate_apart`: as `apart` of `open_store`; for what runs long. `read_again`: where a reload gets its configuration
    from; `reloaded` is told what came of it. `listener`: a socket that listens already, of a supervisor.
    """
    listener = listener or listen(configuration.host, configuration.port)
    try:
        house = await House.build(configuration, migrate_apart=migrate_apart)
    except BaseException:
        listener.close()
        raise
    serving = Serving(house, read_again=read_again, reloaded=reloaded)
    try:
        await serving.run(listener, ready)
    finally:
        await serving.close()
        listener.close()


async def try_out(configuration: Configuration) -> None:
    """Build all of it once and take it down again: what keeps it from starting is told here. Raises `StartError`.

    The store is at the newest revision afterwards, and the keys are there.
    """
    ServedCertificate.of(configuration)
    house = await House.build(configuration)
    await house.close()


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, before anything else is made. Raises `StartError` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, so that asyncio, too, sends what is written at once (TCP_NODELAY)
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe_the_silent(listener)
        listener.bind((host, port))
        listener.listen(2048)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            action="Stop the program that uses the port, or choose another with --listen HOST:PORT (or --port).",
        ) from error
    return listener


class Serving:
    """One process's door, and the house behind it: always one, and while a reload ends, those before it."""

    def __init__(
        self,
        house: House,
        *,
        read_again: ReadConfiguration | None = None,
        reloaded: Reloaded | None = None,
    ) -> None:
        self.house = house
        self._read_again = read_again
        self._reloaded = reloaded
        self._log = event_logger("serving")
        self._front = Front(house)
        self._doorway: Doorway | None = None
        self._certificate: ServedCertificate | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = asyncio.Event()
        self._is_stopping = False
        self._wants_reload = False
        self._retiring: dict[House, asyncio.Task[None]] = {}

    # --- asked from outside, from a signal handler too --------------------------------------------------------------

    def stop(self) -> None:
        """Finish what is under way, then leave `run`."""
        self._is_stopping = True
        self._call()

    def reload(self) -> None:
        """Read the configuration again; during a reload, once more after it."""
        self._wants_reload = True
        self._call()

    def _call(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._called.set)

    # --- running ----------------------------------------------------------------------------------------------------

    async def run(self, listener: socket.socket, ready: Callable[[Running], None] | None = None) -> None:
        """Serve until `stop`."""
        self._loop = asyncio.get_running_loop()
        configuration = self.house.configuration
        self._certificate = ServedCertificate.of(configuration)
        await self.house.look()
        self._doorway = Doorway(
            self._front,
            self.house.gateway.protocol_class(),
            tls=self._certificate.context if self._certificate is not None else None,
            headers=_standing_headers(configuration),
        )
        await self._doorway.open(listener)
        self.house.begin()
        try:
            _settle_memory()
            if ready is not None:
                ready(self._running())
            await self._until_stopped()
            await self._leave(self._doorway)
        finally:
            await self.house.rest()

    async def close(self) -> None:
        """Take down everything; what is still under way breaks off."""
        retiring = list(self._retiring)
        for task in self._retiring.values():
            task.cancel()
        await asyncio.gather(*self._retiring.values(), return_exceptions=True)
        for old, successor in zip(retiring, [*retiring, self.house][1:], strict=True):
            await old.retire(successor)
        await self.house.close()
        if self._doorway is not None:
            self._doorway.abort()

    async def _until_stopped(self) -> None:
        while not self._is_stopping:
            if self._wants_reload:
                self._wants_reload = False
                await self._reload()
                continue
            await self._called.wait()
            self._called.clear()

    async def _leave(self, doorway: Doorway) -> None:
        self._front.is_leaving = True
        seconds = self.house.configuration.http.graceful_timeout.total_seconds()
        is_over = await doorway.close(seconds=seconds, end_streams=self._end_streams, busy=self._busy)
        if not is_over:
            cut_off = len(self.house.gateway.exchanges)
            self._log("stopped_in_the_middle", level="warning", requests=cut_off, after_seconds=seconds)

    def _end_streams(self) -> None:
        end_endless(list(self.house.gateway.streams))

    def _busy(self) -> set[Lane]:
        return {exchange.lane for exchange in self.house.gateway.exchanges}

    def _running(self) -> Running:
        configuration, plane = self.house.configuration, self.house.plane
        return Running(
            public_url=configuration.public_url,
            mcp_urls=tuple(one.identifier for one in make_resources(configuration) if not one.message_path),
            signs_in_with=tuple(provider.title for provider in plane.server.providers.values())
            if configuration.signs_people_in
            else plane.authorization_servers,
            stop=self.stop,
            reload=self.reload,
        )

    # --- reload -----------------------------------------------------------------------------------------------------

    async def _reload(self) -> None:
        """All of it, or nothing."""
        try:
            await self._take_up()
        except ConfigurationError as error:
            told = [f"{fault.key}: {fault.reason}. Fix: {fault.fix}" for fault in error.faults]
            await self._refuse(told, "; ".join(fault.key for fault in error.faults))
        except (StartError, StoreUnavailable) as error:
            await self._refuse([f"{error.message} {error.action}".strip()], error.message)
        except Exception as error:  # the house that stands goes on, whatever nobody foresaw about the new one
            self._log("reload_failed", level="error", exc_info=error)
            await self._refuse([type(error).__name__], type(error).__name__)
        else:
            self._log("reloaded", upstreams=[one.name for one in self.house.configuration.upstreams])
            await self._tell("allowed", "")
            if self._reloaded is not None:
                self._reloaded(self.house.configuration)

    async def _refuse(self, faults: list[str], reason: str) -> None:
        self._log("reload_refused", level="error", faults=faults, action="the configuration before it stays in use")
        await self._tell("failed", reason)
        if self._reloaded is not None:
            self._reloaded(None)

    async def _tell(self, outcome: str, reason: str) -> None:
        now = self.house.plane.server.clock()
        good = outcome == "allowed"
        event = AuditEvent(now, "configuration.reload", "allowed" if good else "failed", request_id="", reason=reason)
        with suppress(StoreUnavailable):  # the log has it
            await self.house.trail.record(event)

    async def _take_up(self) -> None:
        """Raises `ConfigurationError`, `StartError` or `StoreUnavailable`; then nothing has changed."""
        if self._read_again is None:
            raise ConfigurationError((Fault("(the command)", "there is nothing to read again", "restart it"),))
        configuration = await asyncio.to_thread(self._read_again)
        old = self.house
        if faults := faults_of_change(old.configuration, configuration):
            raise ConfigurationError(tuple(faults))
        certificate = ServedCertificate.of(configuration)
        new = await House.succeed(old, configuration)
        try:
            await new.look()
        except BaseException:
            await new.retire(old)
            raise
        # From here on nothing waits and nothing fails.
        new.gateway.take_over(old.gateway)
        self._front.house = self.house = new
        if self._certificate is not None and certificate is not None:
            self._certificate.follow(certificate)
        if self._doorway is not None:
            self._doorway.say(_standing_headers(configuration))
        new.begin()
        self._retiring[old] = asyncio.create_task(self._retire(old, new, list(self._retiring.values())))
        await self._look_once_more(new)

    async def _look_once_more(self, house: House) -> None:
        """What the old house learned of after the new one had looked; in a second it would look anyway."""
        with suppress(StoreUnavailable):
            await house.look()

    async def _retire(self, old: House, successor: House, earlier: list[asyncio.Task[None]]) -> None:
        """Wait for what is under way in the old house, and in those before it; then take it down."""
        await old.step_back()
        await asyncio.gather(*earlier, return_exceptions=True)
        loop = asyncio.get_running_loop()
        patience = loop.time() + successor.configuration.http.graceful_timeout.total_seconds()
        while (left := old.gateway.under_way()) or self._front.is_in_use(old):
            if loop.time() >= patience:
                end_endless(left)
            await asyncio.sleep(0.1)
        try:
            await old.retire(successor)
        except Exception as error:  # what it held is lost; who is served now has nothing to do with it
            self._log("retirement_failed", level="error", exc_info=error)
        del self._retiring[old]


def _standing_headers(configuration: Configuration) -> list[tuple[str, str]]:
    value = hsts_value(configuration)
    return [("strict-transport-security", value)] if value else []


def _settle_memory() -> None:
    """What starting up has left behind goes back to the system, and what stays is no work for the collector."""
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
