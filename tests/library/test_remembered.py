"""Verdicts about tokens count for a while, and never longer than the token."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from vestibule import InvalidToken, Principal
from vestibule.model import Resource, Upstream
from vestibule.resource_server.remembered import RememberedTokens

HERE = Resource("https://mcp.example.com/mcp", "/mcp", Upstream("app", ""))
ADA = Principal(
    issuer="https://login.example.com",
    subject="ada",
    user="login:ada",
    tenant="default",
    client_id="c",
    scopes=frozenset(),
    resource=HERE.identifier,
    grant_id="",
    token_id="",
    expires_at=datetime.fromtimestamp(1000, UTC),
)


class Counting:
    """An issuer that is asked, and knows one token."""

    def __init__(self) -> None:
        self.asked = 0

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        self.asked += 1
        if token != "good" or now >= 1000:
            raise InvalidToken("Unknown.")
        return replace(ADA, resource=resource.identifier)


@pytest.mark.parametrize(
    ("good_for", "moments", "asked"), [(60.0, [0, 59, 60], 2), (9000.0, [900, 999], 1), (0.0, [0, 0], 2)]
)
async def test_a_verdict_counts_as_long_as_it_is_good_for(good_for: float, moments: list[int], asked: int) -> None:
    issuer = Counting()
    tokens = RememberedTokens(issuer, lambda _: good_for)
    for now in moments:
        assert (await tokens.verify("good", HERE, now)).subject == "ada"
    assert issuer.asked == asked


async def test_no_verdict_outlives_the_token() -> None:
    tokens = RememberedTokens(Counting(), lambda _: 9000.0)
    await tokens.verify("good", HERE, 999)
    with pytest.raises(InvalidToken):
        await tokens.verify("good", HERE, 1000)


async def test_a_refusal_is_remembered_for_seconds_and_another_resource_is_another_question() -> None:
    issuer = Counting()
    tokens = RememberedTokens(issuer, lambda _: 60.0)
    for now in (0, 1, 6):
        with pytest.raises(InvalidToken):
            await tokens.verify("bad", HERE, now)
    assert issuer.asked == 2
    there = replace(HERE, identifier="https://other.example.com/mcp")
    assert (await tokens.verify("good", HERE, 0)).resource == HERE.identifier
    assert (await tokens.verify("good", there, 0)).resource == there.identifier
    assert issuer.asked == 4


async def test_what_is_remembered_is_bounded() -> None:
    issuer = Counting()
    tokens = RememberedTokens(issuer, lambda _: 60.0, size=2)
    for path in ("a", "b", "c", "a"):
        await tokens.verify("good", replace(HERE, identifier=path), 0)
    assert issuer.asked == 4
