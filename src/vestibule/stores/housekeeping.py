"""Deleting what has expired, and forgetting sealed successors whose window has passed.

In small transactions, so that a night's leftovers never keep a sign-in waiting; rows that another replica is sweeping
are left to it. What to delete is locked first and then looked at again: while we waited, somebody may have given a
grant a token, or a provider's tokens a grant.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Delete, Table, Update, and_, delete, exists, or_, select, tuple_, update

from vestibule.stores.engine import Database
from vestibule.stores.tables import (
    api_keys,
    clients,
    codes,
    device_requests,
    grants,
    kept_tokens,
    one_time,
    pushed_requests,
    refresh_tokens,
    requests,
    revocations,
    sessions,
)

REPLAYS_KNOWN = timedelta(hours=1)  # how long after its end a code is still known, so that a replay is one
LONGEST_GRACE = timedelta(seconds=120)  # the longest window of a spent refresh token that may be configured
TOKENS_AWAITED = timedelta(hours=1)  # how long a provider's tokens may wait for the session that will name them
GRANTS_KNOWN = timedelta(days=1)  # how long an ended grant is still known: longer than any access token of it lives
KEYS_KNOWN = timedelta(days=90)  # how long an ended API key is still listed
BATCH = 500  # rows of one transaction: a few milliseconds


class SqlHousekeeping:
    """Implements `ports.Housekeeping`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sweep(self, *, now: datetime, unused_since: datetime | None = None) -> int:
        stale = and_(refresh_tokens.c.sealed_successor.is_not(None), refresh_tokens.c.spent_at <= now - LONGEST_GRACE)
        touched = await self._in_batches(refresh_tokens, stale, update(refresh_tokens).values(sealed_successor=None))
        for table, expired in (*_expired(now), *_ended(now), *_never_used(unused_since)):
            touched += await self._in_batches(table, expired, delete(table))
        return touched

    async def _in_batches(self, table: Table, which: ColumnElement[bool], change: Delete | Update) -> int:
        key = tuple_(*table.primary_key)
        batch = select(*table.primary_key).where(which).limit(BATCH).with_for_update(skip_locked=True)
        touched = 0
        while True:
            async with self._database.write() as connection:
                locked = [tuple(row) for row in await connection.execute(batch)]
                if locked:
                    touched += (await connection.execute(change.where(key.in_(locked), which))).rowcount
            if len(locked) < BATCH:
                return touched


def _expired(now: datetime) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    return (
        (requests, requests.c.expires_at <= now),
        (codes, codes.c.expires_at <= now - REPLAYS_KNOWN),
        (refresh_tokens, refresh_tokens.c.expires_at <= now),
        (sessions, sessions.c.expires_at <= now),
        (revocations, revocations.c.expires_at <= now),
        (pushed_requests, pushed_requests.c.expires_at <= now),
        (device_requests, device_requests.c.expires_at <= now - REPLAYS_KNOWN),
        (one_time, one_time.c.expires_at <= now),
        (api_keys, or_(api_keys.c.expires_at <= now - KEYS_KNOWN, api_keys.c.revoked_at <= now - KEYS_KNOWN)),
    )


def _ended(now: datetime) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    """Grants that were revoked a day ago, with what is left of them, and grants that nothing hangs on any more.

    Then the provider's tokens that no grant and no session names.
    """
    revoked = select(grants.c.grant_id).where(grants.c.revoked_at <= now - GRANTS_KNOWN)
    bare = and_(
        grants.c.created_at <= now - GRANTS_KNOWN,
        or_(grants.c.last_used_at.is_(None), grants.c.last_used_at <= now - GRANTS_KNOWN),
        ~exists().where(refresh_tokens.c.grant_id == grants.c.grant_id),
        ~exists().where(codes.c.grant_id == grants.c.grant_id),
    )
    loose = and_(
        kept_tokens.c.kept_at <= now - TOKENS_AWAITED,
        ~exists().where(grants.c.tokens_id == kept_tokens.c.tokens_id),
        ~exists().where(sessions.c.tokens_id == kept_tokens.c.tokens_id),
    )
    return (
        (refresh_tokens, refresh_tokens.c.grant_id.in_(revoked)),
        (codes, codes.c.grant_id.in_(revoked)),
        (grants, bare),
        (kept_tokens, loose),
    )


def _never_used(since: datetime | None) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    if since is None:
        return ()
    unused = and_(
        clients.c.last_used_at.is_(None),
        clients.c.registered_at <= since,
        ~exists().where(grants.c.client_id == clients.c.client_id),
    )
    return ((clients, unused),)
