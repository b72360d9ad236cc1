"""The trail: appended, never changed. The database itself refuses anything else (a trigger).

Events are appended in one transaction with their tenants' heads locked, so that several replicas and the command line
write one chain. A link is read as it stands: what somebody wrote there that no event can hold is an event of the action
`unreadable`, which no hash fits.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, func, or_, select, type_coerce

from vestibule.model import AuditEvent, AuditFilter, AuditHead, AuditLink, AuditPlace
from vestibule.ports import Authenticator
from vestibule.protocol.audit_chain import chain
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.audit_heads import head_of, lock_head, move_head, retag, tenants_with_events
from vestibule.stores.audit_rows import AS_IT_STANDS, insert_links, read_link
from vestibule.stores.engine import Database
from vestibule.stores.tables import audit_events, audit_heads

AT_A_TIME = 250  # events that are chained before others have their turn
MAX_HEADS = 10_000  # that are remembered
SEARCH_TIMEOUT = 60.0  # seconds: somebody who searches for text looks at every row

_SEARCHED = ("target", "reason", "facts", "actor", "client_id", "tool")


class SqlAuditStore:
    """Implements `ports.AuditStore`."""

    def __init__(self, database: Database, authenticator: Authenticator) -> None:
        self._database = database
        self._authenticator = authenticator
        self._heads: dict[str, AuditHead] = {}  # where this process has left them

    async def record(self, event: AuditEvent) -> None:
        await self.record_all([event])

    async def record_all(self, events: Sequence[AuditEvent]) -> Sequence[AuditLink]:
        of_tenants: defaultdict[str, list[AuditEvent]] = defaultdict(list)
        for event in events:
            of_tenants[event.tenant].append(event)
        links: dict[str, list[AuditLink]] = {}
        heads: dict[str, AuditHead] = {}
        async with self._database.write() as connection:
            for tenant in sorted(of_tenants):  # in one order, so that two writers never wait for one another
                links[tenant], heads[tenant] = await self._extend(connection, tenant, of_tenants[tenant])
            in_order = _in_order(events, links)
            await insert_links(connection, self._database, in_order)
        self._remember(heads)
        return in_order

    async def _extend(
        self, connection: AsyncConnection, tenant: str, events: Sequence[AuditEvent]
    ) -> tuple[list[AuditLink], AuditHead]:
        """The events as links, and the head, which stands behind them now and is ours until the transaction ends.

        A head that this process has left is usually where it left it: then there is nothing to look at first.
        """
        known = self._heads.get(tenant)
        if known is not None:
            links = await _chained(events, known)
            moved = await move_head(connection, known, links[-1], self._authenticator)
            if moved is not None:
                return links, moved
        found = await lock_head(connection, self._database, tenant, self._authenticator)
        links = await _chained(events, found)
        moved = await move_head(connection, found, links[-1], self._authenticator)
        if moved is None:
            raise AssertionError("a head that is locked has moved")
        return links, moved

    def _remember(self, heads: Mapping[str, AuditHead]) -> None:
        if len(self._heads) > MAX_HEADS:
            self._heads.clear()
        self._heads.update(heads)

    async def tail(self, *, limit: int = 100) -> Sequence[AuditEvent]:
        query = select(*AS_IT_STANDS).order_by(audit_events.c.id.desc()).limit(limit)
        async with self._database.read() as connection:
            return [read_link(row).event for row in await connection.execute(query)]

    async def search(self, wanted: AuditFilter, *, limit: int = 100, before: int | None = None) -> Sequence[AuditLink]:
        query = select(*AS_IT_STANDS).where(*_conditions(wanted)).order_by(audit_events.c.id.desc()).limit(limit)
        query = query if before is None else query.where(audit_events.c.id < before)
        async with self._database.read(limit=SEARCH_TIMEOUT) as connection:
            return [read_link(row) for row in await connection.execute(query)]

    async def tenants(self) -> Sequence[str]:
        async with self._database.read() as connection:
            heads = (await connection.execute(select(audit_heads.c.tenant))).scalars()
            return sorted({*heads, *await tenants_with_events(connection)})

    async def head(self, tenant: str) -> AuditHead | None:
        async with self._database.read() as connection:
            return await head_of(connection, tenant)

    async def links(
        self, tenant: str, *, after: AuditPlace = (0, 0), up_to: int | None = None, limit: int = 1000
    ) -> Sequence[AuditLink]:
        async with self._database.read() as connection:
            rows = await connection.execute(_links(tenant, after, up_to).limit(limit))
            return [read_link(row) for row in rows]

    async def span(self, tenant: str, *, since: datetime | None, until: datetime | None) -> tuple[int, int]:
        of_tenant = and_(audit_events.c.tenant == tenant, audit_events.c.sequence > 0)
        first = select(func.min(audit_events.c.sequence)).where(of_tenant)
        last = select(func.max(audit_events.c.sequence)).where(of_tenant)
        first = first if since is None else first.where(audit_events.c.at >= since)
        last = last if until is None else last.where(audit_events.c.at < until)
        async with self._database.read(limit=SEARCH_TIMEOUT) as connection:
            begin = (await connection.execute(first)).scalar_one()
            end = (await connection.execute(last)).scalar_one()
        return (1, 0) if begin is None or end is None else (begin, end)

    async def retag(self, *, accept: bool = False) -> Sequence[str]:
        async with self._database.write(limit=SEARCH_TIMEOUT) as connection:
            return await retag(connection, self._database, self._authenticator, accept=accept)


async def _chained(events: Sequence[AuditEvent], head: AuditHead) -> list[AuditLink]:
    """`chain`, a piece at a time: a thousand events are some milliseconds, and calls do not wait for them."""
    links: list[AuditLink] = []
    for first in range(0, len(events), AT_A_TIME):
        if links:
            head = AuditHead(head.tenant, links[-1].sequence, links[-1].hash, "")
            await asyncio.sleep(0)
        links += chain(events[first : first + AT_A_TIME], head)
    return links


def _in_order(events: Sequence[AuditEvent], links: Mapping[str, Sequence[AuditLink]]) -> Sequence[AuditLink]:
    if len(links) == 1:
        return next(iter(links.values()))
    following = {tenant: iter(of_tenant) for tenant, of_tenant in links.items()}
    return [next(following[event.tenant]) for event in events]


def _links(tenant: str, after: AuditPlace, up_to: int | None) -> Select[*tuple[Any, ...]]:
    sequence, row = after
    place = audit_events.c.sequence
    # Spelled out rather than as a comparison of rows, which keeps SQLite from using the index for both halves.
    behind = and_(place >= sequence, or_(place > sequence, audit_events.c.id > row))
    query = select(*AS_IT_STANDS).where(audit_events.c.tenant == tenant, behind)
    query = query if up_to is None else query.where(place <= up_to)
    return query.order_by(place, audit_events.c.id)


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = audit_events.c
    exactly = ("tenant", "actor", "client_id", "action", "tool", "outcome", "request_id")
    found = [columns[name] == value for name in exactly if (value := getattr(wanted, name))]
    if wanted.since is not None:
        found.append(columns.at >= wanted.since)
    if wanted.until is not None:
        found.append(columns.at < wanted.until)
    if wanted.text:
        searched = [func.lower(type_coerce(columns[name], Text())) for name in _SEARCHED]
        found.append(or_(*(column.contains(wanted.text.lower(), autoescape=True) for column in searched)))
    return found
