"""Your connections, signing out, step-up, lifetimes, pushed requests: how people and clients live with the server."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, SignedIn, hidden_fields, open_door, response_parameters
from vestibule.authorization_server import endings
from vestibule.authorization_server.replies import Context
from vestibule.model import DEFAULT_TENANT, BlockKind
from vestibule.testing.recording_upstream import RecordingUpstream

WEB = "https://app.example/callback"
HERE = Context("test", "127.0.0.1")


@pytest.fixture
async def scoped(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    scopes = {"default": ["read"], "optional": ["write"], "texts": {"read": "Read it", "write": "Change it"}}
    keys: dict[str, Any] = {"upstreams": [{"name": "main", "url": upstream.url, "scopes": scopes}]}
    async with open_door(tmp_path, upstream.url, **keys) as running:
        yield running


def ending(page: str) -> list[str]:
    """Where the page's buttons lead that end a connection."""
    import re

    return re.findall(r'action="(/me/consents/[^"]+)"', page)


# --- Your connections -----------------------------------------------------------------------------------------------


@vector("CONS-017")
async def test_a_person_sees_what_has_access_and_ends_it(vector: str, door: Door) -> None:
    person = await door.sign_in(client=await door.register(client_name="Notebook"))
    other = Flow(door, await door.register(client_name="Sketchbook"))
    visitor = person.visitor
    other.code = (await visitor.approve(other))["code"]
    kept = SignedIn(door, other, visitor, (await other.redeem()).json())
    page = await visitor.get("/me")
    assert page.status_code == 200
    assert "Notebook" in page.text
    assert "Sketchbook" in page.text
    assert "Last used" in page.text
    assert len(ending(page.text)) == 2
    section = page.text[page.text.index("Notebook") :]
    connection = ending(section)[0]
    answer = await visitor.post(connection, hidden_fields(section))
    assert answer.headers["location"] == f"{door.url}/me"
    assert (await door.call(person.access_token)).status_code == 401
    assert (await person.refresh()).json()["error"] == "invalid_grant"
    assert (await door.call(kept.access_token)).status_code == 200
    assert "Notebook" not in (await visitor.get("/me")).text
    asked = await visitor.ask(person.flow)
    assert "You have allowed this before" not in asked.text


@vector("CONS-017")
async def test_a_connection_ends_by_delete_from_our_own_origin_only(vector: str, door: Door) -> None:
    person = await door.sign_in()
    connection = ending((await person.visitor.get("/me")).text)[0]
    url = f"{door.url}{connection}"
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"}):
        assert (await person.visitor.http.delete(url, headers=headers)).status_code == 403
    assert (await door.browser().http.delete(url, headers={"Origin": door.url})).status_code == 401
    assert (await door.call(person.access_token)).status_code == 200
    assert (await person.visitor.http.delete(url, headers={"Origin": door.url})).status_code == 204
    assert (await door.call(person.access_token)).status_code == 401
    assert (await person.visitor.http.delete(url, headers={"Origin": door.url})).status_code == 404


async def test_nobody_ends_anothers_connection(door: Door) -> None:
    ada = await door.sign_in()
    connection = ending((await ada.visitor.get("/me")).text)[0]
    grace = door.browser()
    await grace.approve(Flow(door, await door.register()), login="grace")
    page = await grace.get("/me")
    assert (await grace.post(connection, hidden_fields(page.text))).status_code == 404
    assert (await door.call(ada.access_token)).status_code == 200
    without = await grace.post(ending(page.text)[0], {"csrf": "x"})
    assert without.status_code == 403


async def test_a_person_signs_in_for_the_page_and_out_again(door: Door) -> None:
    visitor = door.browser()
    assert (await visitor.get("/me")).status_code == 401
    begun = await visitor.post("/me/sign-in", {}, headers={"Origin": door.url})
    chooser = await visitor.get(begun.headers["location"])
    assert "How do you sign in?" in chooser.text
    done = await visitor.sign_in_at(await visitor.decide(chooser))
    assert done.headers["location"] == f"{door.url}/me"
    page = await visitor.get("/me")
    assert "Nothing has access in your name" in page.text
    out = await visitor.post("/sign-out", hidden_fields(page.text))
    assert out.status_code == 303
    assert (await visitor.get("/me")).status_code == 401
    assert (await door.browser().post("/me/sign-in", {})).status_code == 403


