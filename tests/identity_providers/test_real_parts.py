"""The same providers at parts that nobody here wrote: npm oidc-provider, and npm emulate as GitHub and Google."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.identity_providers.conftest import CALLBACK, Desk, MakeDesk
from tests.parts.emulate import Emulated, emulated
from tests.parts.identity_provider import oidc_provider
from tests.parts.processes import free_port
from vestibule.errors import AccessDenied, ProviderSignInNeeded
from vestibule.model import SignedIn

pytestmark = pytest.mark.slow


async def sign_in(work: Desk, service: Emulated, person: str) -> SignedIn:
    request = work.request()
    location = await service.sign_in(work.browser, await work.provider.begin(request), person)
    assert location.startswith(CALLBACK), location
    return await work.provider.finish(dict(parse_qsl(urlsplit(location).query)), request)


async def test_oidc_provider_gives_and_refreshes_and_takes_back(desk: MakeDesk, tmp_path: Path) -> None:
    with oidc_provider(free_port(), CALLBACK, tmp_path / "log", features=["revocation"]) as idp:
        work = desk(
            kind="oidc",
            issuer=idp.issuer,
            client_id=idp.client_id,
            client_secret=idp.client_secret,
            scopes=["openid", "email", "offline_access"],
            userinfo=True,
        )
        work.clock.advance(datetime.now(UTC) - work.clock())
        request = work.request(prompt=frozenset({"consent"}))
        location = await idp.sign_in(work.browser, await work.provider.begin(request), "ada")
        signed_in = await work.provider.finish(dict(parse_qsl(urlsplit(location).query)), request)
        assert (signed_in.identity.issuer, signed_in.identity.subject) == (idp.issuer, "ada")
        assert signed_in.identity.email == "ada@example.com"
        assert signed_in.tokens is not None
        assert signed_in.tokens.expires_at is not None
        new = await work.provider.refresh(signed_in.tokens)
        assert new.access_token != signed_in.tokens.access_token
        await work.provider.revoke(new)
        with pytest.raises(ProviderSignInNeeded):
            await work.provider.refresh(new)


async def test_github(desk: MakeDesk, tmp_path: Path) -> None:
    people = [
        {"login": "octocat", "name": "Octo Cat", "email": "octo@example.com"},
        {"login": "stranger", "name": "A Stranger", "email": "stranger@example.com"},
    ]
    orgs = [{"login": "acme", "name": "Acme", "members": [{"login": "octocat"}]}]
    with emulated("github", CALLBACK, tmp_path, users=people, orgs=orgs) as github:
        work = desk(
            kind="github",
            base_url=github.url,
            api_url=github.url,
            client_id=github.client_id,
            client_secret=github.client_secret,
            organizations=["acme"],
            roles={"from": ["organizations"]},
        )
        signed_in = await sign_in(work, github, "octocat")
        assert signed_in.identity.subject.isdecimal()
        assert (signed_in.identity.name, signed_in.identity.email) == ("Octo Cat", "octo@example.com")
        assert signed_in.identity.roles == {"acme"}
        assert signed_in.tokens is not None
        assert signed_in.tokens.expires_at is None
        with pytest.raises(AccessDenied):
            await sign_in(work, github, "stranger")


async def test_google(desk: MakeDesk, tmp_path: Path) -> None:
    people = [
        {"email": "ada@corp.example", "name": "Ada", "email_verified": True, "hd": "corp.example"},
        {"email": "mallory@gmail.com", "name": "Mallory", "email_verified": True},
    ]
    with emulated("google", CALLBACK, tmp_path, users=people) as google:
        work = desk(
            kind="google",
            issuer=google.url,
            client_id=google.client_id,
            client_secret=google.client_secret,
            hosted_domain=["corp.example"],
        )
        work.clock.advance(datetime.now(UTC) - work.clock())
        signed_in = await sign_in(work, google, "ada@corp.example")
        assert (signed_in.identity.name, signed_in.identity.email) == ("Ada", "ada@corp.example")
        assert signed_in.tokens is not None
        assert signed_in.tokens.refresh_token
        assert (await work.provider.refresh(signed_in.tokens)).access_token != signed_in.tokens.access_token
        with pytest.raises(AccessDenied):
            await sign_in(work, google, "mallory@gmail.com")
