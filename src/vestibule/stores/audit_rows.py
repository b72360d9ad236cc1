"""An event of the trail as a row, and back.

Rows are handed to the driver as it wants them, past SQLAlchemy's types: a call is a row, and they cost more than all
the rest of it. SQLite takes many rows in one statement, because its driver lets go of Python's lock once a statement
and has to wait for it afterwards; PostgreSQL takes any number in one round trip, as JSON.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Row, Text, type_coerce

from vestibule.model import AuditEvent, AuditLink, AuditWords
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.columns import escape, unescape
from vestibule.stores.engine import Database
from vestibule.stores.tables import audit_events

AT_ONCE = 50  # rows of one statement, on SQLite
AT_A_TIME = 500  # rows that are made before others have their turn
REMEMBERED = 512  # shapes of events, each of 8 KiB at most

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBERS = frozenset({"id", "at", "sequence"})
_WORDS = ("action", "actor", "address", "client_id", "outcome", "reason", "target", "tenant", "tool")
_COLUMNS = (*_WORDS, "at", "request_id", "facts", "sequence", "hash")
_INSERT = f"INSERT INTO audit_events ({', '.join(_COLUMNS)})"
_PLACES = f"({', '.join('?' * len(_COLUMNS))})"

AS_IT_STANDS: list[ColumnElement[Any]] = [
    type_coerce(column, BigInteger() if column.name in _NUMBERS else Text()).label(column.name)
    for column in audit_events.columns
]


async def insert_links(connection: AsyncConnection, database: Database, links: Sequence[AuditLink]) -> None:
    """In this order, which becomes that of their numbers."""
    rows: list[tuple[str | int, ...]] = []
    for first in range(0, len(links), AT_A_TIME):
        await asyncio.sleep(0)
        rows += [row_of(link) for link in links[first : first + AT_A_TIME]]
    if not database.is_sqlite:
        await connection.exec_driver_sql(_postgresql_insert(), (msgspec.json.encode(rows).decode(),))
        return
    whole = len(rows) - len(rows) % AT_ONCE
    many = [tuple(chain.from_iterable(rows[n : n + AT_ONCE])) for n in range(0, whole, AT_ONCE)]
    for count, values in ((AT_ONCE, many), (1, rows[whole:])):
        if values:
            await connection.exec_driver_sql(_sqlite_insert(count), values)


@lru_cache
def _sqlite_insert(count: int) -> str:
    return f"{_INSERT} VALUES {', '.join([_PLACES] * count)}"


@lru_cache
def _postgresql_insert() -> str:
    types = {"at": "bigint", "sequence": "bigint"}
    values = ", ".join(f"(row ->> {n})::{types.get(name, 'text')}" for n, name in enumerate(_COLUMNS))
    found = "json_array_elements(%s::json) WITH ORDINALITY AS found (row, n)"
    return f"{_INSERT} SELECT {values} FROM {found} ORDER BY n"  # noqa: S608 - of our own columns


def row_of(link: AuditLink) -> tuple[str | int, ...]:
    """A link's values, in the order of `_COLUMNS`."""
    event = link.event
    return (
        *_escaped(event.words),
        (event.at - _EPOCH) // _MICROSECOND,
        escape(event.request_id),
        json.dumps(dict(event.facts)) if event.facts else "{}",
        link.sequence,
        link.hash,
    )


@lru_cache(maxsize=REMEMBERED)
def _escaped(words: AuditWords) -> tuple[str, ...]:
    return tuple(map(escape, words))


def read_link(row: Row[*tuple[Any, ...]]) -> AuditLink:
    """Of columns as they stand."""
    try:
        words: dict[str, Any] = {name: unescape(getattr(row, name)) for name in (*_WORDS, "request_id")}
        event = AuditEvent(at=_EPOCH + row.at * _MICROSECOND, facts=_facts(row.facts), **words)
        return AuditLink(event, int(row.sequence), unescape(row.hash), int(row.id))
    except (TypeError, ValueError, OverflowError):
        event = AuditEvent(_EPOCH, "unreadable", "failed", request_id="")
        return AuditLink(event, row.sequence if isinstance(row.sequence, int) else -1, "", int(row.id))


def _facts(text: str) -> Mapping[str, str]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("facts are a mapping")
    return found