async def test_signing_out_ends_no_connection(door: Door) -> None:
    person = await door.sign_in()
    page = await person.visitor.get("/me")
    session = person.visitor.cookie("session")
    await person.visitor.post("/sign-out", hidden_fields(page.text))
    assert person.visitor.cookie("session") is None
    assert (await door.call(person.access_token)).status_code == 200
    thief = door.browser()
    thief.http.cookies.set("vestibule_session", session or "", domain="127.0.0.1")
    assert (await thief.get("/me")).status_code == 401  # the session is gone, not only the cookie


# --- step-up --------------------------------------------------------------------------------------------------------


async def test_step_up_shows_what_is_new_as_new(scoped: Door) -> None:
    person = await scoped.sign_in(client=await scoped.register(redirect_uris=[WEB]), redirect_uri=WEB, scope="read")
    assert person.tokens["scope"] == "read"
    more = Flow(scoped, person.flow.client, redirect_uri=WEB, scope="read write")
    page = await person.visitor.ask(more)
    new, _, before = page.text.partition("Allowed before")
    assert "Change it" in new
    assert "Read it" not in new
    assert "Read it" in before
    more.code = response_parameters(await person.visitor.decide(page), WEB)["code"]
    assert (await more.redeem()).json()["scope"] == "read write"
    again = await person.visitor.get(more.authorize_url())
    assert "code" in response_parameters(again, WEB)
    assert (await person.refresh()).json()["scope"] == "read"  # the older grant has not grown


async def test_what_is_asked_for_is_the_default_when_nothing_is(scoped: Door) -> None:
    person = await scoped.sign_in()
    assert person.tokens["scope"] == "read"


# --- nobody is signed out daily -------------------------------------------------------------------------------------


