"""What a hostile reader of the authorization server found, and no longer finds."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.test_vectors_documents import DocumentHost
from tests.security.test_vectors_grants import (
    AGENT_KEY,
    ENVIRON,
    at_desk,
    begin,
    exchange,
    id_jag,
    introspect,
    poll,
    present,
    type_code,
    workload,
)
from tests.support.house import REDIRECT, Door, Flow, hidden_fields, open_door
from tests.support.proofs import (
    ACCESS_TOKEN,
    DEVICE_CODE,
    JWT_BEARER,
    TOKEN_EXCHANGE,
    assertion,
    proof,
    with_assertion,
)
from vestibule.authorization_server import endings
from vestibule.authorization_server.replies import Context
from vestibule.policy import LocalThrottle
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

CONTEXT = Context("attack", "127.0.0.1")
HTTPS = "https://client.example/cb"


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


def everything(upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> dict[str, Any]:
    return {
        "upstreams": [
            {"name": "main", "url": upstream.url, "scopes": {"default": ["read"], "optional": ["write", "admin"]}},
        ],
        "clients": [
            {
                "client_id": "reporter",
                "client_secret": "env:REPORTER_SECRET",
                "grant_types": ["client_credentials", "jwt_bearer"],
                "scopes": ["read"],
                "needs_dpop": True,
            },
            {"client_id": "api", "client_secret": "env:API_SECRET", "introspects": ["main"]},
            {
                "client_id": "agent",
                "jwks": {"keys": [AGENT_KEY.public_jwk()]},
                "grant_types": ["token_exchange", "client_credentials", "jwt_bearer"],
                "scopes": ["read"],
                "acts_for": ["desk"],
            },
            {"client_id": "desk", "redirect_uris": [REDIRECT]},
        ],
        "assertion_issuers": [
            {"issuer": idp.issuer, "kind": "enterprise"},
            {"issuer": f"{idp.issuer}/other", "kind": "enterprise", "name": "other", "jwks_uri": f"{idp.issuer}/jwks"},
            {
                "issuer": f"{idp.issuer}/cluster",
                "kind": "workload",
                "jwks_uri": f"{idp.issuer}/jwks",
                "workloads": [{"subject": "system:serviceaccount:prod:*", "client_id": "reporter"}],
            },
        ],
        "identity_providers": [{"kind": "development", "name": "development"}],
    }


@pytest.fixture
async def house(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **everything(upstream, idp)) as running:
        yield running


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[DocumentHost]:
    async with DocumentHost(tmp_path) as running:
        yield running


def documents(host: DocumentHost) -> dict[str, Any]:
    return {"outbound": {"ca_file": str(host.ca_file), "allow_networks": ["127.0.0.0/8", "::1/128"]}}


# --- endings --------------------------------------------------------------------------------------------------------


async def test_revoking_a_client_ends_what_was_exchanged_from_its_tokens(house: Door) -> None:
    """endings.revoke_client announces the client only; the exchanged token names another client."""
    person = await at_desk(house)
    token = (await exchange(house, person.access_token)).json()["access_token"]
    assert (await house.call(token)).status_code == 200
    await endings.revoke_client("desk", house.house.plane.server, CONTEXT, reason="stolen")
    house.clock.advance(2)
    assert (await house.call(person.access_token)).status_code == 401
    assert (await introspect(house, token)).json() == {"active": False}
    assert (await house.call(token)).status_code == 401


async def test_revoking_a_person_ends_a_token_of_a_replica_whose_clock_is_ahead(house: Door) -> None:
    """Same root: the grant is revoked in the store, but replicas learn only of a moment."""
    person_clock = house.clock.now()
    house.clock.advance(3)  # this replica is three seconds ahead of the one that revokes
    person = await at_desk(house)
    server = house.house.plane.server
    late = replace(server, clock=lambda: person_clock + timedelta(seconds=1))
    await endings.revoke_user("default", "development:ada", late, CONTEXT, reason="left")
    assert (await house.call(person.access_token)).status_code == 401


async def test_a_sign_in_under_way_does_not_outlive_the_revocation_of_its_person(house: Door) -> None:
    """The session is read, the person revoked, the grant written: the grant lives."""
    person = await at_desk(house)
    server = house.house.plane.server
    grants = server.store.grants
    add, once = grants.add, [True]

    async def add_late(grant: Any) -> None:
        if once:
            once.clear()
            await endings.revoke_user("default", "development:ada", server, CONTEXT, reason="left")
        await add(grant)

    grants.add = add_late  # type: ignore[method-assign]
    flow = Flow(house, {"client_id": "desk"}, scope="read")
    answer = await person.visitor.decide(await person.visitor.ask(flow))
    grants.add = add  # type: ignore[method-assign]
    if "code=" in answer.headers.get("location", ""):
        flow.code = answer.headers["location"].partition("code=")[2].partition("&")[0]
        redeemed = await flow.redeem()
        assert redeemed.status_code != 200, "a grant was made after everything of this person had been revoked"


async def test_ending_a_connection_ends_all_of_it(door: Door) -> None:
    """A client that is allowed once can make grants without a click; the page looks at a thousand of them."""
    client = await door.register(redirect_uris=[HTTPS])
    first = await door.sign_in(client=client, redirect_uri=HTTPS)
    door.clock.advance(1)
    visitor, flow = first.visitor, Flow(door, client, redirect_uri=HTTPS)
    answer = await visitor.get(flow.authorize_url())  # once by the door, to show that nobody is asked
    assert answer.headers["location"].startswith(f"{HTTPS}?code=")
    store = door.house.plane.server.store
    made = (await store.grants.list_live(tenant="default", user="development:ada"))[0]
    for number in range(1000):
        await store.grants.add(replace(made, grant_id=f"more-{number}"))
    page = (await visitor.get("/me")).text
    connection = page.partition("/me/consents/")[2].partition('"')[0]
    csrf = hidden_fields(page)["csrf"]
    assert (await visitor.post(f"/me/consents/{connection}", {"csrf": csrf}, timeout=60)).status_code == 303
    assert (await first.refresh()).status_code == 400


async def test_somebody_who_is_blocked_gets_nothing_by_its_platforms_word(
    house: Door, idp: ScriptedIdentityProvider
) -> None:
    """block_user says: let nobody in by this name any more."""
    name = "workload:system:serviceaccount:prod:reporter"
    await endings.block_user("default", name, house.house.plane.server, CONTEXT, reason="stolen")
    house.clock.advance(2)
    form = {"grant_type": JWT_BEARER, "assertion": workload(house, idp), "resource": house.mcp}
    answer = await house.post("/token", form, headers={"DPoP": proof(house, AGENT_KEY, f"{house.url}/token")})
    assert answer.status_code == 400, answer.json().keys()


async def test_a_client_that_is_blocked_by_its_name_gets_nothing_in_its_own_name(house: Door) -> None:
    await endings.block_user("default", "client:agent", house.house.plane.server, CONTEXT, reason="stolen")
    house.clock.advance(2)
    form = {"grant_type": "client_credentials", "resource": house.mcp}
    answer = await house.post("/token", {**form, **with_assertion(assertion(house, AGENT_KEY, "agent"))})
    assert answer.status_code in (400, 403), answer.json().keys()


async def test_two_tenants_revocations_of_one_name_are_two(door: Door) -> None:
    """revocations has (kind, value) as its key: the second tenant's is written over the first one's row."""
    from vestibule.model import Revocation, RevocationKind

    feed, now = door.house.plane.server.store.revocations, door.clock.now()
    for tenant in ("one", "two"):
        await feed.announce(Revocation(RevocationKind.USER, "work:ada", now, now + timedelta(hours=1), tenant))
    found, _ = await feed.news(0, now=now)
    assert {one.tenant for one in found} == {"one", "two"}


# --- keys that must be shown ----------------------------------------------------------------------------------------


async def test_a_workload_of_a_client_that_needs_dpop_gets_no_bearer_token(
    house: Door, idp: ScriptedIdentityProvider
) -> None:
    form = {"grant_type": JWT_BEARER, "assertion": workload(house, idp), "resource": house.mcp}
    answer = await house.post("/token", form)
    assert answer.status_code == 400, f"a {answer.json().get('token_type')} token was given"


async def test_an_assertion_that_is_bound_to_a_key_is_good_with_that_key_only(
    house: Door, idp: ScriptedIdentityProvider
) -> None:
    """RFC 7800 §3: whoever presents a token with cnf proves the key (ID-JAG with DPoP)."""
    stolen = id_jag(house, idp, cnf={"jkt": "x" * 43})
    answer = await present(house, stolen)
    assert answer.status_code == 400, f"a {answer.json().get('token_type')} token was given"


@pytest.mark.parametrize("endpoint", ["/par", "/device_authorization"])
async def test_a_document_with_a_key_is_held_to_it_before_its_first_approval_too(
    tmp_path: Path, upstream: RecordingUpstream, host: DocumentHost, endpoint: str
) -> None:
    """ClientDirectory._unfetched makes a public client of it, and for_start does not look at its method."""
    host.document |= {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [AGENT_KEY.public_jwk()]},
        "grant_types": ["authorization_code", DEVICE_CODE],
        "require_pushed_authorization_requests": True,
    }
    async with open_door(tmp_path, upstream.url, **documents(host)) as door:
        flow = Flow(door, {"client_id": host.client_id})
        form = dict(httpx2.QueryParams(flow.query()))
        answer = await door.post(endpoint, form)
        assert (answer.status_code, answer.json().get("error")) == (401, "invalid_client")


async def test_strangers_do_not_use_up_the_memory_of_proofs(door: Door) -> None:
    """The proof is remembered (and written to the store) before anybody knows whose request it is."""
    server = door.house.plane.server
    server.proofs._remember = 50  # type: ignore[attr-defined] # instead of 200,000
    client = await door.register()
    flow = Flow(door, client)
    flow.code = (await door.browser().approve(flow))["code"]
    for _ in range(50):
        text = proof(door, SigningKey("x", "ES256"), f"{door.url}/token")
        form = {"grant_type": "refresh_token", "refresh_token": "vrt_x", "client_id": "nobody"}
        assert (await door.post("/token", form, headers={"DPoP": text})).status_code == 401
    mine = proof(door, AGENT_KEY, f"{door.url}/token")
    answer = await door.post("/token", flow.form(), headers={"DPoP": mine})
    assert answer.status_code == 200, answer.text


# --- who somebody is ------------------------------------------------------------------------------------------------


async def test_two_enterprises_people_of_the_same_subject_are_two(house: Door, idp: ScriptedIdentityProvider) -> None:
    """Rule 4: identity is (iss, sub). Both are "enterprise:ada": in sub, in blocks, in revocations, at /me."""
    one = (await present(house, id_jag(house, idp))).json()["access_token"]
    other = (await present(house, id_jag(house, idp, iss=f"{idp.issuer}/other"))).json()["access_token"]
    said = [(await introspect(house, token)).json() for token in (one, other)]
    assert said[0]["identity"] != said[1]["identity"]
    assert said[0]["sub"] != said[1]["sub"], said[0]["sub"]


async def test_revoking_one_enterprises_person_leaves_the_others(house: Door, idp: ScriptedIdentityProvider) -> None:
    other = (await present(house, id_jag(house, idp, iss=f"{idp.issuer}/other"))).json()["access_token"]
    one = (await present(house, id_jag(house, idp))).json()["access_token"]
    user = (await introspect(house, one)).json()["sub"]
    await endings.block_user("default", user, house.house.plane.server, CONTEXT, reason="left the first enterprise")
    house.clock.advance(2)
    assert (await introspect(house, other)).json()["active"] is True


async def test_the_answer_is_of_the_person_that_the_page_named(door: Door) -> None:
    """Another tab signs in as somebody else between the page and the click."""
    person = await door.sign_in()
    visitor = person.visitor
    flow = Flow(door, await door.register(client_name="Second"))
    page = await visitor.ask(flow)
    assert "Ada Lovelace" in page.text
    other = Flow(door, await door.register(client_name="Third"))
    assert "code" in await visitor.approve(other, "grace", prompt="login")
    answer = await visitor.decide(page)
    assert "code=" not in answer.headers.get("location", ""), "Grace gave what the page asked of Ada"


# --- scopes and lifetimes -------------------------------------------------------------------------------------------


async def test_a_refresh_gives_no_scope_that_a_role_has_to_give_by_now(
    tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider
) -> None:
    keys = everything(upstream, idp)
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **keys) as door:
        person = await at_desk(door, scope="read admin")
        assert person.tokens["scope"] == "read admin"
        port, clock = int(door.url.rpartition(":")[2]), door.clock
    keys["authorization"] = {"permissions": {"admins": ["admin"]}}
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, port=port, clock=clock, **keys) as door:
        form = {"grant_type": "refresh_token", "refresh_token": person.refresh_token, "client_id": "desk"}
        answer = await door.post("/token", form)
        assert "admin" not in answer.json().get("scope", "")


async def test_lifetimes_of_a_host_are_not_for_devices(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A stranger names the host as a redirect URI, and takes the tokens away by the device grant."""
    rule = {"redirect_hosts": ["chatgpt.com"], "access_token_lifetime": "8h"}
    async with open_door(tmp_path, upstream.url, tokens={"clients": [rule]}) as door:
        client = await door.register(
            redirect_uris=["https://chatgpt.com/cb"], grant_types=["authorization_code", DEVICE_CODE]
        )
        form = {"client_id": client["client_id"], "resource": door.mcp}
        device = (await door.post("/device_authorization", form)).json()
        visitor = door.browser()
        await visitor.sign_in_at(await visitor.decide(await type_code(visitor, device["user_code"])))
        tokens = (await poll(door, client, device)).json()
        assert tokens["expires_in"] <= 600


