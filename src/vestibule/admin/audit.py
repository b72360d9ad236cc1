"""The trail, read: which events somebody asks for, who may see them, and whether the trail is as it was written.

Reading is in the trail itself before anything of it is shown. Checking a chain tells nothing of events and writes
nothing: a trail that somebody has changed is not touched by looking at it. Whoever administers one tenant reads its
chain and no other. What is asked for over HTTP is bounded; an answer names the place to go on from, sealed: rows are
numbered through all tenants, and how many there are is nobody's business.
"""

import asyncio
import base64
import binascii
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from vestibule.admin.audit_check import ChainReading, ChainReport, Reached
from vestibule.admin.entrance import Administrator
from vestibule.admin.tenants import Acting
from vestibule.errors import InvalidRequest, NotFound
from vestibule.model import DEFAULT_TENANT, AuditEvent, AuditFilter, AuditLink, TenantId
from vestibule.ports import AuditHistory, AuditLog, Authenticator, Clock, Sealer
from vestibule.protocol.audit_chain import ChainState
from vestibule.protocol.audit_form import written_moment

OUTCOMES = ("allowed", "denied", "failed")
DEFAULT_EVENTS = 100  # of one answer
MAX_EVENTS = 500
MAX_LINKS = 10_000  # that one request checks, for no longer than
MAX_SECONDS = 2.0
PAGE = 250  # links; each page keeps the loop busy for a few milliseconds
AT_ONCE = 2  # searches and checks, over HTTP; the others wait

PURPOSE = "audit-place"
_PADDED_TO = 64  # bytes: a place's length tells nothing either
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EXACTLY = {"client": "client_id"} | {
    name: name for name in ("tenant", "actor", "action", "tool", "outcome", "request_id", "text")
}


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody asks for."""

    wanted: AuditFilter
    limit: int = DEFAULT_EVENTS
    before: str = ""  # the place that an earlier answer named


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a chain, or of the part of it that one request could check."""

    report: ChainReport  # the faults: of this part
    is_sound: bool | None  # None: nothing is wrong so far, and there is more
    next: str  # the place to go on from; empty: that was all


