"""The grants beside the code: devices, a client's own name, exchange, assertions; and introspection."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, SignedIn, Visitor, hidden_fields, open_door
from tests.support.proofs import (
    ACCESS_TOKEN,
    DEVICE_CODE,
    JWT_BEARER,
    TOKEN_EXCHANGE,
    assertion,
    proof,
    token_hash,
    with_assertion,
    without_nothing,
)
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

SECRET = "kD2v8mQ0xT4nB7yR1wZ5pL9s"
OTHER_SECRET = "uH6c3gJ8eV1aN5tM0qX7fS2b"
AGENT_KEY = SigningKey("agent", "ES256")
ENVIRON = {"REPORTER_SECRET": SECRET, "API_SECRET": OTHER_SECRET}


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
async def house(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    """A door with an operator's file that has one of everything."""
    keys: dict[str, Any] = {
        "upstreams": [
            {"name": "main", "url": upstream.url, "scopes": {"default": ["read"], "optional": ["write", "admin"]}},
        ],
        "clients": [
            {
                "client_id": "reporter",
                "client_secret": "env:REPORTER_SECRET",
                "grant_types": ["client_credentials", "jwt_bearer"],
                "scopes": ["read"],
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
            {"issuer": idp.issuer, "kind": "enterprise", "provider": "development"},
            {
                "issuer": f"{idp.issuer}/cluster",
                "kind": "workload",
                "jwks_uri": f"{idp.issuer}/jwks",
                "workloads": [{"subject": "system:serviceaccount:prod:*", "client_id": "reporter"}],
            },
        ],
        "identity_providers": [{"kind": "development", "name": "development"}],
        "authorization": {"permissions": {"admins": ["admin"]}},
    }
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **keys) as running:
        yield running


def basic(client_id: str, secret: str) -> dict[str, Any]:
    return {"auth": (client_id, secret)}


# --- devices --------------------------------------------------------------------------------------------------------


async def begin(door: Door, **form: str) -> tuple[dict[str, Any], dict[str, Any]]:
    client = await door.register(grant_types=[DEVICE_CODE], redirect_uris=[])
    answer = await door.post("/device_authorization", {"client_id": client["client_id"], "resource": door.mcp, **form})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return client, answer.json()


async def poll(door: Door, client: dict[str, Any], device: dict[str, Any]) -> httpx2.Response:
    form = {"grant_type": DEVICE_CODE, "device_code": device["device_code"], "client_id": client["client_id"]}
    return await door.post("/token", form)


async def type_code(visitor: Visitor, code: str) -> httpx2.Response:
    page = await visitor.get("/device")
    answer = await visitor.post("/device", {**hidden_fields(page.text), "user_code": code})
    return await visitor.get(answer.headers["location"]) if answer.status_code == 303 else answer


async def test_a_device_gets_its_tokens_when_somebody_agreed(door: Door) -> None:
    client, device = await begin(door)
    assert re.fullmatch(r"[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", device["user_code"])
    assert device["verification_uri_complete"] == f"{door.url}/device?user_code={device['user_code']}"
    assert (await poll(door, client, device)).json()["error"] == "authorization_pending"
    visitor = door.browser()
    page = await type_code(visitor, device["user_code"].lower().replace("-", " "))
    assert device["user_code"] in page.text
    answer = await visitor.decide(page)
    done = await visitor.sign_in_at(answer)
    assert done.headers["location"] == f"{door.url}/device?done=1"
    assert "The device is connected" in (await visitor.get(done.headers["location"])).text
    door.clock.advance(5)
    tokens = (await poll(door, client, device)).json()
    assert (await door.call(tokens["access_token"])).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client["client_id"]}
    assert (await door.post("/token", form)).status_code == 200
    door.clock.advance(5)
    assert (await poll(door, client, device)).json()["error"] == "invalid_grant"


async def test_a_device_that_asks_too_often_must_wait_longer(door: Door) -> None:
    client, device = await begin(door)
    await poll(door, client, device)
    door.clock.advance(4)
    assert (await poll(door, client, device)).json()["error"] == "slow_down"
    door.clock.advance(9)  # the interval is ten by now
    assert (await poll(door, client, device)).json()["error"] == "slow_down"
    door.clock.advance(15)
    assert (await poll(door, client, device)).json()["error"] == "authorization_pending"