async def test_use_keeps_a_grant_alive_until_its_configured_end(tmp_path: Path, upstream: RecordingUpstream) -> None:
    tokens = {"refresh_token_lifetime": "30d", "grant_lifetime": "90d"}
    async with open_door(tmp_path, upstream.url, tokens=tokens) as door:
        person = await door.sign_in()
        token = person.refresh_token
        for _ in range(4):
            door.clock.advance(timedelta(days=20).total_seconds())
            answer = await person.refresh(token)
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]
        door.clock.advance(timedelta(days=9).total_seconds())
        answer = await person.refresh(token)
        assert answer.status_code == 200
        door.clock.advance(timedelta(days=2).total_seconds())
        assert (await person.refresh(answer.json()["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_idle_grant_ends(door: Door) -> None:
    person = await door.sign_in()
    door.clock.advance(timedelta(days=30, seconds=1).total_seconds())
    assert (await person.refresh()).json()["error"] == "invalid_grant"


async def test_some_clients_get_longer_lives(tmp_path: Path, upstream: RecordingUpstream) -> None:
    rule = {"redirect_hosts": ["app.example"], "access_token_lifetime": "8h", "refresh_token_lifetime": "90d"}
    async with open_door(tmp_path, upstream.url, tokens={"clients": [rule]}) as door:
        both = await door.register(redirect_uris=[WEB, REDIRECT])
        meant = await door.sign_in(client=await door.register(redirect_uris=[WEB]), redirect_uri=WEB)
        usual = await door.sign_in(client=both, redirect_uri=WEB)
        assert (meant.tokens["expires_in"], usual.tokens["expires_in"]) == (8 * 3600, 600)
        door.clock.advance(7 * 3600)
        assert (await door.call(meant.access_token)).status_code == 200
        await door.post("/revoke", {"token": meant.refresh_token, "client_id": meant.flow.client["client_id"]})
        assert (await door.call(meant.access_token)).status_code == 401  # longer is safe: revoking works at once


async def test_a_refresh_without_scope_keeps_what_was_granted(scoped: Door) -> None:
    person = await scoped.sign_in(scope="read write")
    narrow = (await person.refresh(scope="read")).json()
    assert narrow["scope"] == "read"
    again = await person.refresh(narrow["refresh_token"])
    assert again.json()["scope"] == "read write"


@vector("TOK-037")
async def test_a_blocked_person_gets_nothing_more(vector: str, door: Door) -> None:
    person = await door.sign_in()
    flow = Flow(door, await door.register())
    visitor = door.browser()
    flow.code = (await visitor.approve(flow))["code"]
    server = door.house.plane.server
    await endings.block_user(DEFAULT_TENANT, "development:ada", server, HERE, reason="left")
    assert await server.store.blocks.find(BlockKind.USER, DEFAULT_TENANT, "development:ada") is not None
    answer = await flow.redeem()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert (await person.refresh()).json()["error"] == "invalid_grant"
    assert (await door.call(person.access_token)).status_code == 401
    door.clock.advance(2)
    refused = await door.browser().approve(Flow(door, await door.register()))
    assert refused["error"] == "access_denied"
    assert (await visitor.get("/me")).status_code == 401


async def test_a_block_between_code_and_token_is_enough(door: Door) -> None:
    """Even when revoking has not happened yet: the block alone stops the redemption."""
    from vestibule.model import Block

    flow = Flow(door, await door.register())
    flow.code = (await door.browser().approve(flow))["code"]
    store = door.house.plane.server.store
    await store.blocks.add(Block(BlockKind.USER, "development:ada", DEFAULT_TENANT, door.clock()))
    assert (await flow.redeem()).json()["error"] == "invalid_grant"


# --- registration ---------------------------------------------------------------------------------------------------


@vector("DCR-022")
async def test_a_flood_of_registrations_is_bounded_and_what_is_not_used_goes(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, registration={"per_hour": 20, "unused_lifetime": "1d"}) as door:
        person = await door.sign_in()
        body = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
        answers = [await door.http.post(f"{door.url}/register", json=body) for _ in range(30)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [201] * 19 + [429] * 11
        assert int(answers[-1].headers["retry-after"]) >= 1
        store = door.house.plane.server.store
        assert await store.clients.count_unused() == 19
        door.clock.advance(24 * 3600 + 1)
        await door.house.sweep()
        assert [client.client_id for client in await store.clients.list_all()] == [person.flow.client["client_id"]]
        assert (await person.refresh()).status_code == 200
        assert (await door.http.post(f"{door.url}/register", json=body)).status_code == 201


async def test_nobody_registers_beyond_the_limit_of_unused_clients(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, registration={"unused_limit": 10}) as door:
        body = {"redirect_uris": [REDIRECT]}
        statuses = [(await door.http.post(f"{door.url}/register", json=body)).status_code for _ in range(12)]
        assert statuses == [201] * 10 + [429] * 2
        door.clock.advance(3601)  # then who has waited longest makes room
        assert (await door.http.post(f"{door.url}/register", json=body)).status_code == 201
        assert await door.house.plane.server.store.clients.count_unused() == 10


async def test_a_client_of_another_issuer_is_not_known(door: Door) -> None:
    """A store that moves to another name takes no secrets along: they were given by somebody else."""
    from dataclasses import replace

    client = await door.register()
    store = door.house.plane.server.store
    stored = await store.clients.get(client["client_id"])
    assert stored is not None
    assert stored.issuer == door.url
    await store.clients.remember(replace(stored, issuer="https://other.example"))
    assert (await door.browser().get(Flow(door, client).authorize_url())).status_code == 400


# --- pushed requests ------------------------------------------------------------------------------------------------


async def push(flow: Flow, **overrides: str | None) -> str:
    from urllib.parse import parse_qsl

    form = dict(parse_qsl(flow.query(**overrides)))
    answer = await flow.door.post("/par", form)
    assert answer.status_code == 201, answer.text
    assert answer.json()["expires_in"] == 90
    return str(answer.json()["request_uri"])


async def test_a_pushed_request_is_what_counts_and_works_once(door: Door) -> None:
    flow = Flow(door, await door.register())
    uri = await push(flow)
    query = {"client_id": flow.client["client_id"], "request_uri": uri}
    visitor = door.browser()
    prefetched = await visitor.get("/authorize", params=query, headers={"Sec-Purpose": "prefetch"})
    assert prefetched.status_code == 503
    # what stands in the link beside the reference changes nothing
    answer = await visitor.get("/authorize", params={**query, "redirect_uri": "https://evil.example", "scope": "all"})
    page = await visitor.get(answer.headers["location"])
    done = await visitor.sign_in_at(await visitor.decide(page))
    flow.code = response_parameters(done, REDIRECT)["code"]
    assert (await flow.redeem()).status_code == 200
    assert (await visitor.get("/authorize", params=query)).status_code == 400


async def test_a_pushed_request_is_its_clients_own_and_lives_90_seconds(door: Door) -> None:
    flow, other = Flow(door, await door.register()), await door.register()
    uri = await push(flow)
    stolen = await door.browser().get("/authorize", params={"client_id": other["client_id"], "request_uri": uri})
    assert stolen.status_code == 400
    late = await push(flow)
    door.clock.advance(90)
    answer = await door.browser().get("/authorize", params={"client_id": flow.client["client_id"], "request_uri": late})
    assert answer.status_code == 400
    guess = "urn:ietf:params:oauth:request_uri:guess"
    answer = await door.browser().get(
        "/authorize", params={"client_id": flow.client["client_id"], "request_uri": guess}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"resource": "https://other.example"}, "invalid_target"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"client_id": "nobody"}, "invalid_client"),
    ],
    ids=str,
)
async def test_what_authorize_would_refuse_is_refused_when_it_is_pushed(
    door: Door, overrides: dict[str, str | None], error: str
) -> None:
    from urllib.parse import parse_qsl

    flow = Flow(door, await door.register())
    answer = await door.post("/par", dict(parse_qsl(flow.query(**overrides))))
    assert (answer.status_code, answer.json()["error"]) == (401 if error == "invalid_client" else 400, error)


