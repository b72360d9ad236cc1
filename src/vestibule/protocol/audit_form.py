"""An event as it is hashed and exported: JSON in ASCII, members sorted by name, no space, empty members left out.

`at` is in UTC with microseconds. Whoever has an export can make this form with any JSON encoder (docs/audit.md has the
program). It is put together by hand because that is done for every call, and of a call only the moment, the request and
the place are new: what stands between them is remembered. A test holds it against Python's encoder.
"""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import TypeAlias

from vestibule.model import AuditEvent, AuditLink, AuditWords

REMEMBERED = 512  # shapes of events, each of 8 KiB at most

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode

_Frame: TypeAlias = tuple[str, str, str, str]


def canonical(event: AuditEvent, sequence: int) -> bytes:
    """What is hashed of an event, beside the hash before it."""
    return _text(event, sequence).encode("ascii")


def line(link: AuditLink) -> str:
    """A link as one line of an export: the canonical form, and the hash as its last member."""
    end = f',"hash":{quoted(link.hash)}}}' if link.hash else "}"
    return _text(link.event, link.sequence)[:-1] + end


def written_moment(at: datetime) -> str:
    since = (at if at.tzinfo is UTC else at.astimezone(UTC)) - _EPOCH
    return f"{_written_second(since.days, since.seconds)}.{since.microseconds:06d}Z"


@lru_cache(maxsize=8)
def _written_second(days: int, seconds: int) -> str:
    return (_EPOCH + timedelta(days, seconds)).isoformat(timespec="seconds").removesuffix("+00:00")


def _text(event: AuditEvent, sequence: int) -> str:
    before, after_at, after_facts, after_place = _frame(event.words)
    facts = f',"facts":{_encode(dict(event.facts))}' if event.facts else ""
    request = f',"request_id":{quoted(event.request_id)}' if event.request_id else ""
    place = f',"sequence":{sequence}' if sequence else ""
    at = written_moment(event.at)
    return f'{{{before}"at":"{at}"{after_at}{facts}{after_facts}{request}{place}{after_place}}}'


@lru_cache(maxsize=REMEMBERED)
def _frame(words: AuditWords) -> _Frame:
    """What stands before `at`, between it and the facts, from there to the request, and behind the place."""
    action, actor, address, client_id, outcome, reason, target, tenant, tool = words
    before = _members(action=action, actor=actor, address=address)
    return (
        f"{before[1:]}," if before else "",
        _members(client_id=client_id),
        _members(outcome=outcome, reason=reason),
        _members(target=target, tenant=tenant, tool=tool),
    )


def _members(**words: str) -> str:
    return "".join(f',"{name}":{quoted(word)}' for name, word in words.items() if word)