async def test_a_chain_of_actors_has_an_end_for_a_client_and_its_own_token_too(door: Door) -> None:
    client = await door.register(grant_types=["authorization_code", TOKEN_EXCHANGE])
    ada = await door.sign_in(client=client)
    flow = Flow(door, client)
    flow.code = (await door.browser().approve(flow, "grace"))["code"]
    grace = (await flow.redeem()).json()["access_token"]
    token, statuses = ada.access_token, []
    for _ in range(8):
        form = {"actor_token": grace, "actor_token_type": ACCESS_TOKEN}
        answer = await exchange(door, token, client_id=client["client_id"], **form)
        statuses.append(answer.status_code)
        token = answer.json().get("access_token", token)
    read = door.house.plane.server.tokens.read(token, door.clock.now().timestamp())
    assert len(read.actors) <= 4, (len(read.actors), statuses)


# --- limits that lock others out ------------------------------------------------------------------------------------


def from_network(number: int) -> dict[str, str]:
    """One customer's /48 has 65,536 of these."""
    return {"X-Forwarded-For": f"2a00:1450:4001:{number:x}::1"}


async def test_one_customers_networks_do_not_stop_everybodys_registration(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """/64 by /64, one /48 fills unused_limit; then nobody registers for seven days."""
    registration = {"per_hour": 2, "unused_limit": 10}
    async with open_door(tmp_path, upstream.url, registration=registration, trusted_proxies=["127.0.0.1/32"]) as door:
        body = {"redirect_uris": [HTTPS], "token_endpoint_auth_method": "none"}
        for number in range(10):
            await door.http.post(f"{door.url}/register", json=body, headers=from_network(number))
        other = {"X-Forwarded-For": "198.51.100.7"}
        door.clock.advance(2 * 3600)
        answer = await door.http.post(f"{door.url}/register", json=body, headers=other)
        assert answer.status_code == 201, answer.text


async def test_one_customers_networks_do_not_stop_everybodys_user_codes(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, trusted_proxies=["127.0.0.1/32"]) as door:
        _, device = await begin(door)
        attacker = door.browser()
        fields = hidden_fields((await attacker.get("/device")).text)
        for number in range(600):
            form = {**fields, "user_code": "BCDF-GHJK"}
            await attacker.post("/device", form, headers=from_network(number % 65))
        victim = door.browser()
        fields = hidden_fields((await victim.get("/device")).text)
        answer = await victim.post(
            "/device", {**fields, "user_code": device["user_code"]}, headers={"X-Forwarded-For": "198.51.100.7"}
        )
        assert answer.status_code == 303, answer.status_code


async def test_documents_that_never_got_a_token_do_not_stop_registration_for_ever(
    tmp_path: Path, upstream: RecordingUpstream, host: DocumentHost
) -> None:
    """They count as unused (last_used_at is null) and are never swept (registered_at is null)."""
    async with open_door(tmp_path, upstream.url, registration={"unused_limit": 10}, **documents(host)) as door:
        visitor = door.browser()
        for number in range(10):
            url = f"https://localhost:{host.port}/{number}.json"
            host.document["client_id"] = url
            given = await visitor.approve(Flow(door, {"client_id": url}))
            assert "code" in given
            door.clock.advance(10)
        door.clock.advance(timedelta(days=500))
        await door.house.sweep()
        await door.house.sweep()
        body = {"redirect_uris": [HTTPS], "token_endpoint_auth_method": "none"}
        answer = await door.http.post(f"{door.url}/register", json=body)
        assert answer.status_code == 201, answer.text


async def test_a_client_that_is_used_every_day_is_not_forgotten_as_unused(
    house: Door, idp: ScriptedIdentityProvider
) -> None:
    """Only begin_family says that a client is used; enterprise-managed authorization never begins one."""
    keys = {"keys": [AGENT_KEY.public_jwk()]}
    client = await house.register(
        grant_types=["authorization_code", JWT_BEARER], token_endpoint_auth_method="private_key_jwt", jwks=keys
    )

    async def work() -> httpx2.Response:
        who = with_assertion(assertion(house, AGENT_KEY, client["client_id"]))
        text = id_jag(house, idp, client_id=client["client_id"])
        return await house.post("/token", {"grant_type": JWT_BEARER, "assertion": text, **who})

    for _ in range(9):
        answer = await work()
        assert answer.status_code == 200, answer.text
        house.clock.advance(timedelta(hours=25))
        await house.house.sweep()
    assert (await work()).status_code == 200


async def test_the_throttle_forgets_what_is_over(door: Door) -> None:
    """Its docstring says so; 50,000 keys of up to 8 KB (a client_id of a stranger) stay for ever."""
    throttle = door.house.plane.server.throttle
    for number in range(30):
        form = {"client_id": f"{number}" + "\U0001f600" * 2000, "client_secret": "x", "grant_type": "refresh_token"}
        assert (await door.post("/token", form)).status_code == 401
    door.clock.advance(3600)
    await door.post("/token", {"client_id": "x", "client_secret": "x", "grant_type": "refresh_token"})
    assert isinstance(throttle, LocalThrottle)
    assert throttle.held() <= 3


async def test_pushed_requests_are_counted(door: Door) -> None:
    """60 KB a row, without a limit, of any client that has registered itself; swept every five minutes."""
    flow = Flow(door, await door.register())
    form = {**dict(httpx2.QueryParams(flow.query())), "junk": "x" * 60_000}
    statuses = [(await door.post("/par", form)).status_code for _ in range(200)]
    assert set(statuses) != {201}


async def test_a_pushed_request_is_not_taken_up_twice_by_a_browser_that_says_it_prefetches(door: Door) -> None:
    flow = Flow(door, await door.register())
    uri = (await door.post("/par", dict(httpx2.QueryParams(flow.query())))).json()["request_uri"]
    query = {"client_id": flow.client["client_id"], "request_uri": uri}
    pages = []
    for _ in range(2):
        visitor = door.browser()
        answer = await visitor.http.get(f"{door.url}/authorize", params=query, headers={"Sec-Purpose": "prefetch"})
        pages.append((await visitor.get(answer.headers["location"])).status_code if answer.status_code == 302 else 400)
    assert pages.count(200) < 2, "one reference, two questions that can be answered"


async def test_an_issuer_that_is_down_is_not_asked_for_every_forged_assertion(
    house: Door, idp: ScriptedIdentityProvider
) -> None:
    """Unauthenticated; each ask holds the lock that cached keys need too (10 s, when the issuer hangs)."""
    form = {"grant_type": JWT_BEARER, "resource": house.mcp}

    async def show(text: str) -> httpx2.Response:
        headers = {"DPoP": proof(house, AGENT_KEY, f"{house.url}/token")}
        return await house.post("/token", {**form, "assertion": text}, headers=headers)

    assert (await show(workload(house, idp))).status_code == 200
    house.clock.advance(120)
    asked = [0]

    def down() -> tuple[int, dict[str, Any]]:
        asked[0] += 1
        return 500, {}

    idp.script.answers["/jwks"] = down
    forger = SigningKey("unknown", "ES256")
    for _ in range(10):
        text = forger.sign({"iss": f"{idp.issuer}/cluster", "sub": "x", "aud": house.url, "exp": 9999999999})
        assert (await show(text)).status_code in (400, 503)
    assert asked[0] <= 2, asked


# --- what nobody expected -------------------------------------------------------------------------------------------


async def test_a_client_assertion_whose_jti_is_half_a_character_is_refused(door: Door) -> None:
    keys = {"keys": [AGENT_KEY.public_jwk()]}
    client = await door.register(token_endpoint_auth_method="private_key_jwt", jwks=keys)
    text = assertion(door, AGENT_KEY, client["client_id"], jti="\ud800")
    answer = await door.post("/token", {"grant_type": "refresh_token", "refresh_token": "x", **with_assertion(text)})
    assert answer.status_code < 500, answer.text


async def test_a_proof_whose_jti_is_half_a_character_is_refused(door: Door) -> None:
    client = await door.register()
    text = proof(door, AGENT_KEY, f"{door.url}/token", jti="\ud800")
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": client["client_id"]}
    answer = await door.post("/token", form, headers={"DPoP": text})
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("cached", [False, True])
async def test_a_proof_whose_jti_is_half_a_character_is_answered_at_the_fast_lane(door: Door, cached: bool) -> None:
    from tests.support.proofs import token_hash

    flow = Flow(door, await door.register())
    flow.code = (await door.browser().approve(flow))["code"]
    answer = await door.post("/token", flow.form(), headers={"DPoP": proof(door, AGENT_KEY, f"{door.url}/token")})
    token = answer.json()["access_token"]

    async def call(**claims: Any) -> int:
        text = proof(door, AGENT_KEY, door.mcp, ath=token_hash(token), **claims)
        headers = {"Authorization": f"DPoP {token}", "DPoP": text}
        return (await door.call(None, headers=headers, timeout=3)).status_code

    if cached:
        assert await call() == 200
    assert await call(jti="\ud800") == 401


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": [], "x": "AA"},
        {"kty": "OKP", "crv": "?", "x": "AA"},
    ],
    ids=str,
)
async def test_a_key_of_a_kind_that_nobody_knows_is_refused(door: Door, key: dict[str, Any]) -> None:
    body = {"redirect_uris": [HTTPS], "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key]}}
    answer = await door.http.post(f"{door.url}/register", json=body)
    assert answer.status_code == 400, answer.text


# --- providers and keys ---------------------------------------------------------------------------------------------


async def test_a_provider_that_takes_its_time_is_not_asked_twice_with_one_refresh_token(door: Door) -> None:
    """LEASE is 15 s; discovery (10 s, twice when the connection fails) and the token endpoint (10 s) may take more."""
    from vestibule.credentials import KeptProviderTokens
    from vestibule.model import ProviderTokens
    from vestibule.testing.clock import FrozenClock

    server, clock, asked = door.house.plane.server, FrozenClock(), []
    second: list[Any] = []

    class Slow:
        async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
            asked.append(tokens.refresh_token)
            if len(asked) == 1:
                clock.advance(18)  # nine for the discovery document, nine for the answer
                second.append(await asyncio.gather(replicas[1].get(tokens_id), return_exceptions=True))
            return ProviderTokens("slow", "new", f"next-{len(asked)}", clock() + timedelta(hours=1))

    def replica() -> KeptProviderTokens:
        providers: Any = {"slow": Slow()}
        return KeptProviderTokens(
            server.store.kept_tokens, providers, server.sealer, clock=clock, entropy=secrets.token_bytes
        )

    replicas = [replica(), replica()]
    old = ProviderTokens("slow", "old", "once", clock() - timedelta(seconds=1))
    tokens_id = await replicas[0].keep(old, "default", "slow:ada")
    await asyncio.wait_for(asyncio.gather(replicas[0].get(tokens_id), return_exceptions=True), 30)
    assert asked == ["once"], "the provider takes the second one for a theft"


async def test_a_ring_goes_with_the_clock_when_its_file_cannot_be_read(door: Door) -> None:
    """Keyholder.look suppresses the error, and then does not follow either: published keys are never used, retired
    ones stay good."""
    from vestibule.keys.file import read_roots, write_roots
    from vestibule.keys.rotation import rotate

    path, keyholder = door.folder / "vestibule.keys", door.house.keyholder
    roots = read_roots(path)
    newer = rotate(roots, secrets.token_bytes, now=door.clock.now())
    write_roots(path, newer, expected=roots, entropy=secrets.token_bytes)
    await keyholder.look()
    path.chmod(0o644)
    try:
        door.clock.advance(timedelta(days=3))
        await keyholder.look()
    finally:
        path.chmod(0o600)
    assert len(door.house.plane.signer.public_jwks()["keys"]) == 1, "a key that is retired still verifies"


async def test_many_key_addresses_at_one_host_are_one_host(door: Door) -> None:
    """Documents are counted by host; keys only by URL, and a stranger registers as many URLs as he likes."""
    from vestibule.authorization_server.client_keys import ClientKeys
    from vestibule.errors import FetchError
    from vestibule.model import Client, ClientOrigin

    fetched = []

    class Host:
        async def fetch(self, url: str, *, cap: int) -> Any:
            fetched.append(url)
            raise FetchError("no")

    keys = ClientKeys(Host(), door.clock, door.house.plane.server.throttle)
    for number in range(60):
        uri = f"https://victim.example/{number}"
        client = Client(client_id=f"c{number}", origin=ClientOrigin.REGISTERED, redirect_uris=(), jwks_uri=uri)
        for _ in range(12):
            with pytest.raises(FetchError):
                await keys.get(client)
    assert len(fetched) <= 60, len(fetched)


def test_an_organisation_of_auth0_is_not_the_lack_of_one() -> None:
    from vestibule.errors import AccessDenied
    from vestibule.identity_providers.auth0 import Auth0Provider
    from vestibule.identity_providers.failures import Failures

    provider = object.__new__(Auth0Provider)
    provider._organization, provider._failures = "None", Failures("work", "Work")
    with pytest.raises(AccessDenied):
        provider.check_person({"sub": "mallory"})


def test_only_a_star_is_a_wildcard_of_a_workload() -> None:
    from vestibule.authorization_server.assertion_issuers import Workload

    assert not Workload("https://ci.example/job?id=1", "reporter").fits("https://ci.example/job/id=1")


async def test_guesses_that_come_at_once_are_counted_too(door: Door) -> None:
    """check, await, count: whoever asks in parallel passes every check before the first one counts."""
    client = await door.register(token_endpoint_auth_method="client_secret_post")
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": client["client_id"]}
    answers = await asyncio.gather(*(door.post("/token", {**form, "client_secret": "guess"}) for _ in range(90)))
    assert [answer.status_code for answer in answers].count(401) <= 20
