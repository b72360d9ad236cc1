"""What may be seen once."""

from datetime import datetime

from vestibule.model import TokenDigest
from vestibule.stores.engine import Database
from vestibule.stores.tables import one_time


class SqlOneTimeStore:
    """Implements `ports.OneTimeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def use(self, kind: str, digest: TokenDigest, *, expires_at: datetime, now: datetime) -> bool:
        """One INSERT: the key's uniqueness decides. A row that has expired is there for the taking."""
        insert = self._database.insert(one_time).values(kind=kind, digest=digest, expires_at=expires_at)
        use = insert.on_conflict_do_update(
            index_elements=[one_time.c.kind, one_time.c.digest],
            set_={"expires_at": insert.excluded.expires_at},
            where=one_time.c.expires_at <= now,
        ).returning(one_time.c.kind)  # psycopg's cursor has no row count left for an INSERT
        async with self._database.write() as connection:
            return (await connection.execute(use)).one_or_none() is not None
