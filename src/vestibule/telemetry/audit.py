"""The audit trail: in the store before the answer goes out, and told to the log, a file and a collector as well.

One writer takes all that waits and writes it in one transaction: a hundred sign-ins at once cost one wait for the disk.
It never waits for company, so an event alone is written at once. The order of `record` and `note` is the order of the
trail. What was decided about calls (`note`) is written within a second; when the store is away it waits, up to a limit,
and beyond that no call is decided.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

from vestibule.errors import StoreUnavailable
from vestibule.model import AuditEvent, AuditLink
from vestibule.ports import AuditLog
from vestibule.telemetry.audit_sinks import AuditSink, SinkQueue
from vestibule.telemetry.audit_words import cleaned

MAX_WAITING = 10_000  # events about calls that are not written yet
MAX_BATCH = 2000  # of what waits, written in one transaction: a transaction costs as much as some hundred events
NOTE_DELAY = 0.25  # seconds that an event about a call may wait for others
RETRY_DELAY = 0.5  # seconds until what is noted is tried again

CallsKept: TypeAlias = Literal["all", "denied", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class _Recorded:
    """Events that are written together, and who waits for that."""

    events: tuple[AuditEvent, ...]
    written: asyncio.Future[Sequence[AuditLink]]


_Waiting: TypeAlias = _Recorded | AuditEvent
"""What is to be written. Nobody waits for an event alone: it was noted."""


class AuditTrail:
    """Implements `ports.AuditLog` and `ports.CallTrail` over a store's. If that cannot write, the operation does not
    happen."""

    def __init__(
        self,
        store: AuditLog,
        log: Callable[..., None],
        *,
        sinks: Sequence[AuditSink] = (),
        calls: CallsKept = "all",
    ) -> None:
        self._store = store
        self._log = log
        self._sinks = [SinkQueue(sink, log) for sink in sinks]
        self._calls = calls
        self._queue: deque[_Waiting] = deque()
        self._noted = 0  # of them, those that nobody waits for
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._store_is_away = False
        self._closed = False

    async def record(self, event: AuditEvent) -> None:
        """Durable when it returns. Raises `StoreUnavailable`; the log tells of the event in either case.

        Whoever is cancelled while it waits has recorded it all the same, or will have in a moment.
        """
        await self.record_all([event])

    async def record_all(self, events: Sequence[AuditEvent]) -> Sequence[AuditLink]:
        if self._closed:
            raise _closed()
        if not events:
            return []
        waiting = _Recorded(tuple(map(cleaned, events)), asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start_writing()
        return await waiting.written

    def note(self, event: AuditEvent) -> None:
        """An event about a call: written soon, or refused now. Never waits."""
        if self._calls == "none" or (self._calls == "denied" and event.outcome == "allowed"):
            return
        if self._closed or self._noted >= MAX_WAITING:
            raise StoreUnavailable(
                "The store cannot be reached right now.",
                action="Try again in a moment.",
                detail=f"{self._noted} events about calls wait to be written to the audit trail",
            )
        self._queue.append(cleaned(event))
        self._noted += 1
        if self._writer is None:
            if self._noted >= MAX_BATCH and not self._store_is_away:
                self._start_writing()
            elif self._timer is None:
                self._start_writing_in(NOTE_DELAY)

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        return await self._store.tail(limit=limit)

    async def close(self) -> None:
        """Write what waits; then nothing more is taken. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._start_writing()
        while self._writer is not None:
            await self._writer
        if self._queue:
            self._log("audit_not_written", level="error", events=len(self._queue), reason="the store is away")
            self._queue.clear()
        for sink in self._sinks:
            await sink.close()

    # --- the writer -------------------------------------------------------------------------------------------------

    def _start_writing(self) -> None:
        if self._writer is None and self._queue:
            self._writer = asyncio.get_running_loop().create_task(self._write_all(), name="audit")

    def _start_writing_in(self, seconds: float) -> None:
        if self._writer is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._start_writing()

    async def _write_all(self) -> None:
        try:
            is_due = bool(self._queue)
            while is_due:
                await self._write_batch([self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))])
                is_due = self._is_due()
        finally:
            self._writer = None
            if self._queue and not self._closed:
                self._start_writing_in(RETRY_DELAY if self._store_is_away else NOTE_DELAY)

    def _is_due(self) -> bool:
        """Whether what came meanwhile is written at once. What was noted waits for more, as long as it may."""
        if len(self._queue) > self._noted:
            return True
        return not self._store_is_away and (len(self._queue) >= MAX_BATCH or (self._closed and bool(self._queue)))

    async def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        recorded = [one for one in batch if isinstance(one, _Recorded)]
        try:
            links = await self._store.record_all(_events(batch))
        except ValueError as error:
            if len(batch) > 1:  # one of them cannot be stored; the others have nothing to do with it
                for one in batch:
                    await self._write_batch([one])
            else:
                self._give_up(batch, error)
            return
        except StoreUnavailable as error:
            self._store_is_away = True
            self._give_up(recorded, error)
            self._queue.extendleft(one for one in reversed(batch) if isinstance(one, AuditEvent))
            return
        except BaseException as error:
            self._give_up(batch, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        self._store_is_away = False
        self._noted -= len(batch) - len(recorded)
        if recorded:
            self._resolve(batch, links)
        for sink in self._sinks:
            sink.tell(links)

    def _resolve(self, batch: Sequence[_Waiting], links: Sequence[AuditLink]) -> None:
        following = iter(links)
        for one in batch:
            own = tuple(islice(following, 1 if isinstance(one, AuditEvent) else len(one.events)))
            if isinstance(one, _Recorded) and not one.written.done():  # else whoever waited was cancelled
                one.written.set_result(own)
        for one in batch:
            if isinstance(one, _Recorded):  # a line for every call would cost more than the call
                self._tell_all("audit", one.events)

    def _give_up(self, batch: Sequence[_Waiting], error: BaseException) -> None:
        for one in batch:
            if isinstance(one, AuditEvent):
                self._noted -= 1
            elif not one.written.done():
                one.written.set_exception(error)
        self._tell_all("audit_not_written", _events(batch), level="error", exc_info=error)

    def _tell_all(self, name: str, events: Sequence[AuditEvent], **more: object) -> None:
        with suppress(Exception):  # what is in the trail is there, whatever becomes of the log
            for event in events:
                self._log(name, **_told(event), **more)


def _events(batch: Sequence[_Waiting]) -> list[AuditEvent]:
    return [event for one in batch for event in ((one,) if isinstance(one, AuditEvent) else one.events)]


def _told(event: AuditEvent) -> dict[str, object]:
    facts = {
        "action": event.action,
        "outcome": event.outcome,
        "request_id": event.request_id,
        "actor": event.actor,
        "client_id": event.client_id,
        "tenant": event.tenant,
        "target": event.target,
        "reason": event.reason,
        "tool": event.tool,
        "address": event.address,
        "facts": dict(event.facts),
    }
    return {key: value for key, value in facts.items() if value}


def _closed() -> StoreUnavailable:
    return StoreUnavailable("The store cannot be reached right now.", detail="the audit trail has been closed")
