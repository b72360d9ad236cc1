"""Deleting what has expired, and forgetting sealed successors whose window has passed.

In small transactions, so that a night's leftovers never keep a sign-in waiting; rows that another replica is sweeping
are left to it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, delete, select, tuple_, update

from vestibule.stores.engine import Database
from vestibule.stores.tables import codes, refresh_tokens, requests, revocations, sessions

REPLAYS_KNOWN = timedelta(hours=1)  # how long after its end a code is still known, so that a replay is one
LONGEST_GRACE = timedelta(seconds=120)  # the longest window of a spent refresh token that may be configured
BATCH = 500  # rows of one transaction: a few milliseconds


class SqlHousekeeping:
    """Implements `ports.Housekeeping`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, *, now: datetime) -> int:
        stale = and_(refresh_tokens.c.sealed_successor.is_not(None), refresh_tokens.c.spent_at <= now - LONGEST_GRACE)
        touched = await self._in_batches(refresh_tokens, stale, update(refresh_tokens).values(sealed_successor=None))
        for table, expired in _expired(now):
            touched += await self._in_batches(table, expired, delete(table))
        return touched

    async def _in_batches(self, table: Table, which: ColumnElement[bool], change: Delete | Update) -> int:
        key = tuple_(*table.primary_key)
        batch = select(*table.primary_key).where(which).limit(BATCH).with_for_update(skip_locked=True)
        statement = change.where(key.in_(batch))
        touched = 0
        while True:
            async with self._database.write() as connection:
                changed = (await connection.execute(statement)).rowcount
            touched += changed
            if changed < BATCH:
                return touched


def _expired(now: datetime) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    return (
        (requests, requests.c.expires_at <= now),
        (codes, codes.c.expires_at <= now - REPLAYS_KNOWN),
        (refresh_tokens, refresh_tokens.c.expires_at <= now),
        (sessions, sessions.c.expires_at <= now),
        (revocations, revocations.c.expires_at <= now),
    )
