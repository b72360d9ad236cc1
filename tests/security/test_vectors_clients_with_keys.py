"""private_key_jwt and DPoP: a key proves itself once, here, now, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.vectors import vector
from tests.support.house import Door, Flow, SignedIn, open_door
from tests.support.proofs import assertion, proof, token_hash, with_assertion
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

KEY = SigningKey("c1", "ES256")
OTHER = SigningKey("c1", "ES256")


@pytest.fixture
async def flow(door: Door) -> Flow:
    """A client with a key, and a code for it."""
    keys = {"keys": [KEY.public_jwk()]}
    flow = Flow(door, await door.register(token_endpoint_auth_method="private_key_jwt", jwks=keys))
    flow.code = (await door.browser().approve(flow))["code"]
    return flow


async def redeem(flow: Flow, text: str, **form: str | None) -> httpx2.Response:
    return await flow.door.post("/token", {**flow.form(client_id=None), **with_assertion(text), **form})


@vector("TOK-031")
@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": ["{issuer}", "https://elsewhere.example"]},
        {"aud": []},
        {"aud": None},
        {"aud": "{issuer}/"},
        {"iss": "somebody"},
        {"sub": "somebody"},
        {"iss": None},
        {"exp": None},
        {"exp": -120},
        {"exp": 3600},
        {"exp": "soon"},
        {"nbf": 600},
        {"iat": 600},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
    ],
    ids=str,
)
async def test_an_assertion_that_says_something_wrong(
    vector: str, door: Door, flow: Flow, wrong: dict[str, Any]
) -> None:
    now = int(door.clock().timestamp())

    def said(name: str, value: Any) -> Any:
        if name in ("exp", "nbf", "iat") and isinstance(value, int):
            return now + value
        if isinstance(value, list):
            return [one.format(issuer=door.url) for one in value]
        return value.format(issuer=door.url) if isinstance(value, str) else value

    claims = {name: said(name, value) for name, value in wrong.items()}
    answer = await redeem(
        flow, assertion(door, KEY, flow.client["client_id"], **claims), client_id=flow.client["client_id"]
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert (await redeem(flow, assertion(door, KEY, flow.client["client_id"]))).status_code == 200


@vector("TOK-031")
@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"typ": "at+jwt"}, {"crit": ["x"]}, {"kid": "other"}],
)
async def test_an_assertion_with_another_header(vector: str, door: Door, flow: Flow, header: dict[str, Any]) -> None:
    answer = await redeem(flow, assertion(door, KEY, flow.client["client_id"], header=header))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@vector("TOK-031")
async def test_an_assertion_counts_once_however_many_show_it_at_once(vector: str, door: Door, flow: Flow) -> None:
    shown = assertion(door, KEY, flow.client["client_id"])
    answers = await asyncio.gather(*(door.post("/revoke", {"token": "x", **with_assertion(shown)}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


@vector("TOK-031")
async def test_a_client_with_a_key_is_asked_for_it(vector: str, door: Door, flow: Flow) -> None:
    for form in (flow.form(), flow.form(client_secret="x" * 43)):
        answer = await door.post("/token", form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    stolen = await redeem(flow, assertion(door, OTHER, flow.client["client_id"]))
    assert stolen.status_code == 401
    both = await redeem(flow, assertion(door, KEY, flow.client["client_id"]), client_secret="x")
    assert both.json()["error"] == "invalid_request"
    kind = {**flow.form(), "client_assertion_type": "urn:x", "client_assertion": assertion(door, KEY, "x")}
    assert (await door.post("/token", kind)).status_code == 401


async def test_the_token_endpoint_is_an_audience_too(door: Door, flow: Flow) -> None:
    shown = assertion(door, KEY, flow.client["client_id"], aud=[f"{door.url}/token", door.url])
    assert (await redeem(flow, shown)).status_code == 200


@vector("TOK-030")
async def test_whoever_guesses_a_secret_is_slowed_down_and_nobody_else(vector: str, door: Door) -> None:
    client = await door.register(token_endpoint_auth_method="client_secret_post")
    other = await door.register(token_endpoint_auth_method="client_secret_post")

    async def guess(who: dict[str, Any], secret: str) -> httpx2.Response:
        form = {"token": "x", "client_id": who["client_id"], "client_secret": secret}
        return await door.post("/revoke", form)

    statuses = [(await guess(client, f"guess-{number}")).status_code for number in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    refused = await guess(client, client["client_secret"])
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await guess(other, other["client_secret"])).status_code == 200
    door.clock.advance(61)
    assert (await guess(client, client["client_secret"])).status_code == 200


async def test_an_expired_grant_locks_nobody_out(door: Door) -> None:
    person = await door.sign_in()
    for _ in range(30):
        assert (await person.refresh("vrt_" + "x" * 43)).status_code == 400
    assert (await person.refresh()).status_code == 200


# --- DPoP -----------------------------------------------------------------------------------------------------------


async def bound(door: Door) -> SignedIn:
    """Somebody whose client's tokens are bound to a key."""
    flow = Flow(door, await door.register())
    visitor = door.browser()
    flow.code = (await visitor.approve(flow))["code"]
    answer = await door.post("/token", flow.form(), headers={"DPoP": proof(door, KEY, f"{door.url}/token")})
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    return SignedIn(door, flow, visitor, answer.json())


