"""What is kept about people: remembered answers, and browsers that are signed in."""

import hashlib
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, insert, select

from vestibule.model import Consent, ConsentKey, Session, TokenDigest
from vestibule.stores import tables
from vestibule.stores.database import Database
from vestibule.stores.values import from_micros, to_identity, to_identity_json, to_json, to_micros, to_strings

_consents = tables.consents
_sessions = tables.sessions


class SqlConsentStore:
    """Implements `ports.ConsentStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, consent: Consent) -> None:
        key = consent.key
        row = {
            "tenant": key.tenant,
            "user": key.user,
            "question_digest": _question(key),
            "client_id": key.client_id,
            "redirect_uri": key.redirect_uri,
            "resource": key.resource,
            "scopes": to_json(sorted(consent.scopes)),
            "approved": consent.approved,
            "decided_at": to_micros(consent.decided_at),
        }
        async with self._database.write() as connection:
            await connection.execute(_upsert(self._database, row))

    async def find(self, key: ConsentKey) -> Consent | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(_consents).where(_is(key)))).one_or_none()
        if row is None:
            return None
        return Consent(
            key=key,
            scopes=frozenset(to_strings(row.scopes)),
            approved=row.approved,
            decided_at=from_micros(row.decided_at),
        )

    async def forget(self, key: ConsentKey) -> bool:
        async with self._database.write() as connection:
            return (await connection.execute(delete(_consents).where(_is(key)))).rowcount == 1


def _upsert(database: Database, row: dict[str, object]):  # type: ignore[no-untyped-def]  # two dialects' own types
    if database.is_sqlite:
        from sqlalchemy.dialects.sqlite import insert as upsert
    else:
        from sqlalchemy.dialects.postgresql import insert as upsert  # type: ignore[assignment]
    changed = {name: row[name] for name in ("scopes", "approved", "decided_at")}
    return (
        upsert(_consents)
        .values(row)
        .on_conflict_do_update(
            index_elements=[_consents.c.tenant, _consents.c.user, _consents.c.question_digest], set_=changed
        )
    )


def _question(key: ConsentKey) -> bytes:
    """An index key of fixed length: PostgreSQL's b-tree has no room for three URLs."""
    return hashlib.sha256("\n".join((key.client_id, key.redirect_uri, key.resource)).encode()).digest()


def _is(key: ConsentKey) -> ColumnElement[bool]:
    return and_(
        _consents.c.tenant == key.tenant, _consents.c.user == key.user, _consents.c.question_digest == _question(key)
    )


class SqlSessionStore:
    """Implements `ports.SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session) -> None:
        row = {
            "digest": session.digest,
            "tenant": session.tenant,
            "identity": to_identity_json(session.identity),
            "signed_in_at": to_micros(session.signed_in_at),
            "expires_at": to_micros(session.expires_at),
        }
        async with self._database.write() as connection:
            await connection.execute(insert(_sessions).values(row))

    async def get(self, digest: TokenDigest, *, now: datetime) -> Session | None:
        query = select(_sessions).where(_sessions.c.digest == digest, _sessions.c.expires_at > to_micros(now))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Session(
            digest=row.digest,
            identity=to_identity(row.identity),
            tenant=row.tenant,
            signed_in_at=from_micros(row.signed_in_at),
            expires_at=from_micros(row.expires_at),
        )

    async def remove(self, digest: TokenDigest) -> bool:
        async with self._database.write() as connection:
            return (await connection.execute(delete(_sessions).where(_sessions.c.digest == digest))).rowcount == 1
