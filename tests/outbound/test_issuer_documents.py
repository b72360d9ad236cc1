"""For how long an issuer's answer is fresh, by what it says itself."""

from datetime import UTC, datetime, timedelta

import pytest

from vestibule.outbound.issuer_documents import fresh_for

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
TTL = timedelta(hours=1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 3600),
        ({"cache-control": "public, max-age=600"}, 600),
        ({"cache-control": "max-age=86400"}, 3600),
        ({"cache-control": "max-age=1"}, 60),
        ({"cache-control": 'max-age="300"'}, 300),
        ({"cache-control": "max-age=99999999999999999999"}, 3600),
        ({"cache-control": "max-age=soon"}, 3600),
        ({"cache-control": "no-store"}, 60),
        ({"cache-control": "no-cache, max-age=600"}, 60),
        ({"expires": "Sat, 21 Nov 2026 10:10:00 GMT"}, 600),
        ({"expires": "0"}, 60),
        ({"expires": "Sat, 21 Nov 2026 10:10:00 GMT", "cache-control": "max-age=120"}, 120),
    ],
)
def test_an_answer_is_fresh_for(headers: dict[str, str], seconds: int) -> None:
    assert fresh_for(headers, TTL, NOW) == timedelta(seconds=seconds)


def test_the_operator_may_want_less_than_a_minute_at_least() -> None:
    assert fresh_for({"cache-control": "max-age=1"}, timedelta(seconds=30), NOW) == timedelta(seconds=30)
