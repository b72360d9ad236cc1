"""Whether a key ring belongs to this store."""

from collections.abc import Mapping

from sqlalchemy import insert, select, text

from vestibule.stores.engine import Database
from vestibule.stores.tables import key_checks

_BINDING_LOCK = 0x76657375  # PostgreSQL: two replicas with two rings must not both be the first


async def bind_keys(database: Database, check: Mapping[str, bytes]) -> bool:
    async with database.write() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _BINDING_LOCK})
        rows = (await connection.execute(select(key_checks.c.key_id, key_checks.c.check_value))).all()
        known: dict[str, bytes] = {row.key_id: row.check_value for row in rows}
        if known and not known.keys() & check.keys():
            return False
        if any(known.get(key_id, value) != value for key_id, value in check.items()):
            return False
        for key_id in check.keys() - known.keys():
            await connection.execute(insert(key_checks).values(key_id=key_id, check_value=check[key_id]))
    return True
