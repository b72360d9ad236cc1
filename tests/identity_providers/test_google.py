"""Google: who belongs to an organisation is what the hd claim says."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.identity_providers.conftest import Desk, MakeDesk
from tests.outbound.certificates import Authority
from vestibule.errors import AccessDenied, PageError
from vestibule.testing.google import ScriptedGoogle


@pytest.fixture
async def google(authority: Authority) -> AsyncIterator[ScriptedGoogle]:
    async with ScriptedGoogle(tls=authority.server_context("127.0.0.1")) as running:
        yield running


def at(desk: MakeDesk, google: ScriptedGoogle, **keys: Any) -> Desk:
    made = desk(
        kind="google", issuer=google.issuer, client_id=google.client_id, client_secret=google.client_secret, **keys
    )
    google.now = lambda: made.clock().timestamp()
    return made


@pytest.mark.parametrize("bare", [False, True])
async def test_a_private_account(desk: MakeDesk, google: ScriptedGoogle, bare: bool) -> None:
    google.bare_issuer = bare
    work = at(desk, google)
    signed_in = await work.sign_in()
    assert (signed_in.identity.issuer, signed_in.identity.subject) == (google.issuer, google.subject)
    assert signed_in.identity.email == "alice@gmail.com"
    assert "hd" not in work.asked


async def test_only_people_of_the_domains(desk: MakeDesk, google: ScriptedGoogle) -> None:
    work = at(desk, google, hosted_domain=["example.com"])
    google.hosted_domain, google.email = "Example.com", "alice@example.com"
    await work.sign_in()
    assert work.asked["hd"] == "example.com"
    google.hosted_domain = "evil.example"
    with pytest.raises(AccessDenied, match="does not belong"):
        await work.sign_in()


async def test_several_domains_are_all_offered(desk: MakeDesk, google: ScriptedGoogle) -> None:
    work = at(desk, google, hosted_domain=["example.com", "example.org"])
    google.hosted_domain = "example.org"
    await work.sign_in()
    assert work.asked["hd"] == "*"


@pytest.mark.parametrize("issuer", ["https://accounts.google.com.evil.example", "accounts.google.com", None])
async def test_another_issuer(desk: MakeDesk, google: ScriptedGoogle, issuer: str | None) -> None:
    work = at(desk, google)
    google.claims["iss"] = issuer
    with pytest.raises(PageError):
        await work.sign_in()


async def test_a_refresh_token_comes_with_offline_access_and_goes_on(desk: MakeDesk, google: ScriptedGoogle) -> None:
    work = at(desk, google)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    new = await work.provider.refresh(tokens)
    assert new.refresh_token == tokens.refresh_token
    assert new.access_token != tokens.access_token
    await work.provider.revoke(new)
    assert not google.knows(new.refresh_token)


async def test_without_offline_access_there_is_none(desk: MakeDesk, google: ScriptedGoogle) -> None:
    work = at(desk, google, offline=False)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    assert tokens.refresh_token == ""
    assert "access_type" not in work.asked


async def test_a_prompt_is_one_that_google_knows(desk: MakeDesk, google: ScriptedGoogle) -> None:
    work = at(desk, google)
    await work.sign_in(prompt=frozenset({"login", "consent"}))
    assert work.asked["prompt"] == "consent select_account"