async def test_a_client_that_must_push_is_not_heard_otherwise(door: Door) -> None:
    flow = Flow(door, await door.register(require_pushed_authorization_requests=True))
    answer = await door.browser().get(flow.authorize_url())
    assert response_parameters(answer, REDIRECT)["error"] == "invalid_request"
    uri = await push(flow)
    answer = await door.browser().get("/authorize", params={"client_id": flow.client["client_id"], "request_uri": uri})
    assert "/consent" in answer.headers["location"]


# --- token format ---------------------------------------------------------------------------------------------------


async def test_access_tokens_are_jwts_when_the_operator_wants(tmp_path: Path, upstream: RecordingUpstream) -> None:
    from vestibule.protocol.jwt import verify

    async with open_door(tmp_path, upstream.url, tokens={"format": "jwt"}) as door:
        person = await door.sign_in()
        jwks = (await door.http.get(f"{door.url}/jwks.json")).json()
        header, claims = verify(person.access_token, jwks, algorithms=("ES256",))
        assert header["typ"] == "at+jwt"
        assert (claims["iss"], claims["aud"], claims["sub"]) == (door.url, door.mcp, "development:ada")
        assert claims["client_id"] == person.flow.client["client_id"]
        assert (await door.call(person.access_token)).status_code == 200
        head, body, signature = person.access_token.split(".")
        for broken in (f"{head}.{body}.", f"{head}.{body}.{signature[::-1]}", f"{head}.{body[:-2]}AA.{signature}"):
            assert (await door.call(broken)).status_code == 401
        other = door.house.plane.server.signer.sign_jwt("JWT", claims)
        assert (await door.call(other)).status_code == 401  # our own signature under something else
        await door.post("/revoke", {"token": person.access_token, "client_id": person.flow.client["client_id"]})
        assert (await door.call(person.access_token)).status_code == 401
