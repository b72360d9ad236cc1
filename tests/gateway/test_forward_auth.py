"""/auth, asked as a proxy asks: who may, about what, and what comes back."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.parts.processes import free_port
from tests.support.api_keys import make_key, mint
from tests.support.behind_proxy import PATH, STRANGER, Site, site_without_proxy
from tests.support.house import Door
from tests.support.proofs import proof, token_hash
from tests.support.wire import Wire, head
from vestibule.model import AuditEvent
from vestibule.protocol.jwt import KeySet
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

HEADERS = "user subject issuer tenant client scopes roles request-id assertion".split()
TOOLS = {"scopes": {"default": ["mcp"], "tools": {"create_*": ["tickets.write"]}}}
RULES = """\
version: 1
default: deny
rules:
  - {name: small, effect: allow, tools: ["*"], when: "arguments.size < 5", arguments: [size]}
"""


@pytest.fixture
async def site(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Site]:
    async with site_without_proxy(tmp_path, upstream) as running:
        yield running


def token(site: Site, **changes: Any) -> str:
    return mint(site.public, **{"scopes": ("mcp",), "resource": site.mcp, "roles": (), **changes})


def code_of(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["data"]["error_code"])


def told_by(site: Site, uri: str = PATH, **others: str) -> dict[str, str]:
    """What Traefik and Caddy say of the request they have."""
    return {
        "X-Forwarded-Method": "POST",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": site.public.url.partition("://")[2],
        "X-Forwarded-Uri": uri,
        "X-Forwarded-For": "192.0.2.7",
        **others,
    }


async def calls(door: Door, many: int) -> list[AuditEvent]:
    async with asyncio.timeout(5):
        while len(told := [one for one in await door.house.store.audit.tail() if one.action == "mcp.call"]) < many:
            await asyncio.sleep(0.02)
    return told


# --- what comes back --------------------------------------------------------------------------------------------------


async def test_whoever_may_call_is_told_of_in_headers(site: Site) -> None:
    answer = await site.ask(token(site, roles=("triage", "á b")))
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"", "no-store")
    told = {name: answer.headers[f"x-vestibule-{name}"] for name in HEADERS}
    assert told["request-id"] == answer.headers["x-request-id"]
    assert told.pop("assertion").count(".") == 2
    assert told == {
        "user": "work:ada",
        "subject": "ada",
        "issuer": "https://id.example",
        "tenant": "default",
        "client": "desk",
        "scopes": "mcp",
        "roles": "triage %C3%A1%20b",
        "request-id": told["request-id"],
    }


async def test_nothing_to_say_is_said(site: Site) -> None:
    """An empty header is one that some proxies leave as the client sent it."""
    assert (await site.ask(token(site))).headers["x-vestibule-roles"] == "-"


async def test_nobody_is_told_of_as_nobody(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with site_without_proxy(tmp_path, upstream, upstream={"access": "anonymous"}) as site:
        answer = await site.ask(None)
    assert answer.status_code == 200
    assert {answer.headers[f"x-vestibule-{name}"] for name in HEADERS if name != "request-id"} == {"-"}


async def test_a_backend_can_verify_the_assertion_with_our_published_keys(site: Site) -> None:
    answer = await site.ask(token(site, roles=("triage",)))
    keys = KeySet.read((await site.inner.http.get(f"{site.inner.url}/jwks.json")).json())
    header, claims, _ = keys.verify(answer.headers["x-vestibule-assertion"], algorithms=("ES256",))
    now = int(site.inner.clock().timestamp())
    assert header["typ"] == "vestibule-identity+jwt"
    assert claims.pop("jti")
    assert claims == {
        "iss": site.public.url,
        "sub": "work:ada",
        "aud": site.mcp,
        "iat": now,
        "exp": now + 60,
        "client_id": "desk",
        "tenant": "default",
        "scope": "mcp",
        "roles": ["triage"],
        "identity": {"iss": "https://id.example", "sub": "ada"},
    }


async def test_an_assertion_is_used_again_for_half_a_minute(site: Site) -> None:
    held = token(site)
    first = await site.ask(held)
    site.inner.clock.advance(29)
    assert (await site.ask(held)).headers["x-vestibule-assertion"] == first.headers["x-vestibule-assertion"]
    site.inner.clock.advance(2)
    later = await site.ask(held)
    assert later.headers["x-vestibule-assertion"] != first.headers["x-vestibule-assertion"]
    assert later.headers["x-vestibule-request-id"] != first.headers["x-vestibule-request-id"]


async def test_an_assertion_ends_with_its_token(site: Site) -> None:
    ends = int(site.inner.clock().timestamp()) + 20
    said = (await site.ask(token(site, expires_at=ends))).headers["x-vestibule-assertion"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(said + "=="))["exp"] == ends


async def test_nobody_is_told_of_with_anothers_assertion(site: Site) -> None:
    ada = (await site.ask(token(site))).headers["x-vestibule-assertion"]
    bob = await site.ask(token(site, user="work:bob", subject="bob", token_id="b"))
    assert bob.headers["x-vestibule-user"] == "work:bob"
    assert bob.headers["x-vestibule-assertion"] != ada


async def test_an_assertion_opens_no_door_of_ours(site: Site) -> None:
    assertion = (await site.ask(token(site))).headers["x-vestibule-assertion"]
    assert code_of(await site.ask(assertion)) == "INVALID_TOKEN"
    client = await site.inner.register()
    answer = await site.inner.post("/introspect", {"token": assertion, "client_id": client["client_id"]})
    assert answer.json().get("active") is not True


async def test_a_refusal_is_the_one_that_a_relayed_call_gets(site: Site) -> None:
    nobody = await site.ask(None)
    assert (nobody.status_code, code_of(nobody)) == (401, "MISSING_AUTHORIZATION")
    metadata = f"{site.public.url}/.well-known/oauth-protected-resource{PATH}"
    assert f'resource_metadata="{metadata}"' in nobody.headers["www-authenticate"]
    assert json.loads(nobody.headers["x-vestibule-refusal"]) == nobody.json()
    narrow = await site.ask(token(site, scopes=("other",)))
    assert (narrow.status_code, code_of(narrow)) == (403, "INSUFFICIENT_SCOPE")
    assert 'error="insufficient_scope"' in narrow.headers["www-authenticate"]
    elsewhere = await site.ask(token(site, resource=f"{site.public.url}/mcp"))
    assert code_of(elsewhere) == "INVALID_AUDIENCE"
    assert not any(name.startswith("x-vestibule-user") for name in narrow.headers)


async def test_a_refusal_in_a_header_is_one_line_of_ascii(site: Site) -> None:
    answer = await site.ask(None)
    assert answer.headers["x-vestibule-refusal"].isascii()
    assert "\\n\\nAction" in answer.headers["x-vestibule-refusal"]


async def test_limits_count_here_as_well(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with site_without_proxy(tmp_path, upstream, limits={"mcp": "1/minute"}) as site:
        held = token(site)
        assert (await site.ask(held)).headers["ratelimit"].startswith('"')
        answer = await site.ask(held)
    assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 0


async def test_who_was_signed_in_and_is_revoked_is_out(tmp_path: Path, upstream: RecordingUpstream) -> None:
    port = free_port()
    async with site_without_proxy(tmp_path, upstream, proxy_port=port, port=port) as site:
        person = await site.public.sign_in(resource=site.mcp)
        assert (await site.ask(person.access_token)).status_code == 200
        client_id = person.flow.client["client_id"]
        await site.inner.post("/revoke", {"token": person.refresh_token, "client_id": client_id})
        assert code_of(await site.ask(person.access_token)) == "TOKEN_REVOKED"


async def test_an_api_key_is_told_of_as_its_owner(site: Site) -> None:
    key, secret = await make_key(site.inner, scopes=("mcp",))
    answer = await site.ask(None, headers={"X-API-Key": secret})
    assert answer.status_code == 200
    assert key.key_id in answer.headers["x-vestibule-user"] + answer.headers["x-vestibule-subject"]


async def test_a_connection_serves_one_question_after_another(site: Site) -> None:
    asked = head(site.public.url[7:], path=f"/auth{PATH}", method="GET", token=token(site))
    async with Wire(site.inner.url) as wire:
        for _ in range(3):
            await wire.send(asked)
            assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")


# --- who may ask ------------------------------------------------------------------------------------------------------


async def test_a_stranger_is_told_nothing(site: Site) -> None:
    async with httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(local_address=STRANGER), trust_env=False
    ) as stranger:
        for path in (f"/auth{PATH}", "/auth"):
            headers = {"Authorization": f"Bearer {token(site)}", "Host": site.public.url[7:], **told_by(site)}
            answer = await stranger.get(f"{site.inner.url}{path}", headers={**headers, "X-Real-IP": "127.0.0.1"})
            assert (answer.status_code, code_of(answer)) == (403, "PROXY_DENIED")


async def test_where_no_proxy_serves_anything_there_is_no_auth(door: Door) -> None:
    for path in ("/auth", "/auth/mcp", "/auth/main/mcp"):
        assert (await door.http.get(f"{door.url}{path}")).status_code == 404


async def test_what_a_proxy_serves_is_not_relayed_by_us(site: Site) -> None:
    answer = await site.inner.call(token(site), url=f"{site.inner.url}{PATH}", headers={"Host": site.public.url[7:]})
    assert answer.status_code == 404


async def test_what_we_relay_has_no_auth(tmp_path: Path, upstream: RecordingUpstream) -> None:
    relayed = {"name": "notes", "url": upstream.url}
    proxied = {"name": "tickets", "served_by": "proxy"}
    async with site_without_proxy(tmp_path, upstream, upstreams=[relayed, proxied]) as site:
        notes = token(site, resource=f"{site.public.url}/notes/mcp")
        assert (await site.ask(notes, "/auth/notes/mcp")).status_code == 404
        answer = await site.ask(notes, "/auth", method="GET", headers=told_by(site, "/notes/mcp"))
        assert code_of(answer) == "PROXY_DENIED"
        assert (await site.ask(token(site))).status_code == 200
        assert (await site.inner.call(notes, url=f"{site.inner.url}/notes/mcp")).status_code == 200


# --- about what -------------------------------------------------------------------------------------------------------


async def test_at_plain_auth_the_proxy_tells_the_url(site: Site) -> None:
    answer = await site.ask(token(site), "/auth", method="GET", headers=told_by(site, f"{PATH}?a=1"))
    assert (answer.status_code, answer.headers["x-vestibule-user"]) == (200, "work:ada")


@pytest.mark.parametrize(
    "uri",
    [
        "/tickets/mcp/",
        "/tickets/mcp/../mcp",
        "/tickets/./mcp",
        "//tickets/mcp",
        "/tickets//mcp",
        "/tickets%2fmcp",
        "/%74ickets/mcp",
        "/TICKETS/mcp",
        "/tickets/mcp;x=1",
        "/tickets/mcp#x",
        "/tickets/mcp%00",
        "/tickets\\mcp",
        "tickets/mcp",
        "",
        "/",
        "/other/mcp",
        "http://127.0.0.1:8000/tickets/mcp",
        "/tickets/mcp, /tickets/mcp",
    ],
)
async def test_a_url_that_is_nearly_a_resources_is_none(site: Site, uri: str) -> None:
    answer = await site.ask(token(site), "/auth", method="GET", headers=told_by(site, uri))
    assert (answer.status_code, code_of(answer)) == (403, "PROXY_DENIED")


@pytest.mark.parametrize(
    ("others", "code"),
    [
        ({"X-Forwarded-Proto": "https"}, "PROXY_DENIED"),
        ({"X-Forwarded-Host": "evil.example"}, "HOST_DENIED"),
        ({"X-Forwarded-Host": "127.0.0.1:8000, evil.example"}, "HOST_DENIED"),
        ({"X-Forwarded-Method": "PUT"}, "METHOD_NOT_ALLOWED"),
        ({"X-Forwarded-Method": "OPTIONS"}, "METHOD_NOT_ALLOWED"),
        ({"X-Original-Method": "GET"}, "BAD_REQUEST"),
    ],
)
async def test_what_is_told_must_be_of_the_resource(site: Site, others: dict[str, str], code: str) -> None:
    answer = await site.ask(token(site), "/auth", method="GET", headers=told_by(site, **others))
    assert code_of(answer) == code


@pytest.mark.parametrize("name", ["X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Proto"])
async def test_plain_auth_is_told_all_of_the_url_or_none_is_believed(site: Site, name: str) -> None:
    headers = told_by(site)
    del headers[name]
    answer = await site.ask(token(site), "/auth", method="GET", headers={**headers, "X-Original-URI": PATH})
    assert code_of(answer) == "PROXY_DENIED"


async def test_a_header_of_the_proxys_that_stands_twice_is_refused(site: Site) -> None:
    lines = [f"{name}: {value}" for name, value in told_by(site).items()]
    async with Wire(site.inner.url) as wire:
        host = site.public.url[7:]
        await wire.send(head(host, *lines, "X-Forwarded-Uri: /other", path="/auth", method="GET", token=token(site)))
        assert b"400 Bad Request" in await wire.until(b"\r\n")


async def test_the_path_after_auth_is_all_that_counts_there(site: Site) -> None:
    """Whatever else is said about a URL may be the client's own words: nginx passes them on."""
    answer = await site.ask(token(site), headers={"X-Forwarded-Uri": "/other", "X-Original-URI": "/other"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/auth/other/mcp", "/auth//tickets/mcp", "/auth/tickets/mcp/", "/auth/tickets%2fmcp"])
async def test_there_is_no_other_path_after_auth(site: Site, path: str) -> None:
    assert (await site.ask(token(site), path)).status_code == 404


# --- which request ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "told", "status"),
    [
        ("GET", {"X-Original-Method": "POST"}, 200),
        ("POST", {"X-Forwarded-Method": "POST"}, 200),
        ("GET", {"X-Forwarded-Method": "POST", "X-Original-Method": "POST"}, 200),
        ("POST", {"X-Forwarded-Method": "GET"}, 400),
        ("DELETE", {"X-Original-Method": "POST"}, 400),
        ("GET", {"X-Original-Method": "post"}, 405),
        ("OPTIONS", {}, 405),
    ],
)
async def test_one_method_is_told_of_a_request(site: Site, method: str, told: dict[str, str], status: int) -> None:
    assert (await site.ask(token(site), method=method, headers=told)).status_code == status


async def test_a_pages_preflight_is_nobodys_leave(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A 2xx here is what lets a request pass: at /auth no preflight has one, whoever asks from wherever."""
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with site_without_proxy(tmp_path, upstream, origins=["https://app.example"]) as site:
        headers = {**told_by(site, **{"X-Forwarded-Method": "OPTIONS"}), **asked}
        for path in ("/auth", f"/auth{PATH}"):
            for method in ("GET", "OPTIONS"):
                assert (await site.ask(None, path, method=method, headers=headers)).status_code == 405


async def test_a_token_bound_to_a_key_is_proven_for_the_request_that_is_asked_about(site: Site) -> None:
    key = SigningKey("", "ES256")
    proofs = site.inner.house.plane.server.proofs
    bound = proofs.check([proof(site.inner, key, site.mcp)], method="POST", url=site.mcp).thumbprint
    held = token(site, key_thumbprint=bound)

    async def show(url: str = site.mcp, asked: str = "POST", **claims: Any) -> httpx2.Response:
        shown = proof(site.inner, key, url, ath=token_hash(held), **claims)
        headers = {"Authorization": f"DPoP {held}", "DPoP": shown, "X-Original-Method": asked}
        return await site.ask(None, method="GET", headers=headers)

    answer = await show()
    assert answer.status_code == 200
    assert answer.headers["dpop-nonce"]
    assert code_of(await show(method="GET")) == "INVALID_DPOP_PROOF"  # a proof for the stream, with a call
    assert code_of(await show(asked="DELETE")) == "INVALID_DPOP_PROOF"
    assert code_of(await show(url=f"{site.inner.url}/auth{PATH}")) == "INVALID_DPOP_PROOF"
    assert (await show(method="GET", asked="GET")).status_code == 200
    assert code_of(await site.ask(held)) == "INVALID_DPOP_PROOF"  # as a bearer token


async def test_the_length_of_a_body_that_is_not_there_is_refused_at_once(site: Site) -> None:
    """As nginx sends it where the configuration forgot to take it out. Nothing behind it is read as a request."""
    asked = head(site.public.url[7:], "Content-Length: 46", path=f"/auth{PATH}", method="GET", token=token(site))
    async with Wire(site.inner.url) as wire:
        await wire.send(asked)
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_a_session_id_is_the_backends_own(site: Site) -> None:
    assert (await site.ask(token(site), headers={"Mcp-Session-Id": "abc"})).status_code == 200


async def test_a_token_in_the_url_that_is_asked_about_is_refused(site: Site) -> None:
    answer = await site.ask(token(site), "/auth", method="GET", headers=told_by(site, f"{PATH}?access_token=x"))
    assert code_of(answer) == "BAD_REQUEST"


async def test_a_page_of_another_origin_is_refused(site: Site) -> None:
    assert code_of(await site.ask(token(site), headers={"Origin": "https://evil.example"})) == "ORIGIN_DENIED"


# --- where a decision hangs on what is asked for ----------------------------------------------------------------------

CREATE = {"Mcp-Method": "tools/call", "Mcp-Name": "create_ticket"}
READ = {"Mcp-Method": "tools/call", "Mcp-Name": "read_ticket"}


def body(name: str, **arguments: Any) -> bytes:
    params = {"name": name, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


async def test_without_the_body_nothing_that_hangs_on_it_is_allowed(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with site_without_proxy(tmp_path, upstream, upstream=TOOLS) as site:
        both = token(site, scopes=("mcp", "tickets.write"))
        for asked in (CREATE, READ, {"Mcp-Method": "tools/list"}):
            assert code_of(await site.ask(both, headers=asked)) == "POLICY_DENIED"
        for method in ("GET", "DELETE"):
            assert code_of(await site.ask(both, method=method)) == "POLICY_DENIED"
            assert code_of(await site.ask(both, method="GET", headers={"X-Original-Method": method})) == "POLICY_DENIED"


async def test_a_head_that_is_trusted_decides(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with site_without_proxy(tmp_path, upstream, upstream={**TOOLS, "trust_routing_headers": True}) as site:
        narrow, both = token(site), token(site, scopes=("mcp", "tickets.write"), token_id="w")
        assert code_of(await site.ask(narrow, headers=CREATE)) == "INSUFFICIENT_SCOPE"
        assert (await site.ask(narrow, headers=READ)).status_code == 200
        assert (await site.ask(narrow)).status_code == 200
        assert (await site.ask(both, headers=CREATE)).status_code == 200
        hidden = {"Mcp-Method": "tools/call", "Mcp-Name": "=?base64?Y3JlYXRlX3RpY2tldA==?="}
        assert code_of(await site.ask(narrow, headers=hidden)) == "INSUFFICIENT_SCOPE"


@pytest.mark.parametrize(
    "headers",
    [
        {"MCP-Protocol-Version": "2025-11-25", **READ},
        {"MCP-Protocol-Version": "2099-01-01", **READ},
        {"Mcp-Method": "tools/call"},
        {"Mcp-Method": "completion/complete"},
        {"Mcp-Method": "resources/subscribe", "Mcp-Name": "a:b"},
        {"Mcp-Method": "resources/read", "Mcp-Name": "notes://a/../b"},
        {"Mcp-Method": ""},
        {"Mcp-Method": "Tools/Call", "Mcp-Name": "create_ticket"},
        {**READ, "Mcp_Name": "create_ticket"},
        {**READ, "X-Original-Method": "GET", "MCP-Protocol-Version": "2025-11-25"},
    ],
    ids=lambda headers: " ".join(f"{name}={value}" for name, value in headers.items()),
)
async def test_a_head_that_leaves_something_open_is_refused(
    tmp_path: Path, upstream: RecordingUpstream, headers: dict[str, str]
) -> None:
    async with site_without_proxy(tmp_path, upstream, upstream={**TOOLS, "trust_routing_headers": True}) as site:
        answer = await site.ask(token(site), method="GET", headers=headers)
    assert answer.status_code == 403


async def test_arguments_are_never_in_a_head(tmp_path: Path, upstream: RecordingUpstream) -> None:
    (tmp_path / "policy.yaml").write_text(RULES)
    upstreams, policy = {"trust_routing_headers": True}, {"file": str(tmp_path / "policy.yaml")}
    async with site_without_proxy(tmp_path, upstream, upstream=upstreams, policy=policy) as site:
        held, as_json = token(site), {"Content-Type": "application/json", **READ}
        assert code_of(await site.ask(held, headers=READ)) == "POLICY_DENIED"
        assert (await site.ask(held, headers=as_json, content=body("read_ticket", size=1))).status_code == 200
        assert code_of(await site.ask(held, headers=as_json, content=body("read_ticket", size=9))) == "POLICY_DENIED"


async def test_a_body_that_is_sent_along_decides(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with site_without_proxy(tmp_path, upstream, upstream=TOOLS) as site:
        narrow, as_json = token(site), {"Content-Type": "application/json"}
        create, read = body("create_ticket"), body("read_ticket")
        assert code_of(await site.ask(narrow, headers={**as_json, **CREATE}, content=create)) == "INSUFFICIENT_SCOPE"
        assert code_of(await site.ask(narrow, headers={**as_json, **READ}, content=create)) == "HEADER_MISMATCH"
        assert (await site.ask(narrow, headers={**as_json, **READ}, content=read)).status_code == 200
        partial = {**as_json, **READ, "X-Envoy-Auth-Partial-Body": "true"}
        assert code_of(await site.ask(narrow, headers=partial, content=read)) == "POLICY_DENIED"
        long = {**as_json, **READ}
        assert (await site.ask(narrow, headers=long, content=read + b" " * 200_000)).status_code == 200
        assert code_of(await site.ask(narrow, headers=long, content=read + b" " * 1_100_000)) == "BODY_TOO_LARGE"


# --- the trail --------------------------------------------------------------------------------------------------------


async def test_the_trail_tells_of_what_was_asked_and_refused(site: Site) -> None:
    held = token(site)
    await site.ask(held, headers={**CREATE, "X-Forwarded-For": "192.0.2.7"})
    await site.ask(held, method="GET", headers={"X-Original-Method": "GET"})  # a method may be anybody's word
    await site.ask(token(site, scopes=("other",), token_id="o"))
    told = await calls(site.inner, 3)
    assert told[2].address == "192.0.2.7"
    assert [(one.outcome, one.tool, one.actor, one.target) for one in reversed(told)] == [
        ("allowed", "create_ticket", "work:ada", site.mcp),
        ("allowed", "(not seen)", "work:ada", site.mcp),
        ("denied", "", "work:ada", site.mcp),
    ]


async def test_what_was_let_in_is_counted(site: Site) -> None:
    await site.ask(token(site))
    await site.ask(None)
    assert site.inner.house.gateway.snapshot()["vouched"] == 1


# --- Traefik ----------------------------------------------------------------------------------------------------------


async def test_the_question_as_traefik_asks_it(site: Site) -> None:
    """pkg/middlewares/auth/forward.go: a GET without a body, the head copied, what it knows of the request added."""
    asked = {**told_by(site), "Host": "127.0.0.1:8080", "Mcp-Session-Id": "s", "X-Forwarded-Port": "8000"}
    assert (await site.ask(token(site), method="GET", headers=asked)).status_code == 200
    assert (await site.ask(None, method="GET", headers=asked)).status_code == 401


async def test_the_keys_are_published_where_others_give_the_tokens(tmp_path: Path, upstream: RecordingUpstream) -> None:
    others = {"mode": "cloud", "issuers": ["http://127.0.0.1:9/issuer"], "identifiers": ["api://tickets"]}
    async with site_without_proxy(tmp_path, upstream, resource_server=others) as site:
        assert (await site.inner.http.get(f"{site.inner.url}/jwks.json")).json()["keys"]
        assert (await site.inner.http.get(f"{site.inner.url}/authorize")).status_code == 404


async def test_a_public_url_with_a_path_stands_after_auth(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """As Envoy's path_prefix puts it before the path that clients see."""
    async with site_without_proxy(tmp_path, upstream, public_url="http://127.0.0.1:8000/gw") as site:
        held = mint(site.public, scopes=("mcp",), resource="http://127.0.0.1:8000/gw/tickets/mcp")
        host = {"Host": "127.0.0.1:8000"}
        assert (await site.ask(held, f"/auth/gw{PATH}", headers=host)).status_code == 200
        assert (await site.ask(held, f"/auth{PATH}", headers=host)).status_code == 404
        uri = told_by(site, f"/gw{PATH}", **{"X-Forwarded-Host": "127.0.0.1:8000"})
        assert (await site.ask(held, "/auth", method="GET", headers={**uri, **host})).status_code == 200
