"""`protect` before a plain ASGI application: who comes in, and what the others are told."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.library.conftest import RESOURCE, Issuer, bearer, in_process
from vestibule import Principal, current_principal, protect
from vestibule.testing.signing_key import SigningKey

METADATA = "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp"


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    """A plain application: says who is calling, and what it sees of them."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = {"subject": current_principal().subject if "user" in scope else None, "state": sorted(scope["state"])}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def door(issuer: Issuer, **options: Any) -> Any:
    usual: dict[str, Any] = {"scopes": ["tickets.read"], "tools": []}  # other tests decorate functions
    return protect(whoami, resource=RESOURCE, issuers=[issuer.issuer], **{**usual, **options})


async def test_a_token_of_a_trusted_issuer_comes_in(issuer: Issuer) -> None:
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers=bearer(issuer.access_token()))
    assert answer.json() == {"subject": "ada", "state": ["principal"]}


async def test_without_credentials_the_challenge_names_scopes_and_no_error(issuer: Issuer) -> None:
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers={"Host": "evil.example"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer realm="MCP", resource_metadata="{METADATA}", scope="tickets.read"'
    )
    error = answer.json()["error"]
    assert (error["code"], error["data"]["error_code"]) == (-32002, "MISSING_AUTHORIZATION")
    assert answer.json()["id"] is None
    assert answer.headers["cache-control"] == "no-store"


async def test_too_few_scopes_are_told_all_that_is_needed(issuer: Issuer) -> None:
    async with in_process(door(issuer, scopes=["a", "b"])) as http:
        answer = await http.post("/mcp", headers=bearer(issuer.access_token("b")))
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="a b"' in challenge
    assert f'resource_metadata="{METADATA}"' in challenge


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "http://127.0.0.1:3000/other"}, "INVALID_AUDIENCE"),
        ({"aud": f"{RESOURCE}/"}, "INVALID_AUDIENCE"),
        ({"aud": None}, "INVALID_AUDIENCE"),
        ({"iss": "https://evil.example"}, "INVALID_ISSUER"),
        ({"exp": 1_700_000_000, "iat": 1_699_999_000}, "TOKEN_EXPIRED"),
    ],
)
async def test_a_token_that_is_not_for_here_is_refused(issuer: Issuer, claims: dict[str, Any], code: str) -> None:
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers=bearer(issuer.access_token(**claims)))
    assert answer.status_code == 401
    assert answer.json()["error"]["data"]["error_code"] == code
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_that_somebody_else_signed_is_refused(issuer: Issuer) -> None:
    right = issuer.signing
    issuer.signing = SigningKey(right.kid)
    forged = issuer.access_token()
    issuer.signing = right
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers=bearer(forged))
    assert answer.status_code == 401


@pytest.mark.parametrize("authorization", ["Basic YTpi", "Bearer", "Bearer a b", "Bearer é", "bearer \x00"])
async def test_what_is_no_bearer_token_is_refused(issuer: Issuer, authorization: str) -> None:
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers={b"Authorization": authorization.encode()})
    assert answer.status_code == 401


async def test_a_token_that_is_bound_to_a_key_is_refused_without_a_proof_checker(issuer: Issuer) -> None:
    token = issuer.access_token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    async with in_process(door(issuer)) as http:
        for scheme in ("Bearer", "DPoP"):
            answer = await http.post("/mcp", headers={"Authorization": f"{scheme} {token}"})
            assert answer.status_code == 401


async def test_the_dpop_scheme_needs_a_bound_token(issuer: Issuer) -> None:
    async with in_process(door(issuer)) as http:
        answer = await http.post("/mcp", headers={"Authorization": f"DPoP {issuer.access_token()}"})
    assert answer.status_code == 401


async def test_credentials_stand_once_in_a_header(issuer: Issuer) -> None:
    token = issuer.access_token()
    async with in_process(door(issuer)) as http:
        twice = await http.post("/mcp", headers=[("Authorization", f"Bearer {token}")] * 2)
        url = await http.post(f"/mcp?access_token={token}", headers=bearer(token))
    assert (twice.status_code, url.status_code) == (400, 400)


async def test_only_pages_of_known_origins_may_call(issuer: Issuer) -> None:
    headers = bearer(issuer.access_token())
    async with in_process(door(issuer, origins=["https://app.example.com"])) as http:
        for origin, status in [
            ("https://app.example.com", 200),
            ("http://127.0.0.1:3000", 200),
            ("https://evil.example", 403),
            ("null", 403),
        ]:
            assert (await http.post("/mcp", headers={**headers, "Origin": origin})).status_code == status


async def test_an_api_key_is_one_credential_and_asked_of_its_reader(issuer: Issuer) -> None:
    async def read(key: str) -> Principal | None:
        return machine if key == "key-of-a-machine" else None

    async with in_process(door(issuer)) as http:
        assert (await http.post("/mcp", headers={"X-API-Key": "key-of-a-machine"})).status_code == 401
        machine = await principal_of(issuer)
    async with in_process(door(issuer, api_key=read)) as http:
        assert (await http.post("/mcp", headers={"X-API-Key": "key-of-a-machine"})).status_code == 200
        assert (await http.post("/mcp", headers={"X-API-Key": "other"})).status_code == 401
        both = {"X-API-Key": "key-of-a-machine", **bearer(issuer.access_token())}
        assert (await http.post("/mcp", headers=both)).status_code == 400


@pytest.mark.parametrize(("options", "sees"), [({}, False), ({"show_token": True}, True)])
async def test_what_opened_the_door_stays_there(issuer: Issuer, options: dict[str, Any], sees: bool) -> None:
    seen: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            seen.append(b"authorization" in dict(scope["headers"]))
        await whoami(scope, receive, send)

    guarded = protect(app, resource=RESOURCE, issuers=[issuer.issuer], tools=[], **options)
    async with in_process(guarded) as http:
        assert (await http.post("/mcp", headers=bearer(issuer.access_token()))).status_code == 200
    assert seen == [sees]


