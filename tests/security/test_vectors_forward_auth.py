"""What clients try at an MCP server behind somebody's own proxy: nginx, Caddy, Envoy as the examples configure them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.parts.reverse_proxy import PROXIES
from tests.security.vectors import vector
from tests.support.api_keys import mint
from tests.support.behind_proxy import PATH, Site, site_behind
from tests.support.wire import Wire, head
from vestibule.testing.recording_upstream import Exchange

pytestmark = pytest.mark.slow

NAMES = "user subject issuer tenant client scopes roles request-id assertion refusal".split()
FORGED = "forged-by-a-client"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: f"X-Vestibule-{name.title()}",
    "upper case": lambda name: f"X-VESTIBULE-{name.upper()}",
    "underscores": lambda name: f"X_Vestibule_{name.replace('-', '_')}",
    "one underscore": lambda name: f"X-Vestibule_{name}",
    "another underscore": lambda name: f"x_vestibule-{name}",
}


@pytest.fixture(params=PROXIES)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with site_behind(request.param, tmp_path) as running:
        yield running


def token(site: Site, **changes: object) -> str:
    return mint(site.public, **{"scopes": ("mcp",), "resource": site.mcp, "roles": (), **changes})


async def sent(site: Site, *lines: str, path: str = PATH, token: str | None = None, method: str = "GET") -> int:
    """The status of a request written by hand: nothing between here and the proxy corrects it."""
    async with Wire(site.public.url) as wire:
        await wire.send(head(wire.host, *lines, "Connection: close", method=method, path=path, token=token))
        return (await wire.rest()).status


async def test_only_we_say_who_is_calling(site: Site) -> None:
    held = token(site)
    for spell in SPELLINGS.values():
        lines = [f"{spell(name)}: {FORGED}" for name in NAMES]
        before = len(site.backend.requests)
        status = await sent(site, *lines, *lines, token=held)
        assert status == 200 or len(site.backend.requests) == before
        for arrived in site.backend.requests[before:]:
            assert FORGED.encode() not in arrived.head
            assert arrived.header("x-vestibule-user") == "work:ada"
    assert site.backend.requests


async def test_who_has_no_role_is_given_none(site: Site) -> None:
    await sent(site, "X-Vestibule-Roles: admin", token=token(site))
    assert site.backend.requests[-1].header("x-vestibule-roles") == "-"


@vector("PROXY-004", "PROXY-005")
async def test_what_opens_the_outer_door_stops_there(vector: str, site: Site) -> None:
    held = token(site)
    lines = ("Cookie: __Host-vestibule_session=s", "DPoP: p", "X-Token-Provider: work")
    assert await sent(site, *lines, token=held) == 200
    arrived = site.backend.requests[-1]
    assert held.encode() not in arrived.head
    assert not {"authorization", "cookie", "dpop", "x-api-key", "x-token-provider"} & arrived.names()


async def test_a_client_cannot_take_our_headers_away(site: Site) -> None:
    """RFC 9110 §7.6.1: what Connection names ends at the next hop, if that believes it."""
    status = await sent(
        site, "Connection: close, X-Vestibule-User, X-Vestibule-Roles, Authorization", token=token(site)
    )
    for arrived in site.backend.requests:
        assert (status, arrived.header("x-vestibule-user")) == (200, "work:ada")
        assert "authorization" not in arrived.names()


async def test_without_a_token_no_spelling_of_the_path_leads_anywhere(site: Site) -> None:
    for path in (
        PATH,
        "/tickets/mcp/",
        "/tickets/mcp/../mcp",
        "/x/../tickets/mcp",
        "//tickets/mcp",
        "/tickets//mcp",
        "/tickets%2fmcp",
        "/%74ickets/mcp",
        "/TICKETS/MCP",
        "/tickets/mcp;x=1",
        "/tickets/mcp/../../mcp",
        "/mcp",
        "/tickets/mcp%00",
        "/tickets\\mcp",
    ):
        for method in ("GET", "POST", "OPTIONS", "HEAD", "PUT"):
            # What is refused by the proxy itself may be refused without a word.
            assert await sent(site, "Content-Length: 0", path=path, method=method) not in range(200, 300), (
                method,
                path,
            )
    assert site.backend.requests == []


async def test_nobody_asks_from_outside(site: Site) -> None:
    held = token(site)
    host = site.public.url[7:]
    told = (f"X-Forwarded-Host: {host}", "X-Forwarded-Proto: http", f"X-Forwarded-Uri: {PATH}")
    for path in (
        "/auth",
        "/auth/",
        f"/auth{PATH}",
        f"//auth{PATH}",
        f"/%61uth{PATH}",
        f"/AUTH{PATH}",
        f"/x/../auth{PATH}",
        f"/auth/..{PATH}/../../auth{PATH}",
        f"/auth;x{PATH}",
        "/_vestibule/tickets",
    ):
        assert await sent(site, *told, path=path, token=held) not in range(200, 300), path
    assert site.backend.requests == []


async def test_what_a_client_says_of_its_own_request_is_not_believed(site: Site) -> None:
    lies = (
        *("X-Forwarded-Uri: /other", "X-Original-URI: /other", "X-Forwarded-Host: evil.example"),
        *("X-Forwarded-Proto: gopher", "X-Forwarded-Method: DELETE", "X-Original-Method: DELETE"),
        *("X-Envoy-Original-Path: /other", "X-Envoy-Auth-Partial-Body: true", "X-Rewrite-URL: /other"),
    )
    assert await sent(site, *lies, token=token(site)) == 200
    assert await sent(site, *lies) == 401
    assert await sent(site, *lies, token=token(site, resource=f"{site.public.url}/mcp")) == 401


async def test_a_no_is_the_same_as_elsewhere(site: Site) -> None:
    nobody = await site.call(None)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"].count("Bearer") == 1
    assert f"{site.public.url}/.well-known/oauth-protected-resource{PATH}" in nobody.headers["www-authenticate"]
    assert nobody.json()["error"]["data"]["error_code"] == "MISSING_AUTHORIZATION"
    assert nobody.headers["cache-control"] == "no-store"
    narrow = await site.call(token(site, scopes=("other",)))
    assert (narrow.status_code, narrow.json()["error"]["data"]["error_code"]) == (403, "INSUFFICIENT_SCOPE")
    assert 'error="insufficient_scope"' in narrow.headers["www-authenticate"]
    assert site.backend.requests == []


async def test_two_tokens_are_none(site: Site) -> None:
    assert await sent(site, "Authorization: Bearer x", token=token(site)) >= 400
    assert site.backend.requests == []


async def test_heads_and_urls_that_are_too_long_reach_nothing(site: Site) -> None:
    held = token(site)
    assert await sent(site, f"X-Long: {'x' * 50_000}", token=held) not in range(200, 300)
    assert await sent(site, path=f"{PATH}?{'x' * 60_000}", token=held) not in range(200, 300)
    assert site.backend.requests == []


async def test_events_pass_as_they_come(site: Site) -> None:
    more = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_events()
        await exchange.event("first")
        await more.wait()
        await exchange.event("second")
        await exchange.end()

    site.backend.answer = answer
    async with Wire(site.public.url) as wire:
        await wire.send(head(wire.host, "Content-Length: 2", token=token(site), path=PATH) + b"{}")
        await wire.until(b"first")
        more.set()
        await wire.until(b"second")


async def test_what_a_backend_answers_is_its_own(site: Site) -> None:
    async def broken(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nmine")

    site.backend.answer = broken
    answer = await site.call(token(site))
    assert (answer.status_code, answer.text) == (500, "mine")


async def test_with_us_gone_nobody_comes_in(site: Site) -> None:
    held = token(site)
    site.inner.serving.stop()
    async with asyncio.timeout(5):
        while (status := (await site.call(held)).status_code) < 500:
            await asyncio.sleep(0.02)
    assert status in (502, 503)
    before = len(site.backend.requests)
    assert (await site.call(held, headers={"X-Vestibule-User": FORGED})).status_code in (502, 503)
    assert len(site.backend.requests) == before


@pytest.mark.parametrize("kind", PROXIES)
async def test_who_comes_too_often_is_told_when_to_come_back(kind: str, tmp_path: Path) -> None:
    async with site_behind(kind, tmp_path, limits={"mcp": "1/minute"}) as site:
        held = token(site)
        assert (await site.call(held)).status_code == 200
        answer = await site.call(held)
    assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("kind", PROXIES)
async def test_a_tool_is_decided_by_its_body_or_not_at_all(kind: str, tmp_path: Path) -> None:
    tools = {"scopes": {"default": ["mcp"], "tools": {"create_*": ["tickets.write"]}}}
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%b","arguments":{}}}'
    lies = {"X-Original-Method": "GET", "X-Forwarded-Method": "GET", "MCP-Protocol-Version": "2025-11-25"}
    async with site_behind(kind, tmp_path, upstream=tools) as site:
        for headers in ({}, lies):
            headers = {"Mcp-Method": "tools/call", "Mcp-Name": "create_ticket", **headers}
            answer = await site.call(token(site), headers=headers, content=call % b"create_ticket")
            code = answer.json()["error"]["data"]["error_code"]
            assert (answer.status_code, code) == (403, "INSUFFICIENT_SCOPE" if kind == "envoy" else "POLICY_DENIED")
        assert site.backend.requests == []
        headers = {"Mcp-Method": "tools/call", "Mcp-Name": "read_ticket"}
        answer = await site.call(token(site), headers=headers, content=call % b"read_ticket")
        assert answer.status_code == (200 if kind == "envoy" else 403)
