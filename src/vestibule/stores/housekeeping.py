"""Deleting what has expired, and forgetting sealed successors whose window has passed."""

from datetime import datetime, timedelta

from sqlalchemy import delete, update

from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import to_micros

REPLAYS_KNOWN = timedelta(hours=1)  # how long after its end a code is still known, so that a replay is one
LONGEST_GRACE = timedelta(seconds=120)


class SqlHousekeeping:
    """Implements `ports.Housekeeping`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, *, now: datetime) -> int:
        at, codes_at = to_micros(now), to_micros(now - REPLAYS_KNOWN)
        tokens = tables.refresh_tokens
        statements = [
            delete(tables.requests).where(tables.requests.c.expires_at <= at),
            delete(tables.codes).where(tables.codes.c.expires_at <= codes_at),
            delete(tables.sessions).where(tables.sessions.c.expires_at <= at),
            delete(tables.revocations).where(tables.revocations.c.expires_at <= at),
            delete(tokens).where(tokens.c.expires_at <= at),
            update(tokens)
            .where(tokens.c.sealed_successor.is_not(None), tokens.c.spent_at <= to_micros(now - LONGEST_GRACE))
            .values(sealed_successor=None),
        ]
        touched = 0
        for statement in statements:
            async with self._database.write() as connection:
                touched += (await connection.execute(statement)).rowcount
        return touched