async def call(person: SignedIn, text: str, *, scheme: str = "DPoP") -> httpx2.Response:
    return await person.door.call(None, headers={"Authorization": f"{scheme} {person.access_token}", "DPoP": text})


def shown(person: SignedIn, key: SigningKey = KEY, **claims: Any) -> str:
    return proof(person.door, key, person.door.mcp, **{"ath": token_hash(person.access_token), **claims})


async def test_a_token_is_good_with_a_proof_of_its_key_and_only_once_each(door: Door) -> None:
    person = await bound(door)
    text = shown(person)
    assert (await call(person, text)).status_code == 200
    again = await call(person, text)
    assert again.status_code == 401
    assert "INVALID_DPOP_PROOF" in again.text
    assert again.headers["www-authenticate"].startswith("DPoP ")
    assert (await call(person, shown(person))).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"htm": "GET"},
        {"htm": None},
        {"htu": "https://elsewhere.example/mcp"},
        {"htu": "{mcp}/x"},
        {"htu": None},
        {"ath": token_hash("another")},
        {"ath": None},
        {"iat": -600},
        {"iat": 600},
        {"iat": None},
        {"jti": None},
        {"jti": ""},
    ],
    ids=str,
)
async def test_a_proof_that_says_something_wrong(door: Door, wrong: dict[str, Any]) -> None:
    person = await bound(door)
    now = int(door.clock().timestamp())
    claims: dict[str, Any] = {
        name: now + value if isinstance(value, int) else value.format(mcp=door.mcp) if isinstance(value, str) else value
        for name, value in wrong.items()
    }
    answer = await call(person, shown(person, KEY, **claims))
    assert answer.status_code == 401
    assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]
    assert (await call(person, shown(person))).status_code == 200


@pytest.mark.parametrize(
    "header", [{"typ": "JWT"}, {"alg": "none"}, {"alg": "HS256"}, {"jwk": None}, {"crit": ["b64"]}]
)
async def test_a_proof_with_another_header(door: Door, header: dict[str, Any]) -> None:
    person = await bound(door)
    ath = token_hash(person.access_token)
    answer = await call(person, proof(door, KEY, door.mcp, header=header, ath=ath))
    assert answer.status_code == 401


async def test_a_proof_never_carries_its_private_key(door: Door) -> None:
    person = await bound(door)
    jwk = {**KEY.public_jwk(), "d": "AAAA"}
    answer = await call(person, proof(door, KEY, door.mcp, header={"jwk": jwk}, ath=token_hash(person.access_token)))
    assert answer.status_code == 401


async def test_a_stolen_token_is_worth_nothing(door: Door) -> None:
    person = await bound(door)
    assert (await call(person, shown(person, OTHER))).status_code == 401
    assert (await door.call(person.access_token)).status_code == 401  # as a bearer token
    without = await door.call(None, headers={"Authorization": f"DPoP {person.access_token}"})
    assert without.status_code == 401
    twice = await door.http.post(
        door.mcp,
        content=b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
        headers=[
            ("authorization", f"DPoP {person.access_token}"),
            ("content-type", "application/json"),
            ("dpop", shown(person)),
            ("dpop", shown(person)),
        ],
    )
    assert twice.status_code == 401


