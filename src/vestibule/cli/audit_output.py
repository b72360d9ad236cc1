"""How events and verdicts about the trail are written: lines, tables, CSV that a spreadsheet does not run."""

import csv
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from vestibule.admin.audit_check import ChainReport
    from vestibule.model import AuditFilter, AuditLink
    from vestibule.ports import AuditHistory

EVENT_COLUMNS = ("at", "tenant", "actor", "client_id", "action", "tool", "outcome", "target", "reason", "request_id")
_CSV_COLUMNS = (*EVENT_COLUMNS[:1], "sequence", *EVENT_COLUMNS[1:], "address", "facts", "hash")
_FORMULA = re.compile(r"(^|; *)(?=[=+\-@|%\t\r\n＝＋－＠])")


def event_row(link: "AuditLink", *, whole: bool = False) -> dict[str, Any]:
    """An event for people: what matters; or all of it."""
    from vestibule.admin.audit import facts_of_event

    if whole:
        return facts_of_event(link)
    event = link.event
    return {name: getattr(event, name) for name in EVENT_COLUMNS} | {"at": f"{event.at:%Y-%m-%d %H:%M:%S}Z"}


def show_reports(reports: "Sequence[ChainReport]", *, as_json: bool) -> None:
    from vestibule.admin.audit import facts_of_report

    if as_json:
        chains = [facts_of_report(one) for one in reports]
        print_json({"sound": not any(report.faults for report in reports), "chains": chains})
        return
    if not reports:
        say("There is no event yet.")
    for report in reports:
        tenant = report.tenant or "(no tenant)"
        earlier = (
            f", and {_events(report.before_the_chains)} from before the chains" if report.before_the_chains else ""
        )
        if not (report.faults or report.sequence or report.before_the_chains):
            say(f"{tenant}: there is no event.", style="yellow")
        elif report.faults:
            say(f"{tenant}: broken.", style="bold red")
            for fault in report.faults:
                say(f"  {fault.sequence}: {fault.damage}{f' ({fault.detail})' if fault.detail else ''}", style="red")
        else:
            say(f"{tenant}: sound, {_events(report.sequence)}{earlier}.", style="green")


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


async def write_events(stream: TextIO, history: "AuditHistory", wanted: "AuditFilter", *, as_csv: bool) -> int:
    """Chain after chain, a page at a time; how many events."""
    from vestibule.admin.audit_check import chain_between
    from vestibule.protocol.audit_form import line

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