async def principal_of(issuer: Issuer) -> Principal:
    """What the library makes of a token."""
    found: list[Principal] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found.append(scope["state"]["principal"])
        await whoami(scope, receive, send)

    guarded = protect(app, resource=RESOURCE, issuers=[issuer.issuer], tools=[])
    async with in_process(guarded) as http:
        await http.post("/mcp", headers=bearer(issuer.access_token()))
    return found[0]


async def test_public_paths_are_exactly_those(issuer: Issuer) -> None:
    async with in_process(door(issuer, public=["/healthz"])) as http:
        assert (await http.get("/healthz")).json() == {"subject": None, "state": []}
        assert (await http.get("/healthz", headers=bearer(issuer.access_token()))).json()["subject"] is None
        for path in ("/healthz/", "/healthz/x", "/Healthz", "//healthz", "/x?/healthz", "/x%2Fhealthz", "/healthz%00"):
            assert (await http.get(path)).status_code == 401, path


async def test_the_metadata_stand_at_both_paths_and_never_follow_the_host(issuer: Issuer) -> None:
    async with in_process(door(issuer, title="Tickets")) as http:
        for path in ("/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"):
            answer = await http.get(path, headers={"Host": "evil.example"})
            assert answer.json() == {
                "resource": RESOURCE,
                "authorization_servers": [issuer.issuer],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["tickets.read"],
                "resource_name": "Tickets",
            }
            assert answer.headers["access-control-allow-origin"] == "*"
            assert (await http.post(path)).status_code == 405
        assert (await http.get("/.well-known/oauth-protected-resource/other")).status_code == 401


async def test_an_issuer_that_does_not_answer_is_no_refusal_of_the_token(issuer: Issuer) -> None:
    token, app = issuer.access_token(), door(issuer)
    await issuer.stop()
    async with in_process(app) as http:
        answer = await http.post("/mcp", headers=bearer(token))
    assert answer.status_code == 503
    assert "www-authenticate" not in answer.headers
    assert answer.headers["retry-after"]


async def test_the_keys_of_an_issuer_are_fetched_once(issuer: Issuer) -> None:
    async with in_process(door(issuer)) as http:
        for _ in range(5):
            assert (await http.post("/mcp", headers=bearer(issuer.access_token()))).status_code == 200
    assert len(issuer.asked("/jwks")) == 1


async def test_the_lifespan_is_the_applications_and_closes_what_was_opened(issuer: Issuer) -> None:
    app = door(issuer)
    async with in_process(app) as http:
        assert (await http.post("/mcp", headers=bearer(issuer.access_token()))).status_code == 200
        assert issuer.open_connections == 1
    async with asyncio.timeout(2):  # idle connections would stay for four seconds
        while issuer.open_connections:
            await asyncio.sleep(0.01)
    async with in_process(app) as http:  # a second start finds everything anew
        assert (await http.post("/mcp", headers=bearer(issuer.access_token()))).status_code == 200


def test_one_application_in_several_event_loops() -> None:
    async def once() -> int:
        async with in_process(app) as http:
            return (await http.post("/mcp", headers=bearer(token))).status_code

    with asyncio.Runner() as home:
        issuer = Issuer()
        home.run(issuer.start())
        app, token = door(issuer), issuer.access_token()
        assert home.run(once()) == 200
        elsewhere = threading.Thread(target=lambda: statuses.append(asyncio.run(once())))
        statuses: list[int] = []

        async def wait() -> None:
            elsewhere.start()
            while elsewhere.is_alive():
                await asyncio.sleep(0.01)

        home.run(wait())
        home.run(issuer.stop())
    assert statuses == [200]


async def websocket(app: Any, *, headers: list[tuple[bytes, bytes]], extensions: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/mcp", "query_string": b"", "headers": headers, "extensions": extensions}
    await app(scope, receive, send)
    return sent


async def test_a_websocket_without_a_token_is_refused_before_it_opens(issuer: Issuer) -> None:
    app = door(issuer)
    closed = await websocket(app, headers=[], extensions={})
    assert [message["type"] for message in closed] == ["websocket.close"]
    (start, _) = await websocket(app, headers=[], extensions={"websocket.http.response": {}})
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
    assert b"www-authenticate" in dict(start["headers"])


async def test_what_asgi_has_not_got_yet_is_not_let_through(issuer: Issuer) -> None:
    with pytest.raises(ValueError):
        await door(issuer)({"type": "webtransport"}, None, None)


@pytest.mark.parametrize(
    "options",
    [
        {"resource": "http://mcp.example.com/mcp"},
        {"resource": "mcp.example.com"},
        {"resource": "https://mcp.example.com/mcp#x"},
        {"resource": "https://a@mcp.example.com/mcp"},
        {"issuers": []},
        {"issuers": "https://login.example.com"},
        {"scopes": "tickets.read"},
        {"scopes": ["a b"]},
        {"public": ["/health*"]},
        {"public": ["healthz"]},
        {"public": "/healthz"},
        {"tools": [len]},
        {"issuers": ["http://login.example.com"]},
        {"issuers": ["login.example.com"]},
        {"issuers": [""]},
        {"origins": ["*"]},
        {"origins": ["https://app.example.com/"]},
        {"origins": "https://app.example.com"},
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(options: dict[str, Any]) -> None:
    right: dict[str, Any] = {"resource": "https://mcp.example.com/mcp", "issuers": ["https://login.example.com"]}
    with pytest.raises(ValueError):
        protect(whoami, **{**right, **options})
