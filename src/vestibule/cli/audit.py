"""`vestibule audit`: who did what, as it was written, and whether it still is as it was written.

Reading the trail is in the trail too, before anything of it is shown. `verify` and `head` tell nothing of events, and
write nothing: a trail that somebody has changed is not touched by looking at it.
"""

import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.cli.audit_output import EVENT_COLUMNS, event_row, show_reports, write_events
from vestibule.cli.operate import ConfigOption, JsonOption, ReasonOption, show, with_server
from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import TextIO

    from vestibule.admin.audit_check import Anchor
    from vestibule.authorization_server.replies import Context
    from vestibule.authorization_server.server import AuthorizationServer
    from vestibule.model import AuditFilter, AuditLink

FOLLOW_INTERVAL = 1.0  # seconds

TenantOption = Annotated[str, typer.Option("--tenant", help="Only of this tenant.")]
SinceOption = Annotated[
    str, typer.Option("--since", help="From then on: 2h, 7d, or a time such as 2026-11-21T08:00:00Z.")
]
UntilOption = Annotated[str, typer.Option("--until", help="Until then, likewise.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")]

app = typer.Typer(help="Who did what, when, from where, and why not.", no_args_is_help=True)


@app.command("tail")
def tail(
    config: ConfigOption = None,
    limit: LimitOption = 20,
    tenant: TenantOption = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes; end with Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The newest events, oldest of them first."""
    import asyncio

    from vestibule.model import AuditFilter

    async def work(server: "AuthorizationServer", context: "Context") -> None:
        await _tell_of_reading(server, context, "tail", tenant)
        ends = await _ends(server, tenant)
        newest = await server.store.audit.search(AuditFilter(tenant=tenant), limit=limit)
        newest = [link for link in reversed(newest) if link.sequence <= ends.get(link.event.tenant, 0)]
        _print_links(newest, as_json=as_json, as_lines=follow)
        while follow:
            await asyncio.sleep(FOLLOW_INTERVAL)
            _print_links(await _new_links(server, tenant, ends), as_json=as_json, as_lines=True)

    try:
        with_server(config, work)
    except KeyboardInterrupt:
        return


@app.command("search")
def search(
    config: ConfigOption = None,
    actor: Annotated[str, typer.Option("--actor", help="Who did it: provider:subject, or a client.")] = "",
    client: Annotated[str, typer.Option("--client", help="With which client.")] = "",
    tenant: TenantOption = "",
    action: Annotated[str, typer.Option("--action", help="What: client.register, mcp.call …")] = "",
    tool: Annotated[str, typer.Option("--tool", help="Which tool was called.")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="allowed, denied or failed.")] = "",
    since: SinceOption = "",
    until: UntilOption = "",
    request_id: Annotated[str, typer.Option("--request-id", help="Of one request; it is in the log, too.")] = "",
    text: Annotated[str, typer.Option("--text", help="Somewhere in target, reason, facts, actor, client, tool.")] = "",
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Events that fit all that is given, the newest first."""
    from vestibule.model import AuditFilter

    _check_outcome(outcome)
    wanted = AuditFilter(
        tenant=tenant,
        actor=actor,
        client_id=client,
        action=action,
        tool=tool,
        outcome=outcome,
        request_id=request_id,
        since=_moment(since, "--since"),
        until=_moment(until, "--until"),
        text=text,
    )

    async def work(server: "AuthorizationServer", context: "Context") -> "list[AuditLink]":
        await _tell_of_reading(server, context, "search", tenant, wanted)
        return list(await server.store.audit.search(wanted, limit=limit))

    _print_links(with_server(config, work), as_json=as_json, as_lines=False)


@app.command("verify")
def verify(
    config: ConfigOption = None,
    tenant: TenantOption = "",
    head: Annotated[
        str, typer.Option("--head", help="What `audit head` said then, as SEQUENCE:HASH; with --tenant.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Whether every row is there, as it was written, in its order. Exit code 0: sound, 1: not."""
    from vestibule.admin.audit_check import ChainReport, check_chain

    anchor = _anchor(head, tenant)

    async def work(server: "AuthorizationServer", _: "Context") -> "list[ChainReport]":
        history, reports = server.store.audit, []
        for one in [tenant] if tenant else await history.tenants():
            with _progress(one, as_json=as_json) as progress:
                report = await check_chain(one, history, server.authenticator, anchor=anchor, progress=progress)
            reports.append(report)
        return reports

    reports = with_server(config, work)
    show_reports(reports, as_json=as_json)
    if any(report.faults for report in reports):
        raise typer.Exit(1)


@app.command("export")
def export(
    target: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is standard output.")],
    config: ConfigOption = None,
    tenant: TenantOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    form: Annotated[str, typer.Option("--format", help="jsonl, which can be verified, or csv.")] = "jsonl",
) -> None:
    """The chains, each from its first event of that time to its last. docs/audit.md tells how to check them."""
    from vestibule.model import AuditFilter

    if form not in ("jsonl", "csv"):
        raise typer.BadParameter("jsonl or csv", param_hint="--format")
    wanted = AuditFilter(tenant=tenant, since=_moment(since, "--since"), until=_moment(until, "--until"))

    async def work(server: "AuthorizationServer", context: "Context") -> int:
        await _tell_of_reading(server, context, "export", tenant, wanted, action="audit.export")
        with _opened(target) as stream:
            return await write_events(stream, server.store.audit, wanted, as_csv=form == "csv")

    count = with_server(config, work)
    say(f"{count} events written to {'standard output' if target == '-' else target}.", stream=sys.stderr)


@app.command("head")
def show_heads(config: ConfigOption = None, tenant: TenantOption = "", as_json: JsonOption = False) -> None:
    """Where each chain ends. Kept elsewhere, it proves later that nothing before it was changed or cut off."""

    async def work(server: "AuthorizationServer", _: "Context") -> list[dict[str, Any]]:
        history = server.store.audit
        heads = [await history.head(one) for one in ([tenant] if tenant else await history.tenants())]
        return [{"tenant": one.tenant, "head": f"{one.sequence}:{one.hash}"} for one in heads if one is not None]

    show(with_server(config, work), as_json=as_json, empty="There is no event yet.")


@app.command("accept")
def accept(
    config: ConfigOption = None,
    reason: ReasonOption = "accepted by the operator",
    as_json: JsonOption = False,
) -> None:
    """Go on with chains whose heads are not ours, after `verify` has told what is wrong. It stands in the trail.

    Such a head comes from somebody who wrote to the database, or from a key that was retired while nothing ran.
    """

    async def work(server: "AuthorizationServer", context: "Context") -> list[str]:
        accepted = list(await server.store.audit.retag(accept=True))
        for tenant in accepted:
            await server.record(context, "audit.accept", "allowed", actor=context.actor, tenant=tenant, reason=reason)
        return accepted

    accepted = with_server(config, work)
    if as_json:
        print_json({"accepted": accepted})
    else:
        say(f"Accepted: {', '.join(one or '(none)' for one in accepted)}." if accepted else "Every head is ours.")


async def _tell_of_reading(
    server: "AuthorizationServer",
    context: "Context",
    how: str,
    tenant: str,
    wanted: "AuditFilter | None" = None,
    *,
    action: str = "audit.read",
) -> None:
    from vestibule.admin.audit import tell_of_reading

    await tell_of_reading(server.audit, context, how, tenant, wanted, at=server.clock(), action=action)


async def _ends(server: "AuthorizationServer", tenant: str) -> dict[str, int]:
    history = server.store.audit
    heads = [await history.head(one) for one in ([tenant] if tenant else await history.tenants())]
    return {one.tenant: one.sequence for one in heads if one is not None}


async def _new_links(server: "AuthorizationServer", tenant: str, ends: dict[str, int]) -> "list[AuditLink]":
    """What has come since: chain by chain, because the rows of several writers do not appear in the order of rows."""
    from vestibule.admin.audit_check import chain_between

    found: list[AuditLink] = []
    for one, end in (await _ends(server, tenant)).items():
        found += [link async for link in chain_between(server.store.audit, one, ends.get(one, 0) + 1, end)]
        ends[one] = end
    return sorted(found, key=lambda link: link.row)


def _print_links(links: "list[AuditLink]", *, as_json: bool, as_lines: bool) -> None:
    from vestibule.protocol.audit_form import line

    if as_lines and as_json:
        for link in links:
            print(line(link), flush=True)
    elif as_lines or (links and not as_json and sys.stdout.isatty()):  # a table of ten columns fits nowhere
        for link in links:
            row = event_row(link)
            say("  ".join(str(row[name]) for name in EVENT_COLUMNS if row[name]))
    else:
        show([event_row(link, whole=as_json) for link in links], as_json=as_json, empty="No event fits.")


@contextmanager
def _progress(tenant: str, *, as_json: bool) -> "Iterator[Callable[[int], None]]":
    """On a terminal, how many links have been read."""
    shown = False

    def tell(links: int) -> None:
        nonlocal shown
        if links >= 10_000 and sys.stderr.isatty() and not as_json:
            shown = True
            print(f"\r{tenant}: {links} links", end="", file=sys.stderr, flush=True)

    yield tell
    if shown:
        print(file=sys.stderr)


@contextmanager
def _opened(target: str) -> "Iterator[TextIO]":
    """A new file that only its owner reads, or standard output. Raises `StartError`."""
    import os

    from vestibule.errors import StartError

    if target == "-":
        yield sys.stdout
        return
    try:
        file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise StartError(
            f"{target} cannot be written: {error.strerror}.", action="Name a file that is not there yet."
        ) from error
    with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        yield stream


def _moment(text: str, option: str) -> "datetime | None":
    from datetime import UTC, datetime

    from vestibule.admin.audit import read_moment

    try:
        return read_moment(text, datetime.now(UTC)) if text else None
    except (ValueError, OverflowError):
        raise typer.BadParameter("a duration such as 2h or 7d, or 2026-11-21T08:00:00Z", param_hint=option) from None


def _check_outcome(outcome: str) -> None:
    from vestibule.admin.audit import OUTCOMES

    if outcome not in ("", *OUTCOMES):
        raise typer.BadParameter("allowed, denied or failed", param_hint="--outcome")


def _anchor(head: str, tenant: str) -> "Anchor | None":
    import re

    from vestibule.admin.audit_check import Anchor

    if not head:
        return None
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", head)
    if found is None or not tenant:
        raise typer.BadParameter(
            "SEQUENCE:HASH, as `vestibule audit head` prints it, and --tenant", param_hint="--head"
        )
    return Anchor(int(found[1]), found[2])
