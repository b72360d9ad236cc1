"""How an identity stands in a row of grants and of sessions. Its claims do not: see `tables`."""

from typing import Any

from sqlalchemy import Row

from vestibule.model import Identity


def identity_row(identity: Identity) -> dict[str, object]:
    return {
        "issuer": identity.issuer,
        "subject": identity.subject,
        "provider": identity.provider,
        "display_name": identity.name,
        "email": identity.email,
    }


def identity_of(row: Row[Any]) -> Identity:
    return Identity(
        issuer=row.issuer, subject=row.subject, provider=row.provider, name=row.display_name, email=row.email
    )
