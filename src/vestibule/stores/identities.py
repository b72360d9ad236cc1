"""How an identity stands in a row of grants and of sessions. Its claims do not: see `tables`."""

from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, false

from vestibule.model import Identity


def identity_row(identity: Identity) -> dict[str, object]:
    return {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "provider": identity.provider,
        "display_name": identity.name,
        "email": identity.email,
        "roles": identity.roles,
    }


def identity_of(row: Row[Any]) -> Identity:
    return Identity(
        issuer=row.issuer,
        subject=row.subject,
        provider=row.provider,
        name=row.display_name,
        email=row.email,
        roles=row.roles,
    )


def is_of(table: Table, user: str) -> ColumnElement[bool]:
    """Whether a row is of this person: `user` is "provider:subject", and a provider's name has no colon."""
    provider, colon, subject = user.partition(":")
    if not colon:
        return false()
    return and_(table.c.provider == provider, table.c.subject == subject)
