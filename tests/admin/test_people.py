"""People who administer: from a role of their provider to a key, with a real sign-in between."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.house import REDIRECT, Door, Flow, open_door, response_parameters
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    work = {
        "kind": "oidc",
        "name": "work",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
        "roles": {"from": ["groups"], "names": {"g-17": "admins"}},
    }
    admin = {"enabled": True, "roles": ["admins"]}
    async with open_door(tmp_path, upstream.url, identity_providers=[work], admin=admin) as running:
        idp.now = lambda: running.clock().timestamp()
        yield running


async def sign_in(door: Door) -> tuple[Flow, dict[str, str], str]:
    """For administration: the flow, what the client got, and the page that asked."""
    flow, visitor = Flow(door, await door.register(), resource=f"{door.url}/admin"), door.browser()
    page = await visitor.ask(flow)
    answer = await visitor.decide(page)
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False) as browser:
        back = await browser.get(answer.headers["location"])
    answer = await visitor.get(back.headers["location"])
    return flow, response_parameters(answer, REDIRECT), page.text


async def test_whoever_has_the_role_makes_a_key(door: Door, idp: ScriptedIdentityProvider) -> None:
    idp.claims["groups"] = ["g-17"]
    flow, got, page = await sign_in(door)
    assert "Administer this server" in page
    flow.code = got["code"]
    tokens: dict[str, Any] = (await flow.redeem()).json()
    assert tokens["scope"] == "vestibule.admin"
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = await door.http.post(f"{door.url}/admin/api/keys", json={"name": "ci"}, headers=headers)
    assert (answer.status_code, answer.json()["created_by"]) == (201, "work:alice")
    assert (await door.call(tokens["access_token"])).status_code == 401  # it opens nothing else


@pytest.mark.parametrize("groups", [[], ["admins"], ["g-18"]])
async def test_whoever_has_it_not_gets_no_token(door: Door, idp: ScriptedIdentityProvider, groups: list[str]) -> None:
    idp.claims["groups"] = groups
    assert (await sign_in(door))[1]["error"] == "invalid_scope"
