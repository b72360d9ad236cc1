"""Auth0: an organisation that was asked for must also be told of."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.identity_providers.conftest import Desk, MakeDesk
from tests.outbound.certificates import Authority
from vestibule.errors import AccessDenied
from vestibule.testing.auth0 import ScriptedAuth0


@pytest.fixture
async def auth0(authority: Authority) -> AsyncIterator[ScriptedAuth0]:
    async with ScriptedAuth0(tls=authority.server_context("127.0.0.1")) as running:
        yield running


def at(desk: MakeDesk, auth0: ScriptedAuth0, **keys: Any) -> Desk:
    made = desk(kind="auth0", domain=auth0.domain, client_secret=auth0.client_secret, **keys)
    auth0.now = lambda: made.clock().timestamp()
    return made


async def test_a_sign_in_with_an_audience(desk: MakeDesk, auth0: ScriptedAuth0) -> None:
    work = at(desk, auth0, audience="https://api.example.com", roles={"from": ["https://example.com/roles"]})
    auth0.claims["https://example.com/roles"] = ["admin"]
    signed_in = await work.sign_in()
    assert signed_in.identity.issuer == f"https://{auth0.domain}/"
    assert (signed_in.identity.subject, signed_in.identity.email) == (auth0.subject, "alice@example.com")
    assert signed_in.identity.roles == {"admin"}
    assert work.asked["audience"] == "https://api.example.com"
    assert "offline_access" in work.asked["scope"]
    assert signed_in.tokens is not None
    new = await work.provider.refresh(signed_in.tokens)
    await work.provider.revoke(new)
    assert not auth0.knows(new.refresh_token)


@pytest.mark.parametrize("organization", ["org_1", "acme", "Acme"])
async def test_members_of_the_organisation(desk: MakeDesk, auth0: ScriptedAuth0, organization: str) -> None:
    work = at(desk, auth0, organization=organization)
    auth0.organizations = {"org_1": organization if not organization.startswith("org_") else "acme"}
    await work.sign_in()
    assert work.asked["organization"] == organization


async def test_people_of_no_organisation(desk: MakeDesk, auth0: ScriptedAuth0) -> None:
    work = at(desk, auth0, organization="org_1")
    with pytest.raises(AccessDenied):
        await work.sign_in()


@pytest.mark.parametrize(
    "claims", [{"org_id": None}, {"org_id": "org_2"}, {"org_id": ["org_1"]}, {"org_id": None, "org_name": "org_1"}]
)
async def test_asking_for_an_organisation_is_not_being_in_it(
    desk: MakeDesk, auth0: ScriptedAuth0, claims: dict[str, Any]
) -> None:
    work = at(desk, auth0, organization="org_1")
    auth0.organizations = {"org_1": "acme"}
    auth0.claims |= claims
    with pytest.raises(AccessDenied, match="does not belong"):
        await work.sign_in()