async def test_a_bearer_token_does_not_become_one_that_is_bound(door: Door) -> None:
    person = await door.sign_in()
    answer = await call(person, shown(person))
    assert answer.status_code == 401
    assert (await door.call(person.access_token)).status_code == 200


async def test_a_proof_needs_a_nonce_of_ours_and_is_told_which(door: Door) -> None:
    person = await bound(door)
    for nonce in (None, "guess"):
        answer = await call(person, shown(person, nonce=nonce))
        assert answer.status_code == 401
        assert 'error="use_dpop_nonce"' in answer.headers["www-authenticate"]
        told = answer.headers["dpop-nonce"]
        assert (await call(person, shown(person, nonce=told))).status_code == 200
    door.clock.advance(599)  # longer than the one after it lives
    old = await call(person, shown(person, nonce=told))
    assert old.status_code == 401
    at_token = await door.post(
        "/token",
        {"grant_type": "refresh_token", "client_id": person.flow.client["client_id"]},
        headers={"DPoP": proof(door, KEY, f"{door.url}/token", nonce=None)},
    )
    assert (at_token.status_code, at_token.json()["error"]) == (400, "use_dpop_nonce")
    assert at_token.headers["dpop-nonce"]


async def test_a_public_clients_refresh_token_is_bound_as_well(door: Door) -> None:
    person = await bound(door)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": person.refresh_token,
        "client_id": person.flow.client["client_id"],
    }
    for headers in ({}, {"DPoP": proof(door, OTHER, f"{door.url}/token")}):
        answer = await door.post("/token", form, headers=headers)
        assert answer.status_code == 400
    answer = await door.post("/token", form, headers={"DPoP": proof(door, KEY, f"{door.url}/token")})
    assert answer.status_code == 200
    successor = {**form, "refresh_token": answer.json()["refresh_token"]}
    assert (await door.post("/token", successor)).status_code == 400


async def test_a_proof_counts_once_at_the_token_endpoint_too(door: Door) -> None:
    text = proof(door, KEY, f"{door.url}/token")
    form = {"grant_type": "refresh_token", "refresh_token": "vrt_x", "client_id": (await door.register())["client_id"]}
    first = await door.post("/token", form, headers={"DPoP": text})
    again = await door.post("/token", form, headers={"DPoP": text})
    assert (first.json()["error"], again.json()["error"]) == ("invalid_grant", "invalid_dpop_proof")


async def test_a_code_is_for_the_key_that_the_request_named(door: Door) -> None:
    flow = Flow(door, await door.register())
    from vestibule.protocol.jwt import verify_with_own_key

    text = proof(door, KEY, f"{door.url}/token")
    thumbprint = verify_with_own_key(text, typ="dpop+jwt", algorithms=("ES256",))[2]
    flow.code = (await door.browser().approve(flow, dpop_jkt=thumbprint))["code"]
    for headers in ({}, {"DPoP": proof(door, OTHER, f"{door.url}/token")}):
        answer = await door.post("/token", flow.form(), headers=headers)
        assert answer.json()["error"] == "invalid_grant"
    assert (await door.post("/token", flow.form(), headers={"DPoP": text})).status_code == 200


async def test_a_client_that_wants_bound_tokens_gets_no_others(door: Door) -> None:
    flow = Flow(door, await door.register(dpop_bound_access_tokens=True))
    flow.code = (await door.browser().approve(flow))["code"]
    assert (await flow.redeem()).json()["error"] == "invalid_dpop_proof"
    answer = await door.post("/token", flow.form(), headers={"DPoP": proof(door, KEY, f"{door.url}/token")})
    assert answer.json()["token_type"] == "DPoP"


@pytest.fixture
async def without_nonces(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, tokens={"dpop_nonce": False}) as running:
        yield running


async def test_an_operator_may_do_without_nonces(without_nonces: Door) -> None:
    person = await bound(without_nonces)
    assert (await call(person, shown(person, nonce=None))).status_code == 200
    assert (await call(person, shown(person, nonce="guess"))).status_code == 401


def test_what_the_metadata_promises_is_what_is_verified() -> None:
    from vestibule.protocol.discovery import SIGNING_ALGORITHMS
    from vestibule.protocol.jwt import ASYMMETRIC_ALGORITHMS

    assert set(SIGNING_ALGORITHMS) == set(ASYMMETRIC_ALGORITHMS)
