"""Where each tenant's chain ends: locked while it grows, and tagged with a key that the database does not have.

Nothing is built on a head that is not ours, nor is a chain begun anew whose head is gone: else the next event would
make good what somebody changed.
"""

from dataclasses import astuple

from sqlalchemy import func, select, update

from vestibule.errors import StoreUnavailable
from vestibule.model import AuditHead, AuditLink
from vestibule.ports import Authenticator
from vestibule.protocol.audit_chain import HEAD_PURPOSE, head_message
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.engine import Database
from vestibule.stores.tables import audit_events, audit_heads


class NoKeys:
    """Of a store that was opened without a key ring: its heads have no tag."""

    def tag(self, purpose: str, message: bytes) -> str:
        return ""

    def verify(self, purpose: str, message: bytes, tag: str) -> bool:
        return not tag


def is_ours(head: AuditHead, authenticator: Authenticator) -> bool:
    return authenticator.verify(HEAD_PURPOSE, head_message(head.tenant, head.sequence, head.hash), head.tag)


async def head_of(connection: AsyncConnection, tenant: str) -> AuditHead | None:
    row = (await connection.execute(select(audit_heads).where(audit_heads.c.tenant == tenant))).one_or_none()
    return None if row is None else AuditHead(row.tenant, row.sequence, row.hash, row.tag)


async def lock_head(
    connection: AsyncConnection, database: Database, tenant: str, authenticator: Authenticator
) -> AuditHead:
    """A tenant's head, for this transaction alone. Raises `StoreUnavailable` for one that is not ours."""
    head = (await _locked(connection, tenant)).get(tenant)
    if head is None:
        empty = tagged(tenant, 0, "", authenticator)
        new = database.insert(audit_heads).values(tenant=tenant, sequence=0, hash="", tag=empty.tag)
        await connection.execute(new.on_conflict_do_nothing())
        head = (await _locked(connection, tenant))[tenant]  # another replica may have made it, and be further
    # Only now: while we waited for the other replica, it has written events.
    if not is_ours(head, authenticator) or (head.sequence == 0 and await _last(connection, tenant)):
        raise _not_ours(tenant)
    return head


async def move_head(
    connection: AsyncConnection, head: AuditHead, link: AuditLink, authenticator: Authenticator
) -> AuditHead | None:
    """The head behind this link. None, and nothing has changed, when `head` is not what stands there any more."""
    moved = tagged(head.tenant, link.sequence, link.hash, authenticator)
    stands = (audit_heads.c.tenant, audit_heads.c.sequence, audit_heads.c.hash, audit_heads.c.tag)
    there = [column == value for column, value in zip(stands, astuple(head), strict=True)]
    change = update(audit_heads).where(*there).values(sequence=moved.sequence, hash=moved.hash, tag=moved.tag)
    return moved if (await connection.execute(change)).rowcount else None


def tagged(tenant: str, sequence: int, hash_: str, authenticator: Authenticator) -> AuditHead:
    return AuditHead(tenant, sequence, hash_, authenticator.tag(HEAD_PURPOSE, head_message(tenant, sequence, hash_)))


async def retag(
    connection: AsyncConnection, database: Database, authenticator: Authenticator, *, accept: bool
) -> list[str]:
    """Tag with the newest key what any key of the ring has tagged. The tenants whose head is not ours."""
    strange = []
    heads = await _locked(connection)
    for head in heads.values():
        renewed = tagged(head.tenant, head.sequence, head.hash, authenticator)
        if not is_ours(head, authenticator):
            strange.append(head.tenant)
        elif head != renewed:
            await _put(connection, database, renewed)
    strange += await _headless(connection, frozenset(heads))
    if accept:
        for tenant in strange:
            sequence, hash_ = await _last(connection, tenant) or (0, "")
            await _put(connection, database, tagged(tenant, sequence, hash_, authenticator))
    return strange


async def _put(connection: AsyncConnection, database: Database, head: AuditHead) -> None:
    new = {"sequence": head.sequence, "hash": head.hash, "tag": head.tag}
    put = database.insert(audit_heads).values(tenant=head.tenant, **new)
    await connection.execute(put.on_conflict_do_update(index_elements=["tenant"], set_=new))


async def tenants_with_events(connection: AsyncConnection) -> list[str]:
    """From one to the next by the index: a row for each, not for each event."""
    found: list[str] = []
    while True:
        query = select(func.min(audit_events.c.tenant))
        query = query.where(audit_events.c.tenant > found[-1]) if found else query
        following = (await connection.execute(query)).scalar_one()
        if following is None:
            return found
        found.append(following)


async def _headless(connection: AsyncConnection, heads: frozenset[str]) -> list[str]:
    tenants = await tenants_with_events(connection)
    return [tenant for tenant in tenants if tenant not in heads and await _last(connection, tenant)]


async def _last(connection: AsyncConnection, tenant: str) -> tuple[int, str] | None:
    """Sequence and hash of the last link that there is."""
    query = (
        select(audit_events.c.sequence, audit_events.c.hash)
        .where(audit_events.c.tenant == tenant, audit_events.c.sequence > 0)
        .order_by(audit_events.c.sequence.desc(), audit_events.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (row.sequence, row.hash)


async def _locked(connection: AsyncConnection, tenant: str | None = None) -> dict[str, AuditHead]:
    """One head, or all in the order of their names, in which everybody locks them."""
    query = select(audit_heads).order_by(audit_heads.c.tenant).with_for_update()
    query = query if tenant is None else query.where(audit_heads.c.tenant == tenant)
    rows = await connection.execute(query)
    return {row.tenant: AuditHead(row.tenant, row.sequence, row.hash, row.tag) for row in rows}


def _not_ours(tenant: str) -> StoreUnavailable:
    return StoreUnavailable(
        "This cannot be written down right now.",
        action="Whoever runs this server finds the reason in the log.",
        detail=f"the head of the audit trail of tenant {tenant!r} is not ours: run "
        "`vestibule audit verify`, and `vestibule audit accept` when you know what happened",
    )
