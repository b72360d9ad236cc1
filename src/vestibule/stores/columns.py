"""How values are written in columns: the same on every database, and back again without loss.

Moments are microseconds since the epoch, lists and mappings JSON. Text is what strangers sent: PostgreSQL has no NUL
and neither database takes half a surrogate pair, so both are escaped, and a look-up with such text finds nothing
instead of failing.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPE = re.compile(r"\\([0-9a-f]+);")


def escape(text: str) -> str:
    """`text` without NUL and surrogates: each becomes `\\<hex>;`, and so does the backslash itself."""
    return _UNSTORABLE.sub(lambda found: f"\\{ord(found[0]):x};", text)


def unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text


class Words(TypeDecorator[str]):
    """Any text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escape(str(value))  # an enum would be stored by its name

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else unescape(value)


class Moment(TypeDecorator[datetime]):
    """A time with a time zone, exact to the microsecond; it comes back in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


class Listing(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        return None if value is None else tuple(json.loads(value))


class NameSet(TypeDecorator[frozenset[str]]):
    """A set of strings, as sorted JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(sorted(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> frozenset[str] | None:
        return None if value is None else frozenset(json.loads(value))


class Facts(TypeDecorator[Mapping[str, str]]):
    """A mapping of strings, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(dict(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, str] | None:
        return None if value is None else dict(json.loads(value))


class Document(TypeDecorator[Mapping[str, Any]]):
    """A JSON object as a stranger sent it; escaped like text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, Any] | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(dict(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, Any] | None:
        return None if value is None else dict(json.loads(value))


class Digest(TypeDecorator[bytes]):
    """Bytes: a digest or a sealed value. (Drivers differ in what they return.)"""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else bytes(value)
