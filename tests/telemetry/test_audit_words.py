"""What is known to be clean is not cleaned again, and that changes nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vestibule.model import AuditEvent
from vestibule.protocol.audit_form import canonical
from vestibule.telemetry import audit_words
from vestibule.telemetry.audit_words import MAX_LINE, cleaned
from vestibule.testing.records import an_audit_event

NAMES = ("actor", "client_id", "tenant", "target", "reason", "request_id", "address", "tool")

texts = st.one_of(
    st.sampled_from(
        ["work:ada", "vat_canary123456", "https://a/cb?code=canary", "a\r\nb", "\U0001f600" * 600, "0a" * 16]
    ),
    st.text(st.characters(), max_size=130),
)
words = st.dictionaries(st.sampled_from(NAMES), texts)


@given(words, st.sampled_from([{}, {"scope": "mcp"}]))
def test_an_event_is_cleaned_alike_whether_its_words_are_known_or_not(changes: dict[str, Any], facts: Any) -> None:
    event = an_audit_event(**{"request_id": "0a" * 16, **changes, "facts": facts})
    found = cleaned(event)
    assert found == cleaned(event)
    assert found == _cleaned_slowly(event)
    assert len(canonical(found, 1)) < MAX_LINE


def _cleaned_slowly(event: AuditEvent) -> AuditEvent:
    for limit in audit_words._LIMITS:
        found = audit_words._cleaned(event, limit)
        if len(canonical(found, 1)) < MAX_LINE:
            return found
    raise AssertionError("even the shortest is too long")
