"""Any OpenID provider: tokens are kept fresh and given back, and we show who we are in every usual way."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.identity_providers.conftest import Desk, MakeDesk
from vestibule.errors import AccessDenied, IdentityProviderUnavailable, PageError, ProviderSignInNeeded
from vestibule.model import ProviderTokens
from vestibule.testing.identity_provider import ScriptedIdentityProvider, disconnect
from vestibule.testing.signing_key import SigningKey, usual_key

HTML = b"<!doctype html><title>Sign in to the network</title>"


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
def work(desk: MakeDesk, idp: ScriptedIdentityProvider) -> Desk:
    return at(desk, idp, client_secret=idp.client_secret)


def at(desk: MakeDesk, idp: ScriptedIdentityProvider, **keys: Any) -> Desk:
    made = desk(kind="oidc", issuer=idp.issuer, **keys)
    idp.now = lambda: made.clock().timestamp()
    return made


async def test_a_sign_in_brings_an_identity_and_tokens(work: Desk, idp: ScriptedIdentityProvider) -> None:
    idp.script.token["scope"] = "openid email"
    signed_in = await work.sign_in()
    assert (signed_in.identity.issuer, signed_in.identity.subject) == (idp.issuer, "alice")
    assert signed_in.identity.email == "alice@example.com"
    assert signed_in.tokens is not None
    assert signed_in.tokens.expires_at == work.clock() + timedelta(seconds=300)
    assert signed_in.tokens.scopes == ("openid", "email")
    assert signed_in.tokens.access_token not in repr(signed_in)


async def test_what_the_client_asks_of_the_provider_is_passed_on(work: Desk) -> None:
    await work.sign_in(prompt=frozenset({"login", "consent"}), login_hint="ada@example.com", max_age=60)
    assert work.asked["prompt"] == "consent login"
    assert (work.asked["login_hint"], work.asked["max_age"]) == ("ada@example.com", "60")
    assert "resource" not in work.asked


@pytest.mark.parametrize("auth_time", [-3600, None])
async def test_an_older_sign_in_than_max_age_is_none(
    work: Desk, idp: ScriptedIdentityProvider, auth_time: int | None
) -> None:
    idp.claims["auth_time"] = None if auth_time is None else work.clock().timestamp() + auth_time
    with pytest.raises(PageError) as refused:
        await work.sign_in(max_age=60)
    assert "auth_time" in refused.value.detail


async def test_roles_come_from_the_claims_that_are_named(desk: MakeDesk, idp: ScriptedIdentityProvider) -> None:
    work = at(
        desk,
        idp,
        client_secret=idp.client_secret,
        roles={"from": ["realm_access.roles", "groups"], "names": {"g-17": "admin"}},
    )
    idp.claims |= {"realm_access": {"roles": ["reader"]}, "groups": ["g-17", "admin"], "roles": ["not asked"]}
    assert (await work.sign_in()).identity.roles == {"reader", "admin"}


async def test_userinfo_adds_to_a_thin_id_token(desk: MakeDesk, idp: ScriptedIdentityProvider) -> None:
    work = at(desk, idp, client_secret=idp.client_secret, userinfo=True, roles={"from": ["groups"]})
    idp.claims |= {"email": None, "email_verified": None, "name": None}
    idp.script.userinfo["groups"] = ["staff"]
    identity = (await work.sign_in()).identity
    assert (identity.name, identity.email) == ("Alice", "alice@example.com")
    assert identity.roles == {"staff"}
    idp.script.userinfo["sub"] = "mallory"
    with pytest.raises(PageError, match="could not be accepted"):
        await work.sign_in()


# --- refresh and revocation -------------------------------------------------------------------------------------------


async def tokens_of(work: Desk) -> ProviderTokens:
    tokens = (await work.sign_in()).tokens
    assert tokens is not None
    return tokens


async def test_a_refresh_brings_new_tokens_and_the_rotated_one(work: Desk, idp: ScriptedIdentityProvider) -> None:
    old = await tokens_of(work)
    work.clock.advance(timedelta(minutes=5))
    new = await work.provider.refresh(old)
    assert new.access_token != old.access_token
    assert new.refresh_token != old.refresh_token
    assert new.expires_at == work.clock() + timedelta(seconds=300)
    assert not idp.knows(old.refresh_token)
    assert (await work.provider.refresh(new)).access_token != new.access_token


async def test_what_the_answer_leaves_out_is_kept(work: Desk, idp: ScriptedIdentityProvider) -> None:
    old = await tokens_of(work)
    idp.script.token |= {"refresh_token": None, "id_token": None, "expires_in": "60"}
    new = await work.provider.refresh(old)
    assert (new.refresh_token, new.scopes) == (old.refresh_token, old.scopes)
    assert new.expires_at == work.clock() + timedelta(seconds=60)


@pytest.mark.parametrize("error", ["invalid_grant", "interaction_required", "login_required", "consent_required"])
async def test_when_only_the_person_can_help_a_refresh_says_so(
    work: Desk, idp: ScriptedIdentityProvider, error: str
) -> None:
    tokens = await tokens_of(work)
    idp.answers["/token"] = lambda: (400, {"error": error, "error_description": "no more"})
    with pytest.raises(ProviderSignInNeeded) as needed:
        await work.provider.refresh(tokens)
    assert "no more" in needed.value.detail
    assert "no more" not in needed.value.message


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}),
        (503, {"error": "invalid_grant"}),
        (429, {}),
        (200, HTML),
        (502, HTML),
        (401, {"error": "invalid_client"}),
    ],
    ids=str,
)
async def test_when_another_try_may_help_the_refresh_token_is_still_good(
    work: Desk, idp: ScriptedIdentityProvider, answer: tuple[int, Any]
) -> None:
    tokens = await tokens_of(work)
    idp.answers["/token"] = lambda: answer
    with pytest.raises(IdentityProviderUnavailable):
        await work.provider.refresh(tokens)
    del idp.answers["/token"]
    assert (await work.provider.refresh(tokens)).access_token


async def test_a_provider_that_is_down_is_another_try(work: Desk, idp: ScriptedIdentityProvider) -> None:
    tokens = await tokens_of(work)
    idp.faults["/token"] = disconnect
    with pytest.raises(IdentityProviderUnavailable):
        await work.provider.refresh(tokens)


async def test_without_a_refresh_token_the_person_is_needed(work: Desk) -> None:
    with pytest.raises(ProviderSignInNeeded, match="wants to see you again"):
        await work.provider.refresh(ProviderTokens("work", "an access token"))


async def test_tokens_are_given_back(work: Desk, idp: ScriptedIdentityProvider) -> None:
    tokens = await tokens_of(work)
    await work.provider.revoke(tokens)
    assert not idp.knows(tokens.refresh_token)
    (asked,) = idp.asked("/revoke")
    assert asked.form["token_type_hint"] == "refresh_token"


async def test_giving_back_never_raises(work: Desk, idp: ScriptedIdentityProvider) -> None:
    tokens = await tokens_of(work)
    idp.faults["/revoke"] = disconnect
    await work.provider.revoke(tokens)
    await idp.stop()
    await work.provider.revoke(tokens)


# --- who we are -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "basic"),
    [(["client_secret_basic", "client_secret_post"], True), (["client_secret_post"], False), (None, True)],
)
async def test_the_secret_goes_where_the_metadata_says(
    work: Desk, idp: ScriptedIdentityProvider, methods: list[str] | None, basic: bool
) -> None:
    idp.script.metadata["token_endpoint_auth_methods_supported"] = methods
    await work.sign_in()
    (asked,) = idp.asked("/token")
    assert ("authorization" in asked.headers) is basic
    assert ("client_secret" in asked.form) is not basic


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_key_in_place_of_a_secret(
    desk: MakeDesk, idp: ScriptedIdentityProvider, tmp_path: Path, algorithm: str
) -> None:
    key = SigningKey("2026-01", algorithm)
    file = tmp_path / "client.pem"
    file.write_text(key.private_pem())
    file.chmod(0o600)
    idp.client_keys = {"keys": [key.public_jwk()]}
    idp.client_secret = "nobody knows it"
    work = at(desk, idp, client_key=f"file:{file}", client_key_id="2026-01")
    tokens = await tokens_of(work)
    await work.provider.refresh(tokens)
    first, second = (request.form["client_assertion"] for request in idp.asked("/token"))
    assert first != second
    assert "PRIVATE" not in repr(vars(work.provider))


async def test_a_projected_token_is_read_anew_each_time(
    desk: MakeDesk, idp: ScriptedIdentityProvider, tmp_path: Path
) -> None:
    idp.client_secret = "nobody knows it"
    idp.client_keys = {"keys": [usual_key().public_jwk()]}
    file = tmp_path / "token"
    work = at(desk, idp, client_assertion=f"file:{file}")

    def project(number: int) -> str:
        exp = work.clock().timestamp() + 600
        claims = {"iss": "gateway", "sub": "gateway", "aud": f"{idp.issuer}/token", "exp": exp, "jti": number}
        file.write_text(usual_key().sign(claims) + "\n")
        return file.read_text().strip()

    first = project(1)
    tokens = await tokens_of(work)
    second = project(2)
    await work.provider.refresh(tokens)
    assert [request.form["client_assertion"] for request in idp.asked("/token")] == [first, second]
    file.unlink()
    with pytest.raises(IdentityProviderUnavailable) as failed:
        await work.provider.refresh(tokens)
    assert str(file) in failed.value.detail


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_clock_within_the_leeway_is_tolerated_and_one_beyond_is_named(
    work: Desk, idp: ScriptedIdentityProvider
) -> None:
    idp.now = lambda: work.clock().timestamp() + 50
    await work.sign_in()
    idp.now = lambda: work.clock().timestamp() + 120
    with pytest.raises(PageError) as refused:
        await work.sign_in()
    assert "clock is 120 s ahead of ours" in refused.value.detail
    assert "clock" not in refused.value.message
    idp.now = lambda: work.clock().timestamp() - 500
    with pytest.raises(PageError) as refused:
        await work.sign_in()
    assert "clock is 500 s behind ours" in refused.value.detail


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
async def test_a_page_in_place_of_json(work: Desk, idp: ScriptedIdentityProvider, path: str) -> None:
    idp.answers[path] = lambda: (200, HTML)
    with pytest.raises((PageError, IdentityProviderUnavailable)) as failed:
        await work.sign_in()
    assert "JSON" in failed.value.detail
    assert "network" not in failed.value.message


async def test_an_answer_without_id_token_is_none(work: Desk, idp: ScriptedIdentityProvider) -> None:
    idp.script.token["id_token"] = None
    with pytest.raises(PageError) as refused:
        await work.sign_in()
    assert "id_token" in refused.value.detail


async def test_rotated_keys_are_found(work: Desk, idp: ScriptedIdentityProvider) -> None:
    await work.sign_in()
    idp.rotate_key()
    await work.sign_in()
    idp.rotate_key()
    with pytest.raises(PageError):  # a second look within a minute is none
        await work.sign_in()
    work.clock.advance(timedelta(seconds=61))
    await work.sign_in()


async def test_while_it_is_down_what_was_read_serves_and_it_is_not_asked_each_time(
    work: Desk, idp: ScriptedIdentityProvider
) -> None:
    await work.sign_in()
    work.clock.advance(timedelta(hours=2))
    idp.answers["/.well-known/openid-configuration"] = lambda: (503, {})
    before = len(idp.asked("/.well-known/openid-configuration"))
    for _ in range(3):
        await work.sign_in()
    assert len(idp.asked("/.well-known/openid-configuration")) == before + 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("access_denied", AccessDenied),
        ("interaction_required", AccessDenied),
        ("temporarily_unavailable", IdentityProviderUnavailable),
        ("unauthorized_client", PageError),
        ("anything", PageError),
    ],
)
async def test_errors_at_the_callback(
    work: Desk, idp: ScriptedIdentityProvider, error: str, raised: type[Exception]
) -> None:
    idp.script.redirect |= {"code": None, "error": error, "error_description": "told by the provider"}
    with pytest.raises(raised) as refused:
        await work.sign_in()
    assert "told by the provider" in refused.value.detail  # type: ignore[attr-defined]
    assert "told by the provider" not in str(refused.value)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_provider_with_too_much_to_do_is_told_as_such(
    work: Desk, idp: ScriptedIdentityProvider, status: int
) -> None:
    idp.answers["/token"] = lambda: (status, {"error": "invalid_grant"})
    with pytest.raises(IdentityProviderUnavailable):
        await work.sign_in()


async def test_a_slow_provider_is_not_waited_for(
    work: Desk, idp: ScriptedIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await tokens_of(work)
    monkeypatch.setattr(work.provider._http, "_deadline", timedelta(seconds=0.3))  # type: ignore[attr-defined]
    idp.delay = 5
    begun = time.monotonic()
    with pytest.raises(IdentityProviderUnavailable):
        await work.provider.refresh(tokens)
    assert time.monotonic() - begun < 3