async def test_a_device_that_is_refused_or_too_late_is_told(door: Door) -> None:
    client, device = await begin(door)
    visitor = door.browser()
    answer = await visitor.decide(await type_code(visitor, device["user_code"]), "deny")
    assert answer.headers["location"] == f"{door.url}/device?done=0"
    assert (await poll(door, client, device)).json()["error"] == "access_denied"
    late_client, late = await begin(door)
    door.clock.advance(600)
    assert (await poll(door, late_client, late)).json()["error"] == "expired_token"
    assert (await type_code(visitor, late["user_code"])).status_code == 404


async def test_a_device_is_always_asked_about(door: Door) -> None:
    """RFC 8628 §5.4: a link that somebody sends must not find the door already open."""
    client, device = await begin(door)
    visitor = door.browser()
    await visitor.sign_in_at(await visitor.decide(await type_code(visitor, device["user_code"])))
    answer = await door.post("/device_authorization", {"client_id": client["client_id"], "resource": door.mcp})
    again = await type_code(visitor, answer.json()["user_code"])
    assert again.status_code == 200
    assert "A device wants" in again.text
    assert (await poll(door, client, answer.json())).json()["error"] == "authorization_pending"


async def test_whoever_guesses_user_codes_is_slowed_down(door: Door) -> None:
    visitor = door.browser()
    answers = [await type_code(visitor, "BCDF-GHJK") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [404] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "6"


async def test_a_device_code_is_its_clients_own(door: Door) -> None:
    _, device = await begin(door)
    other = await door.register(grant_types=[DEVICE_CODE], redirect_uris=[])
    assert (await poll(door, other, device)).json()["error"] == "invalid_grant"
    plain = await door.register()
    answer = await door.post("/device_authorization", {"client_id": plain["client_id"]})
    assert answer.json()["error"] == "unauthorized_client"


async def test_a_device_code_is_redeemed_once_however_many_ask(door: Door) -> None:
    client, device = await begin(door)
    visitor = door.browser()
    await visitor.sign_in_at(await visitor.decide(await type_code(visitor, device["user_code"])))
    answers = await asyncio.gather(*(poll(door, client, device) for _ in range(6)))
    assert [answer.status_code for answer in answers].count(200) == 1


async def test_the_devices_form_belongs_to_the_browser(door: Door) -> None:
    _, device = await begin(door)
    answer = await door.browser().post("/device", {"csrf": "x", "user_code": device["user_code"]})
    assert answer.status_code == 403


# --- a client in its own name ---------------------------------------------------------------------------------------


async def test_a_client_of_the_file_acts_in_its_own_name(house: Door) -> None:
    form = {"grant_type": "client_credentials", "resource": house.mcp}
    answer = await house.post("/token", form, **basic("reporter", SECRET))
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "read"
    assert "refresh_token" not in answer.json()
    assert (await house.call(answer.json()["access_token"])).status_code == 200
    wider = await house.post("/token", {**form, "scope": "read write"}, **basic("reporter", SECRET))
    assert wider.json()["error"] == "invalid_scope"
    other = await house.post("/token", {**form, "resource": "https://other.example"}, **basic("reporter", SECRET))
    assert other.json()["error"] == "invalid_target"


async def test_nobody_who_registered_itself_acts_in_its_own_name(house: Door) -> None:
    client = await house.register(token_endpoint_auth_method="client_secret_basic")
    form = {"grant_type": "client_credentials", "resource": house.mcp}
    answer = await house.post("/token", form, **basic(client["client_id"], client["client_secret"]))
    assert answer.json()["error"] == "unauthorized_client"
    desk = await house.post("/token", {**form, "client_id": "desk"})
    assert desk.json()["error"] == "unauthorized_client"


# --- exchange -------------------------------------------------------------------------------------------------------


async def at_desk(door: Door, scope: str = "read write") -> SignedIn:
    flow = Flow(door, {"client_id": "desk"}, scope=scope)
    visitor = door.browser()
    flow.code = (await visitor.approve(flow))["code"]
    return SignedIn(door, flow, visitor, (await flow.redeem()).json())


async def exchange(door: Door, token: str, client_id: str = "agent", **form: str | None) -> httpx2.Response:
    base: dict[str, str | None] = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    who = with_assertion(assertion(door, AGENT_KEY, "agent")) if client_id == "agent" else {"client_id": client_id}
    return await door.post("/token", {**base, **who, **form})


async def test_a_client_narrows_its_own_token(door: Door) -> None:
    client = await door.register(grant_types=["authorization_code", TOKEN_EXCHANGE])
    person = await door.sign_in(client=client)
    answer = await exchange(door, person.access_token, client_id=client["client_id"])
    assert answer.status_code == 200, answer.text
    narrow = answer.json()
    assert (narrow["issued_token_type"], narrow["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert "refresh_token" not in narrow
    assert (await door.call(narrow["access_token"])).status_code == 200
    await door.post("/revoke", {"token": person.refresh_token, "client_id": client["client_id"]})
    assert (await door.call(narrow["access_token"])).status_code == 401


async def test_a_named_service_acts_for_the_person(house: Door) -> None:
    person = await at_desk(house)
    answer = await exchange(house, person.access_token, scope="read")
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert (await house.call(token)).status_code == 200
    said = (await introspect(house, token)).json()
    assert (said["client_id"], said["scope"], said["sub"]) == ("agent", "read", "development:ada")
    assert said["act"] == {"sub": "client:agent"}
    assert said["exp"] <= (await introspect(house, person.access_token)).json()["exp"]


@vector("TOK-034")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "read write admin"}, "invalid_scope"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"audience": "https://other.example/mcp"}, "invalid_target"),
    ],
    ids=str,
)
async def test_an_exchange_widens_nothing(vector: str, house: Door, form: dict[str, str], error: str) -> None:
    person = await at_desk(house)
    answer = await exchange(house, person.access_token, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@vector("TOK-034")
async def test_an_exchange_does_not_prolong(vector: str, house: Door) -> None:
    person = await at_desk(house)
    house.clock.advance(590)
    answer = await exchange(house, person.access_token)
    assert answer.json()["expires_in"] <= 10
    house.clock.advance(11)
    assert (await exchange(house, person.access_token)).json()["error"] == "invalid_request"


@vector("TOK-035")
@pytest.mark.parametrize(
    "form",
    [
        {"requested_token_type": "urn:x"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"subject_token_type": None},
        {"actor_token": "eyJhbGciOiJub25lIn0.e30.", "actor_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"actor_token": "eyJhbGciOiJub25lIn0.e30.", "actor_token_type": ACCESS_TOKEN},
        {"actor_token": "vat_xxxx", "actor_token_type": ACCESS_TOKEN},
        {"actor_token": "vat_xxxx"},
        {"actor_token_type": ACCESS_TOKEN},
        {"subject_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."},
        {"subject_token": None},
    ],
    ids=str,
)
async def test_what_cannot_be_verified_is_not_exchanged(vector: str, house: Door, form: dict[str, str | None]) -> None:
    person = await at_desk(house)
    answer = await exchange(house, person.access_token, "agent", **form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_only_who_is_named_exchanges_anothers_token(house: Door) -> None:
    client = await house.register(grant_types=["authorization_code", TOKEN_EXCHANGE])
    person = await at_desk(house)
    assert (await exchange(house, person.access_token, client_id=client["client_id"])).status_code == 403
    stranger = await house.sign_in()
    assert (await exchange(house, stranger.access_token)).status_code == 403


async def test_a_bound_token_is_exchanged_by_its_holder_only(door: Door) -> None:
    client = await door.register(grant_types=["authorization_code", TOKEN_EXCHANGE])
    flow = Flow(door, client)
    flow.code = (await door.browser().approve(flow))["code"]
    answer = await door.post("/token", flow.form(), headers={"DPoP": proof(door, AGENT_KEY, f"{door.url}/token")})
    token = answer.json()["access_token"]
    assert (await exchange(door, token, client_id=client["client_id"])).json()["error"] == "invalid_grant"
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "client_id": client["client_id"],
    }
    held = await door.post("/token", form, headers={"DPoP": proof(door, AGENT_KEY, f"{door.url}/token")})
    assert held.json()["token_type"] == "DPoP"
    text = proof(door, AGENT_KEY, door.mcp, ath=token_hash(held.json()["access_token"]))
    called = await door.call(None, headers={"Authorization": f"DPoP {held.json()['access_token']}", "DPoP": text})
    assert called.status_code == 200


# --- introspection --------------------------------------------------------------------------------------------------


async def introspect(door: Door, token: str, **options: Any) -> httpx2.Response:
    return await door.post("/introspect", {"token": token}, **(options or basic("api", OTHER_SECRET)))


@vector("INT-001")
async def test_introspection_needs_a_client_that_proves_itself(vector: str, house: Door) -> None:
    person = await at_desk(house)
    for form in ({"token": person.access_token}, {"token": person.access_token, "client_id": "desk"}):
        answer = await house.post("/introspect", form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "active" not in answer.json()
    wrong = await introspect(house, person.access_token, **basic("api", SECRET))
    assert wrong.status_code == 401
    not_one = await introspect(house, person.access_token, **basic("reporter", SECRET))
    assert not_one.json()["error"] == "unauthorized_client"


@vector("INT-002")
async def test_a_token_that_is_not_active_is_not_and_nothing_more(vector: str, house: Door) -> None:
    person = await at_desk(house)
    assert (await introspect(house, person.access_token)).json()["active"] is True
    revoked = await at_desk(house)
    await house.post("/revoke", {"token": revoked.refresh_token, "client_id": "desk"})
    tokens = ["zzz", "vat_zzz", "x" * 9000, revoked.access_token, person.refresh_token, "eyJhbGciOiJub25lIn0.e30."]
    for token in tokens:
        answer = await introspect(house, token)
        assert (answer.status_code, answer.json()) == (200, {"active": False})
    house.clock.advance(601)
    assert (await introspect(house, person.access_token)).json() == {"active": False}


async def test_a_replica_that_has_not_heard_of_revocations_says_so(house: Door) -> None:
    """Neither "active" nor "not active" would be true; and what is revoked at it is revoked all the same."""
    person = await at_desk(house)
    watch = house.house._watch
    watch._blind_from = 0.0
    answer = await introspect(house, person.access_token)
    assert (answer.status_code, "active" in answer.json()) == (503, False)
    assert (await exchange(house, person.access_token)).status_code == 503
    assert (await house.post("/revoke", {"token": person.access_token, "client_id": "desk"})).status_code == 200
    await watch.look()
    assert (await introspect(house, person.access_token)).json() == {"active": False}
    assert (await house.call(person.access_token)).status_code == 401


@vector("INT-004")
async def test_introspection_is_a_post(vector: str, house: Door) -> None:
    answer = await house.http.get(f"{house.url}/introspect?token=x", auth=("api", OTHER_SECRET))
    assert answer.status_code == 405


# --- assertions -----------------------------------------------------------------------------------------------------


def id_jag(door: Door, idp: ScriptedIdentityProvider, *, typ: str = "oauth-id-jag+jwt", **claims: Any) -> str:
    now = int(door.clock().timestamp())
    right = {
        "iss": idp.issuer,
        "sub": "ada",
        "aud": door.url,
        "client_id": "agent",
        "resource": door.mcp,
        "scope": "read write",
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + 300,
    }
    return idp.signing.sign(without_nothing({**right, **claims}), {"typ": typ})


async def present(door: Door, text: str, **form: str | None) -> httpx2.Response:
    who = with_assertion(assertion(door, AGENT_KEY, "agent"))
    return await door.post("/token", {"grant_type": JWT_BEARER, "assertion": text, **who, **form})


async def test_an_enterprises_assertion_is_a_grant(house: Door, idp: ScriptedIdentityProvider) -> None:
    answer = await present(house, id_jag(house, idp))
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "read write"
    assert "refresh_token" not in answer.json()
    said = (await introspect(house, answer.json()["access_token"])).json()
    assert said["sub"] == "development:ada"
    assert said["identity"] == {"iss": idp.issuer, "sub": "ada"}
    narrow = await present(house, id_jag(house, idp), scope="read")
    assert narrow.json()["scope"] == "read"
    assert (await present(house, id_jag(house, idp, scope="read"), scope="write")).json()["error"] == "invalid_scope"


@pytest.mark.parametrize(
    "wrong",
    [
        {"typ": "JWT"},
        {"aud": "https://elsewhere.example"},
        {"aud": ["{issuer}", "https://elsewhere.example"]},
        {"client_id": "desk"},
        {"client_id": None},
        {"sub": None},
        {"sub": ""},
        {"exp": None},
        {"exp": -61},
        {"exp": 7300},
        {"iat": None},
        {"iat": 600},
        {"jti": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"resource": "https://elsewhere.example/mcp"},
        {"resource": 7},
    ],
    ids=str,
)
async def test_an_assertion_that_says_something_wrong_is_none(
    house: Door, idp: ScriptedIdentityProvider, wrong: dict[str, Any]
) -> None:
    now = int(house.clock().timestamp())
    claims: dict[str, Any] = {
        name: now + value if name in ("exp", "iat") and isinstance(value, int) else value
        for name, value in wrong.items()
    }
    if isinstance(claims.get("aud"), list):
        claims["aud"] = [one.format(issuer=house.url) for one in claims["aud"]]
    answer = await present(house, id_jag(house, idp, **claims))
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_target")


async def test_an_assertion_is_taken_once_and_from_its_client_only(house: Door, idp: ScriptedIdentityProvider) -> None:
    text = id_jag(house, idp)
    answers = await asyncio.gather(*(present(house, text) for _ in range(5)))
    assert [answer.status_code for answer in answers].count(200) == 1
    public = await house.register(grant_types=["authorization_code", JWT_BEARER])
    form = {"grant_type": JWT_BEARER, "assertion": id_jag(house, idp, client_id=public["client_id"])}
    answer = await house.post("/token", {**form, "client_id": public["client_id"]})
    assert answer.json()["error"] == "unauthorized_client"
    forged = SigningKey(idp.signing.kid).sign({"iss": idp.issuer, "sub": "ada"}, {"typ": "oauth-id-jag+jwt"})
    assert (await present(house, forged)).json()["error"] == "invalid_grant"


def workload(door: Door, idp: ScriptedIdentityProvider, **claims: Any) -> str:
    now = int(door.clock().timestamp())
    right = {
        "iss": f"{idp.issuer}/cluster",
        "sub": "system:serviceaccount:prod:reporter",
        "aud": [door.url],
        "exp": now + 3600,
    }
    return idp.signing.sign(without_nothing({**right, **claims}))


async def test_a_workload_gets_in_with_its_platforms_word(house: Door, idp: ScriptedIdentityProvider) -> None:
    form = {"grant_type": JWT_BEARER, "assertion": workload(house, idp), "resource": house.mcp}
    for who in ({}, {"client_id": "reporter"}):
        answer = await house.post("/token", {**form, **who})
        assert answer.status_code == 200, answer.text
    said = (await introspect(house, answer.json()["access_token"])).json()
    assert said["sub"] == "workload:system:serviceaccount:prod:reporter"
    assert (said["client_id"], said["scope"]) == ("reporter", "read")
    wrong: list[dict[str, Any]] = [
        {"sub": "system:serviceaccount:dev:reporter"},
        {"aud": ["https://elsewhere.example"]},
        {"aud": [house.url, "https://elsewhere.example"]},
        {"exp": int(house.clock().timestamp()) - 61},
        {"iss": idp.issuer},
    ]
    for claims in wrong:
        refused = await house.post("/token", {**form, "assertion": workload(house, idp, **claims)})
        assert refused.status_code in (400, 401), claims
    other = await house.post("/token", {**form, "client_id": "agent"})
    assert other.json()["error"] == "invalid_grant"
    typed = idp.signing.sign({"iss": f"{idp.issuer}/cluster", "sub": "x", "aud": house.url}, {"typ": "at+jwt"})
    assert (await house.post("/token", {**form, "assertion": typed})).status_code == 400


async def test_an_issuer_that_is_down_is_temporary(house: Door, idp: ScriptedIdentityProvider) -> None:
    text = id_jag(house, idp)
    idp.script.answers["/jwks"] = lambda: (500, {})
    answer = await present(house, text)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    del idp.script.answers["/jwks"]
    assert (await present(house, text)).status_code == 503  # not asked again at once
    house.clock.advance(5)
    assert (await present(house, text)).status_code == 200


# --- roles ----------------------------------------------------------------------------------------------------------


async def test_a_scope_that_a_role_gives_is_nobody_elses(house: Door) -> None:
    person = await at_desk(house, scope="read admin")
    assert person.tokens["scope"] == "read"
    flow = Flow(house, {"client_id": "desk"}, scope="admin")
    parameters = await house.browser().approve(flow)
    assert parameters["error"] == "invalid_scope"
