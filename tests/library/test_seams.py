"""Behind the SDK's own seam and FastMCP's: the same tokens, the same principal; and a certified provider's tokens."""

import base64
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from tests.library.conftest import RESOURCE, Example, Issuer, bearer, in_process
from tests.library.test_scopes_of_tools import call, modern
from tests.parts.identity_provider import oidc_provider
from tests.parts.processes import free_port

SEAMS = ["mcp_sdk_seam", "fastmcp_seam"]


@pytest.mark.parametrize("name", SEAMS)
async def test_the_seam_knows_the_caller(name: str, example: Example, issuer: Issuer) -> None:
    async with in_process(example(name, RESOURCE, issuer.issuer)) as http:
        answer = await call(http, issuer.access_token(), modern("who_am_i"))
    assert "ada" in answer.text


@pytest.mark.parametrize("name", SEAMS)
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "http://127.0.0.1:3000/other"},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000, "iat": 1_699_999_000},
        {"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
    ],
)
async def test_the_seam_refuses_what_is_not_for_here(
    name: str, claims: dict[str, Any], example: Example, issuer: Issuer
) -> None:
    async with in_process(example(name, RESOURCE, issuer.issuer)) as http:
        assert (await call(http, issuer.access_token(**claims), modern("who_am_i"))).status_code == 401
        assert (await call(http, "no-token", modern("who_am_i"))).status_code == 401
        assert (await call(http, issuer.access_token("other"), modern("who_am_i"))).status_code == 403


@pytest.mark.parametrize("name", SEAMS)
async def test_a_tool_behind_the_seam_says_what_it_needs(name: str, example: Example, issuer: Issuer) -> None:
    async with in_process(example(name, RESOURCE, issuer.issuer)) as http:
        refused = await call(http, issuer.access_token(), modern("close_ticket", number=1))
        assert refused.status_code == 200
        assert refused.json()["result"]["isError"]
        assert "This needs the scope tickets.write." in refused.text
        allowed = await call(http, issuer.access_token("tickets.read tickets.write"), modern("close_ticket", number=1))
        assert "ada closed 1" in allowed.text


@pytest.mark.parametrize("name", SEAMS)
async def test_the_seam_names_the_issuer_to_the_letter(name: str, example: Example) -> None:
    """RFC 8414: a slash more, and it is another issuer."""
    async with in_process(example(name, RESOURCE, "https://login.example.com")) as http:
        document = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert document["resource"] == RESOURCE
    assert document["authorization_servers"] == ["https://login.example.com"]
    assert document["scopes_supported"] == ["tickets.read"]


@pytest.mark.parametrize("name", SEAMS)
async def test_an_issuer_that_does_not_answer_is_no_bad_token(name: str, example: Example, issuer: Issuer) -> None:
    app, token = example(name, RESOURCE, issuer.issuer), issuer.access_token()
    await issuer.stop()
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as http:
        assert (await call(http, token, modern("who_am_i"))).status_code >= 500


@pytest.mark.slow
async def test_tokens_of_a_certified_provider(example: Example, tmp_path: Path) -> None:
    """npm oidc-provider, asked with `resource` (RFC 8707), gives JWTs that come in, and only there."""
    redirect, verifier = "http://127.0.0.1:7777/callback", "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with oidc_provider(free_port(), redirect, tmp_path / "log", features=["resourceIndicators"]) as idp:
        query = {
            "response_type": "code",
            "client_id": idp.client_id,
            "redirect_uri": redirect,
            "scope": "openid tickets.read",
            "resource": RESOURCE,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        async with httpx2.AsyncClient(trust_env=False) as browser:
            back = await idp.sign_in(browser, f"{idp.issuer}/auth?{urlencode(query)}", "alice")
            form = {
                "grant_type": "authorization_code",
                "code": parse_qs(urlsplit(back).query)["code"][0],
                "redirect_uri": redirect,
                "code_verifier": verifier,
                "resource": RESOURCE,
            }
            answer = await browser.post(f"{idp.issuer}/token", data=form, auth=(idp.client_id, idp.client_secret))
        tokens = answer.json()
        async with in_process(example("mcp_sdk", RESOURCE, idp.issuer)) as http:
            assert "printer" in (await call(http, tokens["access_token"], modern("list_tickets"))).text
            refused = await call(http, tokens["access_token"], modern("close_ticket", number=1))
            assert 'scope="tickets.read tickets.write"' in refused.headers["www-authenticate"]
            assert (await http.post("/mcp", headers=bearer(tokens["id_token"]))).status_code == 401
        async with in_process(example("mcp_sdk", "http://127.0.0.1:3000/other", idp.issuer)) as http:
            assert (await http.post("/other", headers=bearer(tokens["access_token"]))).status_code == 401
