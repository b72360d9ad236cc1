"""How values are written in rows: times as microseconds, tuples and identities as JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from vestibule.model import Identity

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_strings = msgspec.json.Decoder(tuple[str, ...])
_identity = msgspec.json.Decoder(tuple[str, str, str, str, str])


def to_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def from_micros_or_none(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def to_json(strings: Iterable[str]) -> str:
    return msgspec.json.encode(list(strings)).decode()


def to_strings(text: str) -> tuple[str, ...]:
    return _strings.decode(text)


def to_identity_json(identity: Identity) -> str:
    """Its claims stay behind: they were for the sign-in, and a store is no place for what nobody asked to keep."""
    fields = (identity.issuer, identity.subject, identity.provider, identity.name, identity.email)
    return msgspec.json.encode(fields).decode()


def to_identity(text: str) -> Identity:
    issuer, subject, provider, name, email = _identity.decode(text)
    return Identity(issuer=issuer, subject=subject, provider=provider, name=name, email=email)
