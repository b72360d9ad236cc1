"""npm oidc-provider as the issuer of the tokens: JWTs by its keys, after a restart too, and opaque ones."""

from pathlib import Path

import httpx2
import pytest

from tests.parts.identity_provider import OidcProvider, oidc_provider
from tests.parts.processes import free_port
from tests.support.foreign import error_of
from tests.support.house import open_door
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream

pytestmark = pytest.mark.slow

REDIRECT = "http://127.0.0.1:7777/callback"
API, OPAQUE = "api://tickets", "api://opaque"
FEATURES = ("clientCredentials", "resourceIndicators", "introspection")
DESK = {
    "client_id": "desk",
    "client_secret": "Zq7mW2xK9vT4bN8rJ3hL",
    "redirect_uris": [],
    "response_types": [],
    "grant_types": ["client_credentials"],
}


async def token_for(provider: OidcProvider, resource: str) -> str:
    form = {"grant_type": "client_credentials", "resource": resource, "scope": "mcp"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{provider.issuer}/token", data=form, auth=("desk", str(DESK["client_secret"])))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def test_tokens_of_a_certified_provider(tmp_path: Path, upstream: RecordingUpstream) -> None:
    port = free_port()
    section = {"identifiers": [API], "issuers": [f"http://127.0.0.1:{port}"], "mode": "cloud"}
    clock = FrozenClock()
    async with open_door(tmp_path, upstream.url, clock=clock, resource_server=section) as door:
        with oidc_provider(port, REDIRECT, tmp_path / "a.log", features=FEATURES, clients=[DESK], kid="a") as provider:
            first = await token_for(provider, API)
            assert (await door.call(first)).status_code == 200
            assert error_of(await door.call(await token_for(provider, "api://other"))) == "INVALID_AUDIENCE"
        assert (await door.call(first)).status_code == 200  # it is down
        with oidc_provider(port, REDIRECT, tmp_path / "b.log", features=FEATURES, clients=[DESK], kid="b") as provider:
            assert (await door.call(await token_for(provider, API))).status_code == 200
            clock.advance(301)  # a verified signature counts for five minutes; its key is gone
            assert error_of(await door.call(first)) == "INVALID_SIGNATURE"


async def test_opaque_tokens_of_a_certified_provider(tmp_path: Path, upstream: RecordingUpstream) -> None:
    port = free_port()
    issuer = {
        "issuer": f"http://127.0.0.1:{port}",
        "kind": "introspection",
        "client_id": "desk",
        "client_secret": DESK["client_secret"],
    }
    section = {"identifiers": [OPAQUE], "issuers": [issuer], "mode": "cloud"}
    async with open_door(tmp_path, upstream.url, resource_server=section) as door:
        with oidc_provider(port, REDIRECT, tmp_path / "a.log", features=FEATURES, clients=[DESK]) as provider:
            token = await token_for(provider, OPAQUE)
            assert "." not in token
            assert (await door.call(token)).status_code == 200
            assert error_of(await door.call(f"{token}x")) == "INVALID_TOKEN"
            other = await token_for(provider, "api://opaque-other")
            assert error_of(await door.call(other)) == "INVALID_AUDIENCE"
