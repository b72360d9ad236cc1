"""Remembered answers, approvals and refusals both."""

import hashlib
import json
from collections.abc import Sequence

from sqlalchemy import delete, select

from vestibule.model import ClientId, Consent, ConsentKey, TenantId
from vestibule.stores.engine import Database
from vestibule.stores.tables import consents
from vestibule.stores.tenants import keep_open


class SqlConsentStore:
    """Implements `ports.ConsentStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, consent: Consent) -> None:
        key = consent.key
        answer: dict[str, object] = {
            "scopes": consent.scopes,
            "approved": consent.approved,
            "decided_at": consent.decided_at,
        }
        remember = (
            self._database.insert(consents)
            .values(
                key_digest=_digest(key),
                tenant=key.tenant,
                user_id=key.user,
                client_id=key.client_id,
                redirect_uri=key.redirect_uri,
                resource=key.resource,
                **answer,
            )
            .on_conflict_do_update(index_elements=[consents.c.key_digest], set_=answer)
        )
        async with self._database.write() as connection:
            await keep_open(connection, self._database, key.tenant)
            await connection.execute(remember)

    async def find(self, key: ConsentKey) -> Consent | None:
        query = select(consents).where(consents.c.key_digest == _digest(key))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Consent(key=key, scopes=row.scopes, approved=row.approved, decided_at=row.decided_at)

    async def list_of(self, tenant: TenantId, user: str) -> Sequence[Consent]:
        query = select(consents).where(consents.c.user_id == user, consents.c.tenant == tenant).limit(1000)
        async with self._database.read() as connection:
            return [
                Consent(
                    key=ConsentKey(row.tenant, row.user_id, row.client_id, row.redirect_uri, row.resource),
                    scopes=row.scopes,
                    approved=row.approved,
                    decided_at=row.decided_at,
                )
                for row in await connection.execute(query)
            ]

    async def forget_client(self, client_id: ClientId) -> int:
        async with self._database.write() as connection:
            forgotten = await connection.execute(delete(consents).where(consents.c.client_id == client_id))
        return forgotten.rowcount

    async def forget(self, key: ConsentKey) -> bool:
        async with self._database.write() as connection:
            forgotten = await connection.execute(delete(consents).where(consents.c.key_digest == _digest(key)))
        return forgotten.rowcount == 1


def _digest(key: ConsentKey) -> bytes:
    """As JSON, so that no value can flow into its neighbour."""
    fields = [key.tenant, key.user, key.client_id, key.redirect_uri, key.resource]
    return hashlib.sha256(json.dumps(fields).encode()).digest()
