"""GitHub: a number is who somebody is, membership is what lets them in, and errors come with 200."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.identity_providers.conftest import Desk, MakeDesk
from tests.outbound.certificates import Authority
from vestibule.errors import AccessDenied, IdentityProviderUnavailable, PageError, ProviderSignInNeeded
from vestibule.testing.github import ScriptedGitHub


@pytest.fixture
async def github(authority: Authority) -> AsyncIterator[ScriptedGitHub]:
    async with ScriptedGitHub(tls=authority.server_context("127.0.0.1")) as running:
        yield running


def at(desk: MakeDesk, github: ScriptedGitHub, **keys: Any) -> Desk:
    given = {"client_id": github.client_id, "client_secret": github.client_secret, **keys}
    return desk(kind="github", base_url=github.origin, **given)


async def test_a_person(desk: MakeDesk, github: ScriptedGitHub) -> None:
    work = at(desk, github)
    signed_in = await work.sign_in(login_hint="octocat", prompt=frozenset({"select_account"}))
    assert (signed_in.identity.issuer, signed_in.identity.subject) == (github.origin, "583231")
    assert (signed_in.identity.name, signed_in.identity.email) == ("Alice", "alice@example.com")
    assert signed_in.tokens is not None
    assert (signed_in.tokens.expires_at, signed_in.tokens.refresh_token) == (None, "")
    assert signed_in.tokens.scopes == ("read:user", "user:email")
    assert (work.asked["login"], work.asked["prompt"]) == ("octocat", "select_account")
    assert work.asked["code_challenge_method"] == "S256"
    assert "read:org" not in work.asked["scope"]
    assert github.asked("/api/v3/user/orgs") == []


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [{"email": "a@example.com", "primary": True, "verified": False}],
        [{"email": "a@example.com", "primary": False, "verified": True}],
        [{"email": "a@example.com", "primary": "true", "verified": "true"}],
        [{"email": "a@evil.example@corp.example", "primary": True, "verified": True}],
        [{"email": None, "primary": True, "verified": True}, "a@example.com"],
    ],
    ids=str,
)
async def test_an_address_is_primary_and_verified_or_none(
    desk: MakeDesk, github: ScriptedGitHub, emails: list[Any]
) -> None:
    github.emails = emails
    assert (await at(desk, github).sign_in()).identity.email == ""


async def test_without_the_scope_there_is_no_address(desk: MakeDesk, github: ScriptedGitHub) -> None:
    github.granted = ["read:user"]
    assert (await at(desk, github).sign_in()).identity.email == ""


@pytest.mark.parametrize("user", [{"id": None}, {"id": "583231"}, {"id": True}, {"id": 0}, {"id": -1}], ids=str)
async def test_a_person_without_number_is_nobody(desk: MakeDesk, github: ScriptedGitHub, user: dict[str, Any]) -> None:
    github.user |= user
    with pytest.raises(PageError):
        await at(desk, github).sign_in()


@pytest.mark.parametrize(
    ("keys", "comes_in"),
    [
        ({"organizations": ["Acme"]}, True),
        ({"teams": ["acme/Platform"]}, True),
        ({"organizations": ["other"], "teams": ["acme/platform"]}, True),
        ({"organizations": ["other"]}, False),
        ({"teams": ["acme/owners"]}, False),
        ({"teams": ["other/platform"]}, False),
    ],
    ids=str,
)
async def test_members_come_in(desk: MakeDesk, github: ScriptedGitHub, keys: dict[str, Any], comes_in: bool) -> None:
    work = at(desk, github, **keys)
    github.organizations, github.teams = ["ACME"], ["ACME/platform"]
    if comes_in:
        await work.sign_in()
    else:
        with pytest.raises(AccessDenied, match="does not belong"):
            await work.sign_in()
    assert "read:org" in work.asked["scope"]


async def test_a_person_who_wrote_it_into_their_profile_is_no_member(desk: MakeDesk, github: ScriptedGitHub) -> None:
    github.user |= {"organizations": ["acme"], "teams": ["acme/platform"], "verified_email": "boss@acme.example"}
    identity = (await at(desk, github, roles={"from": ["company"]}).sign_in()).identity
    assert identity.email == "alice@example.com"
    assert not {"organizations", "teams"} & set(identity.claims)
    with pytest.raises(AccessDenied):
        await at(desk, github, organizations=["acme"]).sign_in()


async def test_memberships_are_roles_over_several_pages(desk: MakeDesk, github: ScriptedGitHub) -> None:
    work = at(desk, github, roles={"from": ["organizations", "teams"], "names": {"acme/owners": "admin"}})
    github.organizations = [f"org-{number}" for number in range(120)]
    github.teams = ["acme/owners", "acme/platform"]
    roles = (await work.sign_in()).identity.roles
    assert {"org-0", "org-119", "admin", "acme/platform"} <= roles
    assert len(github.asked("/api/v3/user/orgs")) == 2


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        ("bad_verification_code", PageError, "10 minutes"),
        ("incorrect_client_credentials", PageError, "check client_id"),
        ("redirect_uri_mismatch", PageError, "callback"),
        ("unverified_user_email", AccessDenied, "not verified"),
    ],
)
async def test_errors_come_with_200(
    desk: MakeDesk, github: ScriptedGitHub, error: str, raised: type[Exception], told: str
) -> None:
    github.error = error
    with pytest.raises(raised) as refused:
        await at(desk, github).sign_in()
    assert told in refused.value.detail  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("redirect", "raised"),
    [
        ({"error": "access_denied"}, AccessDenied),
        ({"error": "application_suspended"}, PageError),
        ({"iss": "https://evil.example", "code": "x"}, PageError),
        ({"x": "y"}, PageError),
    ],
)
async def test_errors_at_the_callback(
    desk: MakeDesk, github: ScriptedGitHub, redirect: dict[str, str], raised: type[Exception]
) -> None:
    github.redirect = redirect
    with pytest.raises(raised):
        await at(desk, github).sign_in()


async def test_what_github_cannot_promise_is_not_promised(desk: MakeDesk, github: ScriptedGitHub) -> None:
    with pytest.raises(AccessDenied) as refused:
        await at(desk, github).sign_in(max_age=60)
    assert "max_age" in refused.value.detail


async def test_a_rate_limit_is_another_try(desk: MakeDesk, github: ScriptedGitHub) -> None:
    github.rate_limited = True
    with pytest.raises(IdentityProviderUnavailable):
        await at(desk, github).sign_in()


async def test_tokens_of_an_oauth_app_do_not_end(desk: MakeDesk, github: ScriptedGitHub) -> None:
    work = at(desk, github)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    assert await work.provider.refresh(tokens) == tokens
    await work.provider.revoke(tokens)
    assert not github.knows(tokens.access_token)
    await work.provider.ping()


async def test_tokens_of_a_github_app_are_refreshed(desk: MakeDesk, github: ScriptedGitHub) -> None:
    github.expires = True
    work = at(desk, github)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    assert tokens.expires_at == work.clock() + timedelta(hours=8)
    new = await work.provider.refresh(tokens)
    assert new.refresh_token != tokens.refresh_token
    with pytest.raises(ProviderSignInNeeded):
        await work.provider.refresh(tokens)


async def test_giving_back_never_raises(desk: MakeDesk, github: ScriptedGitHub) -> None:
    work = at(desk, github)
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    await github.stop()
    await work.provider.revoke(tokens)
    with pytest.raises(IdentityProviderUnavailable):
        await work.provider.ping()
