"""An issuer's documents: for how long an answer is fresh, what the operator is told, one flight for all."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from vestibule.errors import FetchError
from vestibule.outbound import HttpIssuerDocuments, OutboundClient
from vestibule.outbound.issuer_documents import fresh_for
from vestibule.testing.clock import FrozenClock
from vestibule.testing.identity_provider import ScriptedIdentityProvider

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


async def test_the_operator_is_told_of_keys_and_endpoints_that_are_all_new() -> None:
    """FLT-07, FLT-11: the alarm beside what the issuer may not do."""
    told: list[str] = []
    clock = FrozenClock()
    http = OutboundClient()
    async with ScriptedIdentityProvider() as idp:
        documents = HttpIssuerDocuments(
            idp.issuer, http=http, clock=clock, log=lambda event, **facts: told.append(event)
        )
        await documents.verified(idp.signing.sign({}), algorithms=["RS256"])
        idp.rotate_key()
        clock.advance(3700)
        await documents.verified(idp.signing.sign({}), algorithms=["RS256"])
        assert told == []
        idp.rotate_key(keep_old=False)
        clock.advance(3700)
        await documents.verified(idp.signing.sign({}), algorithms=["RS256"])
        assert told == ["issuer_keys_replaced"]
        idp.script.metadata["token_endpoint"] = "https://evil.example/token"
        clock.advance(3700)
        assert (await documents.metadata()).token_endpoint == f"{idp.issuer}/token"
        assert told[1:] == ["issuer_endpoints_moved"]
    await http.close()


async def test_whoever_leaves_does_not_end_the_wait_of_the_others() -> None:
    http = OutboundClient()
    async with ScriptedIdentityProvider() as idp:
        idp.delay = 0.1
        documents = HttpIssuerDocuments(idp.issuer, http=http, clock=FrozenClock())
        token = idp.signing.sign({"a": 1})
        first, second = (asyncio.create_task(documents.verified(token, algorithms=["RS256"])) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        assert (await second).claims == {"a": 1}
        assert len(idp.asked("/jwks")) == 1
    await http.close()


@pytest.mark.parametrize("later", [timedelta(seconds=1), timedelta(hours=-1)])
async def test_an_issuer_that_never_answered_is_asked_again_after_a_second_and_not_before(later: timedelta) -> None:
    """Who clicks again gets in, a flood does not hammer it, and a clock that was set back locks nobody out."""
    http, clock = OutboundClient(), FrozenClock()
    async with ScriptedIdentityProvider() as idp:
        path = "/.well-known/openid-configuration"
        idp.answers[path] = lambda: (500, {})
        documents = HttpIssuerDocuments(idp.issuer, http=http, clock=clock)
        for _ in range(20):
            with pytest.raises(FetchError):
                await documents.metadata()
        assert len(idp.asked(path)) == 1
        del idp.answers[path]
        clock.advance(later)
        assert (await documents.metadata()).issuer == idp.issuer
    await http.close()
