"""How events and verdicts about the trail are written: lines, tables, CSV that a spreadsheet does not run."""

import csv
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from vestibule.model import AuditFilter, AuditLink
    from vestibule.ports import AuditHistory
    from vestibule.telemetry.audit_check import ChainReport

EVENT_COLUMNS = ("at", "tenant", "actor", "client_id", "action", "tool", "outcome", "target", "reason", "request_id")
_CSV_COLUMNS = (*EVENT_COLUMNS[:1], "sequence", *EVENT_COLUMNS[1:], "address", "facts", "hash")
_FORMULA = re.compile(r"(^|; *)(?=[=+\-@|%\t\r\n＝＋－＠])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def event_row(link: "AuditLink", *, whole: bool = False) -> dict[str, Any]:
    """An event for people: what matters; or all of it."""
    from vestibule.protocol.audit_chain import written_moment

    event = link.event
    row = {name: getattr(event, name) for name in EVENT_COLUMNS}
    if whole:
        row |= {"at": written_moment(event.at), "address": event.address, "facts": dict(event.facts)}
        row |= {"sequence": link.sequence, "hash": link.hash}
    else:
        row["at"] = f"{event.at:%Y-%m-%d %H:%M:%S}Z"
    return row


def show_reports(reports: "Sequence[ChainReport]", *, as_json: bool) -> None:
    if as_json:
        print_json({"sound": not any(report.faults for report in reports), "chains": [_plain(one) for one in reports]})
        return
    if not reports:
        say("There is no event yet.")
    for report in reports:
        tenant = report.tenant or "(no tenant)"
        earlier = f", and {report.before_the_chains} events from before the chains" if report.before_the_chains else ""
        if report.faults:
            say(f"{tenant}: broken.", style="bold red")
            for fault in report.faults:
                say(f"  {fault.sequence}: {fault.damage}{f' ({fault.detail})' if fault.detail else ''}", style="red")
        else:
            say(f"{tenant}: sound, {report.sequence} events{earlier}.", style="green")


def _plain(report: "ChainReport") -> dict[str, Any]:
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


async def write_events(stream: TextIO, history: "AuditHistory", wanted: "AuditFilter", *, as_csv: bool) -> int:
    """Chain after chain, a page at a time; how many events."""
    from vestibule.protocol.audit_chain import line
    from vestibule.telemetry.audit_check import chain_between

    table = csv.writer(stream) if as_csv else None
    if table is not None:
        table.writerow(_CSV_COLUMNS)
    count = 0
    for tenant in [wanted.tenant] if wanted.tenant else await history.tenants():
        first, last = await history.span(tenant, since=wanted.since, until=wanted.until)
        async for link in chain_between(history, tenant, first, last):
            if table is not None:
                table.writerow(_csv_row(link))
            else:
                stream.write(f"{line(link)}\n")
            count += 1
    return count


def _csv_row(link: "AuditLink") -> list[str]:
    import json

    row = event_row(link, whole=True)
    row["facts"] = json.dumps(row["facts"]) if row["facts"] else ""
    return [harmless(str(row[name])) for name in _CSV_COLUMNS]


def harmless(text: str) -> str:
    """A cell that a spreadsheet takes as text, not as a formula (CWE-1236): a quote before what could begin one, also
    behind a semicolon, at which a spreadsheet of another language begins the next cell."""
    return _FORMULA.sub(r"\1'", text)


def read_moment(text: str) -> datetime:
    """A time in ISO 8601 (UTC unless it says otherwise), or how long ago: 90s, 15m, 2h, 7d. Raises `ValueError`."""
    if (ago := re.fullmatch(r"(\d{1,6})([smhd])", text)) is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