class AuditOffice:
    def __init__(
        self,
        history: AuditHistory,
        audit: AuditLog,
        *,
        sealer: Sealer,
        authenticator: Authenticator,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._history = history
        self._audit = audit
        self._sealer = sealer
        self._authenticator = authenticator
        self._clock = clock
        self._monotonic = monotonic
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def search(self, asked: Search, by: Administrator) -> tuple[Sequence[AuditLink], str]:
        """The newest events that fit, newest first, and the place to go on from. Another's tenant has none.

        Raises `InvalidRequest` for a place that no answer named, `StoreUnavailable`.
        """
        context = f"search:{by.tenant or ''}"
        before = self._read_place(asked.before, context)[0] if asked.before else None
        own = by.tenant or asked.wanted.tenant
        await tell_of_reading(self._audit, by, "search", own, asked.wanted, at=self._clock())
        if asked.wanted.tenant not in ("", own):
            return (), ""
        async with self._turns:
            found = await self._history.search(replace(asked.wanted, tenant=own), limit=asked.limit, before=before)
        return found, self._place([found[-1].row], context) if len(found) == asked.limit else ""

    async def verify(self, tenant: TenantId, after: str, by: Administrator) -> Verdict:
        """A tenant's chain, from its beginning or from a place, as far as one request goes.

        Raises `NotFound`, in the same words for another's tenant and for one without a trail; `InvalidRequest` for a
        place that no answer named; `StoreUnavailable`.
        """
        tenant = tenant or by.tenant or DEFAULT_TENANT
        if by.tenant not in (None, tenant):
            raise _no_trail()
        since, was_sound = self._reached(after, tenant) if after else (Reached(), True)
        reading = ChainReading(tenant, self._history, self._authenticator, since=since, page=PAGE)
        async with self._turns:
            is_unfinished = await self._read(reading)
        report = reading.report()
        if by.tenant is None and not (report.sequence or report.before_the_chains or report.faults):
            raise _no_trail()
        is_sound = was_sound and not report.faults
        if not is_unfinished:
            return Verdict(report, is_sound, "")
        reached = reading.reached
        place = self._place([*reached.place, *astuple(reached.state), is_sound], f"verify:{tenant}")
        return Verdict(report, None if is_sound else False, place)

    async def _read(self, reading: ChainReading) -> bool:
        """Whether there is more."""
        end = self._monotonic() + MAX_SECONDS
        while is_unfinished := await reading.go_on():
            if reading.links >= MAX_LINKS or self._monotonic() >= end:
                break
        return is_unfinished

    def _reached(self, after: str, tenant: TenantId) -> tuple[Reached, bool]:
        sequence, row, *state, was_sound = self._read_place(after, f"verify:{tenant}")
        return Reached((sequence, row), ChainState(*state)), was_sound

    def _place(self, values: Sequence[Any], context: str) -> str:
        plain = json.dumps(values).encode()
        padded = plain.ljust(-(-len(plain) // _PADDED_TO) * _PADDED_TO)
        return base64.urlsafe_b64encode(self._sealer.seal(PURPOSE, padded, context.encode())).decode().rstrip("=")

    def _read_place(self, text: str, context: str) -> list[Any]:
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        opened = self._sealer.open(PURPOSE, sealed, context.encode())
        if opened is None:
            raise InvalidRequest("This is no place to go on from.", action="Take `next` of the answer before.")
        found: list[Any] = json.loads(opened)
        return found


async def tell_of_reading(
    audit: AuditLog,
    by: Acting,
    how: str,
    tenant: str,
    wanted: AuditFilter | None = None,
    *,
    at: datetime,
    action: str = "audit.read",
) -> None:
    """In the trail of the tenant that is read, of `default` for all; it is written when this returns."""
    asked = {one.name: str(value) for one in fields(wanted) if (value := getattr(wanted, one.name))} if wanted else {}
    await audit.record(
        AuditEvent(
            at=at,
            action=action,
            outcome="allowed",
            request_id=by.request_id,
            actor=by.actor,
            client_id=by.client_id if isinstance(by, Administrator) else "",
            tenant=tenant or DEFAULT_TENANT,
            target=how,
            address=by.address,
            facts=asked,
        )
    )


def read_search(values: Mapping[str, str], now: datetime) -> Search:
    """What the parameters of a request ask for. Raises `InvalidRequest`."""
    asked: dict[str, Any] = {field: values.get(name, "") for name, field in _EXACTLY.items()}
    if asked["outcome"] not in ("", *OUTCOMES):
        raise InvalidRequest("The parameter outcome is allowed, denied or failed.")
    for name in ("since", "until"):
        try:
            asked[name] = read_moment(values[name], now) if values.get(name) else None
        except (ValueError, OverflowError):
            raise InvalidRequest(
                f"The parameter {name} is no time.", action="Say 2h, 7d or 2026-11-21T08:00:00Z."
            ) from None
    limit = values.get("limit") or str(DEFAULT_EVENTS)
    if not re.fullmatch(r"[1-9][0-9]{0,2}", limit) or int(limit) > MAX_EVENTS:
        raise InvalidRequest(f"The parameter limit is a number from 1 to {MAX_EVENTS}.")
    return Search(AuditFilter(**asked), int(limit), values.get("before", ""))


def read_moment(text: str, now: datetime) -> datetime:
    """A time in ISO 8601 (UTC unless it says otherwise), or how long ago: 90s, 15m, 2h, 7d.

    Raises `ValueError`; `OverflowError` for what is before the calendar.
    """
    if (ago := re.fullmatch(r"([0-9]{1,6})([smhd])", text)) is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def facts_of_event(link: AuditLink) -> dict[str, Any]:
    """All of an event, and its place in its chain. The store's number of its row stays inside."""
    event = link.event
    return {
        "at": written_moment(event.at),
        "tenant": event.tenant,
        "actor": event.actor,
        "client_id": event.client_id,
        "action": event.action,
        "tool": event.tool,
        "outcome": event.outcome,
        "target": event.target,
        "reason": event.reason,
        "request_id": event.request_id,
        "address": event.address,
        "facts": dict(event.facts),
        "sequence": link.sequence,
        "hash": link.hash,
    }


def facts_of_report(report: ChainReport) -> dict[str, Any]:
    return {
        "tenant": report.tenant,
        "sound": not report.faults,
        "events": report.sequence,
        "head": f"{report.sequence}:{report.hash}" if report.sequence else "",
        "before_the_chains": report.before_the_chains,
        "faults": [
            {"sequence": fault.sequence, "damage": fault.damage, "detail": fault.detail} for fault in report.faults
        ],
    }


def _no_trail() -> NotFound:
    return NotFound("There is no such trail.", action="Leave the tenant out: yours is checked.")
