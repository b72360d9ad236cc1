"""The form that is hashed is what any JSON encoder makes of an event: exports of older versions verify for ever."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from vestibule.model import AuditEvent, AuditLink, Outcome
from vestibule.protocol.audit_form import canonical, line, written_moment

WORDS = ("action", "actor", "address", "client_id", "outcome", "reason", "request_id", "target", "tenant", "tool")

texts = st.one_of(st.just(""), st.sampled_from(["work:ada", "search"]), st.text(st.characters(), max_size=20))
zones = st.one_of(st.just(UTC), st.integers(-86_399, 86_399).map(lambda seconds: timezone(timedelta(seconds=seconds))))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)
outcomes = st.sampled_from(get_args(Outcome))
events = st.builds(
    AuditEvent,
    at=moments,
    action=texts,
    outcome=outcomes,
    request_id=texts,
    actor=texts,
    client_id=texts,
    tenant=texts,
    target=texts,
    reason=texts,
    address=texts,
    tool=texts,
    facts=st.dictionaries(texts, texts, max_size=3),
)


def by_the_book(event: AuditEvent, sequence: int) -> str:
    """docs/audit.md, as version 0.3.0 did it."""
    found: dict[str, Any] = {name: value for name in WORDS if (value := getattr(event, name))}
    if event.facts:
        found["facts"] = dict(event.facts)
    if sequence:
        found["sequence"] = sequence
    found["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(found, sort_keys=True, separators=(",", ":"))


@given(events, st.integers(0, 2**63 - 1))
def test_the_form_is_what_a_json_encoder_makes(event: AuditEvent, sequence: int) -> None:
    assert canonical(event, sequence) == by_the_book(event, sequence).encode("ascii")
    assert canonical(event, sequence) == canonical(event, sequence)  # remembered, the second time


@given(events, st.integers(0, 2**63 - 1), st.text(max_size=3))
def test_a_line_is_the_form_and_the_hash(event: AuditEvent, sequence: int, hash_: str) -> None:
    told = json.loads(line(AuditLink(event, sequence, hash_)))
    assert told.pop("hash", "") == hash_
    assert told == json.loads(by_the_book(event, sequence))


@given(moments)
def test_a_moment_is_written_to_the_microsecond(at: datetime) -> None:
    assert datetime.fromisoformat(written_moment(at)) == at
