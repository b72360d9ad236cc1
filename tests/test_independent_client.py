"""npm openid-client, which is not ours, through all that the authorization server does.

It knows the server by its metadata alone and checks what it is given; `tests/parts` tries the driver elsewhere first.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest

from tests.parts.openid_client import Broken, Json, OpenidClient, Person, Refused, es256_key, openid_client
from tests.support.house import REDIRECT, Door, Visitor, hidden_fields, open_door
from tests.support.proofs import ACCESS_TOKEN, DEVICE_CODE, TOKEN_EXCHANGE
from vestibule.testing.recording_upstream import RecordingUpstream, json_answer

pytestmark = pytest.mark.slow

# With all that form-encoding and Basic may stumble over.
SECRETS = {
    "BASIC_SECRET": "kD2v8mQ0/xT4+nB7=yR1%wZ5:pL9s",
    "POST_SECRET": "uH6c3gJ8&eV1aN5 tM0qX7=fS2b",
    "API_SECRET": "Zr4t9Lw+2Kp7/Qe1Yd6%Hs3Vb8",
}
PRIVATE_KEY, PUBLIC_KEY = es256_key("agent-1")
OTHER_KEY, _ = es256_key("agent-1")

PUBLIC = {"client_id": "desk"}
BASIC = {"client_id": "basic", "auth": "client_secret_basic", "client_secret": SECRETS["BASIC_SECRET"]}
POST = {"client_id": "post", "auth": "client_secret_post", "client_secret": SECRETS["POST_SECRET"]}
KEY = {"client_id": "agent", "auth": "private_key_jwt", "key": PRIVATE_KEY}
API = {"client_id": "api", "auth": "client_secret_basic", "client_secret": SECRETS["API_SECRET"]}
ANY_AUTHENTICATION = pytest.mark.parametrize("client", [PUBLIC, BASIC, POST, KEY], ids=["none", "basic", "post", "key"])
WITH_CREDENTIALS = pytest.mark.parametrize("client", [BASIC, POST, KEY], ids=["basic", "post", "key"])

CALL: Json = {
    "method": "POST",
    "headers": {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
    },
    "body": '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
}


def configured(upstream: str) -> dict[str, Any]:
    """An operator's file with a client of every kind."""

    def client(client_id: str, *grant_types: str, **keys: Any) -> Json:
        scopes = {"scopes": ["read"]} if "client_credentials" in grant_types else {}
        grants = ["authorization_code", *grant_types]
        return {"client_id": client_id, "redirect_uris": [REDIRECT], "grant_types": grants, **scopes, **keys}

    return {
        "upstreams": [{"name": "main", "url": upstream, "scopes": {"default": ["read"], "optional": ["write"]}}],
        "clients": [
            client("desk", "device_code"),
            client("basic", "client_credentials", client_secret="env:BASIC_SECRET"),
            client("post", "client_credentials", client_secret="env:POST_SECRET", auth_method="client_secret_post"),
            client(
                "agent", "client_credentials", "token_exchange", jwks={"keys": [dict(PUBLIC_KEY)]}, acts_for=["desk"]
            ),
            {"client_id": "api", "client_secret": "env:API_SECRET", "introspects": ["main"]},
        ],
    }


@pytest.fixture
async def house(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    keys = configured(upstream.url)
    async with open_door(tmp_path, upstream.url, environ=SECRETS, **keys) as running:
        yield running


@dataclass
class Ada:
    """Somebody at a browser who allows what she is asked."""

    door: Door
    visitor: Visitor
    opened: list[str] = field(default_factory=list)

    @classmethod
    def at(cls, door: Door) -> "Ada":
        return cls(door, door.browser())

    async def open(self, url: str) -> str:
        self.opened.append(url)
        return await self._follow(await self.visitor.get(url), REDIRECT)

    async def device(self, response: Json) -> None:
        page = await self.visitor.get(response["verification_uri"])
        typed = {**hidden_fields(page.text), "user_code": response["user_code"]}
        end = await self._follow(await self.visitor.post("/device", typed), f"{self.door.url}/device?done=")
        assert end.endswith("done=1")

    async def wait(self, error: str) -> None:
        self.door.clock.advance(5)

    @property
    def person(self) -> Person:
        return Person(open=self.open, device=self.device, polled=self.wait)

    async def _follow(self, answer: httpx2.Response, until: str) -> str:
        """Through redirects and pages, to a URL that begins with `until`."""
        for _ in range(8):
            location = urljoin(str(answer.url), answer.headers.get("location", ""))
            if answer.status_code == 200:
                answer = await self.visitor.decide(answer)
            elif location.startswith(until):
                return location
            elif "/development/sign-in" in location:
                answer = await self.visitor.sign_in_at(answer)
            else:
                assert answer.status_code in (302, 303), answer.text
                answer = await self.visitor.get(location)
        raise AssertionError(f"no end in sight: {answer.url}")


async def asks(driver: OpenidClient, door: Door, **more: Any) -> Json:
    """An authorization code flow."""
    parameters = {"resource": door.mcp, "scope": "read", **more.pop("parameters", {})}
    return await driver.do("authorize", redirect_uri=REDIRECT, parameters=parameters, **more)


async def calls(driver: OpenidClient, door: Door, **more: Any) -> int:
    """The status of an MCP request with the token that the client has."""
    answer = await driver.do("resource", url=door.mcp, **{**CALL, **more})
    return int(answer["status"])


async def refused(driver: OpenidClient, door: Door, **more: Any) -> list[Json]:
    """The challenges of an MCP request that is not let in."""
    with pytest.raises(Refused) as raised:
        await calls(driver, door, **more)
    return raised.value.challenges


def errors(driver: OpenidClient, endpoint: str = "token_endpoint") -> list[str | None]:
    """What an endpoint said, request by request, in the last step."""
    return [request.error for request in driver.requests if request.url == driver.server[endpoint]]


# --- code, refresh, a client's own name ------------------------------------------------------------------------------


@ANY_AUTHENTICATION
async def test_a_code_a_call_and_a_refresh(house: Door, client: Json) -> None:
    async with openid_client(house.url, client, Ada.at(house).person, clock=house.clock) as driver:
        tokens = await asks(driver, house)
        assert (tokens["token_type"], tokens["scope"]) == ("bearer", "read")
        assert await calls(driver, house) == 200
        refreshed = await driver.do("refresh", parameters={"resource": house.mcp})
        assert refreshed["access_token"] != tokens["access_token"]
        assert await calls(driver, house) == 200


@WITH_CREDENTIALS
async def test_a_client_in_its_own_name(house: Door, client: Json) -> None:
    async with openid_client(house.url, client, clock=house.clock) as driver:
        tokens = await driver.do("client_credentials", parameters={"resource": house.mcp, "scope": "read"})
        assert "refresh_token" not in tokens
        assert await calls(driver, house) == 200
        with pytest.raises(Refused) as raised:
            await driver.do("client_credentials", parameters={"resource": house.mcp, "scope": "write"})
    assert raised.value.error == "invalid_scope"


async def test_a_client_that_registers_itself_with_a_key(door: Door) -> None:
    metadata = {
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [PUBLIC_KEY]},
        "dpop_bound_access_tokens": True,
    }
    job = {"register": metadata, "auth": "private_key_jwt", "key": PRIVATE_KEY}
    async with openid_client(door.url, job, Ada.at(door).person, dpop=True, clock=door.clock) as driver:
        assert driver.client["client_id"]
        await driver.do("authorize", redirect_uri=REDIRECT, parameters={"resource": door.mcp})
        assert await calls(driver, door) == 200


@pytest.mark.parametrize(
    "client",
    [{**BASIC, "client_secret": "wrong"}, {**POST, "client_secret": "wrong"}, {**KEY, "key": OTHER_KEY}],
    ids=["basic", "post", "key"],
)
async def test_a_client_that_is_not_who_it_says(house: Door, client: Json) -> None:
    async with openid_client(house.url, client, clock=house.clock) as driver:
        with pytest.raises(Refused) as raised:
            await driver.do("client_credentials", parameters={"resource": house.mcp})
    basic = client["auth"] == "client_secret_basic"  # is answered with a challenge, which the driver tells first
    assert (raised.value.status, raised.value.error) == (401, None if basic else "invalid_client")


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://elsewhere.example"}, {"exp": None}, {"exp": 1}, {"sub": "desk"}, {"jti": None}],
    ids=str,
)
async def test_an_assertion_that_is_wrong(house: Door, claims: Json) -> None:
    async with openid_client(house.url, KEY, clock=house.clock) as driver:
        with pytest.raises(Refused) as raised:
            await driver.do("client_credentials", parameters={"resource": house.mcp}, assertion=claims)
    assert (raised.value.status, raised.value.error) == (401, "invalid_client")


async def test_an_assertion_is_taken_once(house: Door) -> None:
    async with openid_client(house.url, KEY, clock=house.clock) as driver:
        again = {"do": "client_credentials", "parameters": {"resource": house.mcp}, "assertion": {"jti": "the-same"}}
        await driver.take(again)
        with pytest.raises(Refused) as raised:
            await driver.take(again)
    assert raised.value.error == "invalid_client"


# --- DPoP ------------------------------------------------------------------------------------------------------------


@ANY_AUTHENTICATION
async def test_tokens_that_are_bound_to_a_key(house: Door, client: Json) -> None:
    async with openid_client(house.url, client, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        tokens = await asks(driver, house)
        assert tokens["token_type"] == "dpop"
        assert errors(driver) == ["use_dpop_nonce", None]
        assert await calls(driver, house) == 200
        assert await calls(driver, house) == 200
        refreshed = await driver.do("refresh", parameters={"resource": house.mcp})
        assert refreshed["token_type"] == "dpop"
        assert await calls(driver, house) == 200


async def test_a_client_learns_the_next_nonce_before_the_last_one_is_old(house: Door) -> None:
    """RFC 9449 §8.2: who comes regularly is never sent back for a nonce."""
    async with openid_client(house.url, KEY, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        await asks(driver, house)
        await calls(driver, house)
        for _ in range(4):
            for _ in range(2):
                house.clock.advance(250)
                assert await calls(driver, house) == 200
                assert [request.status for request in driver.requests] == [200]
            house.clock.advance(250)
            await driver.do("refresh", parameters={"resource": house.mcp})
            assert errors(driver) == [None]


async def test_the_upstreams_nonce_is_not_ours(house: Door, upstream: RecordingUpstream) -> None:
    """The client would take it for ours, and be sent back each time."""
    upstream.answer = json_answer({"jsonrpc": "2.0", "id": 1, "result": {}}, headers=("DPoP-Nonce: of-the-upstream",))
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        await asks(driver, house)
        for _ in range(2):
            assert await calls(driver, house) == 200
            assert [(one.status, one.dpop_nonce) for one in driver.requests] == [
                (200, house.house.plane.server.proofs.nonce())
            ]


async def test_a_nonce_that_has_become_old(house: Door) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        await asks(driver, house)
        house.clock.advance(3600)
        await driver.do("refresh", parameters={"resource": house.mcp})
        assert errors(driver) == ["use_dpop_nonce", None]
        assert await calls(driver, house) == 200


async def test_a_stolen_token_is_worth_nothing(house: Door) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        tokens = await asks(driver, house)
        (challenge,) = await refused(driver, house, dpop=False)
        assert (challenge["scheme"], challenge["parameters"]["error"]) == ("dpop", "invalid_token")
        (challenge,) = await refused(driver, house, dpop="another")
        assert (challenge["scheme"], challenge["parameters"]["error"]) == ("dpop", "invalid_dpop_proof")
        with pytest.raises(Refused) as raised:
            await driver.do("refresh", parameters={"resource": house.mcp}, dpop="another")
        assert raised.value.error == "invalid_grant"
        with pytest.raises(Refused):
            await driver.do("refresh", parameters={"resource": house.mcp}, dpop=False)
        assert await calls(driver, house) == 200
    async with openid_client(house.url, PUBLIC, clock=house.clock) as thief:
        assert await refused(thief, house, token=tokens["access_token"])


async def test_a_bearer_token_with_a_proof_beside_it(house: Door) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        await asks(driver, house, dpop=False)
        assert await calls(driver, house, dpop=False) == 200


@pytest.mark.parametrize(
    "claims",
    [{"htu": "https://elsewhere.example/mcp"}, {"htm": "GET"}, {"ath": "AAAA"}, {"iat": 1}, {"jti": None}],
    ids=str,
)
async def test_a_proof_that_is_wrong(house: Door, claims: Json) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        await asks(driver, house)
        (challenge,) = [one for one in await refused(driver, house, proof=claims) if one["scheme"] == "dpop"]
        assert challenge["parameters"]["error"] == "invalid_dpop_proof"
        assert "ES256" in challenge["parameters"]["algs"].split()


# --- devices ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpop", [False, True], ids=["bearer", "dpop"])
async def test_a_device_that_somebody_connects(house: Door, dpop: bool) -> None:
    ada, devices, polls = Ada.at(house), list[Json](), list[str]()

    async def later(response: Json) -> None:
        devices.append(response)

    async def polled(error: str) -> None:
        polls.append(error)
        if error == "authorization_pending":
            house.clock.advance(5)  # before the client, which does not wait for us, asks again
            if devices:
                await ada.device(devices.pop())

    person = Person(device=later, polled=polled)
    async with openid_client(house.url, PUBLIC, person, dpop=dpop, clock=house.clock) as driver:
        tokens = await driver.do("device", parameters={"resource": house.mcp, "scope": "read"}, interval_seconds=1)
        assert set(polls) - {"use_dpop_nonce"} == {"authorization_pending"}
        assert tokens["token_type"] == ("dpop" if dpop else "bearer")
        assert await calls(driver, house) == 200
        await driver.do("refresh", parameters={"resource": house.mcp})
        assert await calls(driver, house) == 200


async def test_a_device_that_registered_itself_and_waits_too_long(door: Door) -> None:
    async def out_of_patience(error: str) -> None:
        door.clock.advance(600)

    async def nobody_comes(response: Json) -> None:
        assert response["expires_in"] == 600

    metadata = {"redirect_uris": [], "grant_types": [DEVICE_CODE], "token_endpoint_auth_method": "none"}
    person = Person(device=nobody_comes, polled=out_of_patience)
    async with openid_client(door.url, {"register": metadata}, person, clock=door.clock) as driver:
        with pytest.raises(Refused) as raised:
            await driver.do("device", parameters={"resource": door.mcp}, interval_seconds=0.2)
    assert raised.value.error == "expired_token"


async def test_a_device_that_asks_too_often_learns_to_wait(house: Door) -> None:
    polls: list[str] = []
    ada, devices = Ada.at(house), list[Json]()

    async def waiting(response: Json) -> None:
        devices.append(response)

    async def polled(error: str) -> None:
        polls.append(error)
        house.clock.advance(20 if error == "slow_down" else 1)
        if error == "slow_down":
            await ada.device(devices[0])

    person = Person(device=waiting, polled=polled)
    async with openid_client(house.url, PUBLIC, person, clock=house.clock) as driver:
        assert await driver.do("device", parameters={"resource": house.mcp}, interval_seconds=0.2)
    assert polls == ["authorization_pending", "slow_down"]


# --- pushed requests -------------------------------------------------------------------------------------------------


@ANY_AUTHENTICATION
@pytest.mark.parametrize("dpop", [False, True], ids=["bearer", "dpop"])
async def test_a_pushed_request(house: Door, client: Json, dpop: bool) -> None:
    ada = Ada.at(house)
    async with openid_client(house.url, client, ada.person, dpop=dpop, clock=house.clock) as driver:
        tokens = await asks(driver, house, par=True)
        asked = [None, None] if not dpop else ["use_dpop_nonce", None, None]
        told = [*errors(driver, "pushed_authorization_request_endpoint"), *errors(driver)]
        assert told == asked
        assert tokens["token_type"] == ("dpop" if dpop else "bearer")
        assert await calls(driver, house) == 200
    (url,) = ada.opened
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "request_uri"}


async def test_a_pushed_request_binds_the_code_to_the_key(house: Door) -> None:
    """RFC 9449 §10.1: a code that somebody else got hold of is not redeemed with another key."""
    taken: list[str] = []
    ada = Ada.at(house)

    async def steal(url: str) -> str:
        taken.append(await ada.open(url))
        return f"{REDIRECT}?error=access_denied&state={parse_qs(urlsplit(taken[0]).query)['state'][0]}&iss={house.url}"

    async with openid_client(house.url, PUBLIC, Person(open=steal), dpop=True, clock=house.clock) as driver:
        with pytest.raises(Refused):
            await asks(driver, house, par=True)
        code = parse_qs(urlsplit(taken[0]).query)["code"][0]
        for dpop in (False, "another"):
            stolen = {"code": code, "redirect_uri": REDIRECT, "code_verifier": "x" * 43}
            with pytest.raises(Refused) as raised:
                await driver.do("grant", grant_type="authorization_code", parameters=stolen, dpop=dpop)
            assert raised.value.error == "invalid_grant"


async def test_a_pushed_request_with_the_thumbprint_of_another_key(house: Door) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=True, clock=house.clock) as driver:
        with pytest.raises(Refused) as raised:
            await asks(driver, house, par=True, parameters={"dpop_jkt": "A" * 43})
        assert raised.value.error == "invalid_dpop_proof"
        assert await asks(driver, house, parameters={"dpop_jkt": "$dpop_jkt"})


async def test_a_pushed_request_that_is_wrong(house: Door) -> None:
    async with openid_client(house.url, KEY, Ada.at(house).person, clock=house.clock) as driver:
        with pytest.raises(Refused) as raised:
            await asks(driver, house, par=True, parameters={"resource": "https://elsewhere.example/mcp"})
        assert (raised.value.status, raised.value.error) == (400, "invalid_target")
        with pytest.raises(Refused) as raised:
            await driver.do("authorize", redirect_uri="https://elsewhere.example/", par=True)
        assert (raised.value.status, raised.value.error) == (400, "invalid_request")


# --- what became of a token ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dpop", [False, True], ids=["bearer", "dpop"])
async def test_introspection(house: Door, dpop: bool) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, dpop=dpop, clock=house.clock) as driver:
        tokens = await asks(driver, house)
        with pytest.raises(Refused):
            await driver.do("introspect")
    async with openid_client(house.url, API, clock=house.clock) as resource_server:
        told = await resource_server.do("introspect", token=tokens["access_token"])
        assert (told["active"], told["client_id"], told["scope"]) == (True, "desk", "read")
        assert (told["sub"], told["aud"], told["iss"]) == ("development:ada", house.mcp, house.url)
        assert told.get("cnf") == ({"jkt": driver.dpop_jkt} if dpop else None)
        assert await resource_server.do("introspect", token=tokens["refresh_token"]) == {"active": False}
        assert await resource_server.do("introspect", token="never issued") == {"active": False}


@pytest.mark.parametrize("which", ["$access_token", "$refresh_token"])
@ANY_AUTHENTICATION
async def test_revocation(house: Door, client: Json, which: str) -> None:
    async with openid_client(house.url, client, Ada.at(house).person, clock=house.clock) as driver:
        tokens = await asks(driver, house)
        assert await calls(driver, house) == 200
        await driver.do("revoke", token="never issued")
        await driver.do("revoke", token=which)
        (challenge, *_) = await refused(driver, house)
        assert challenge["parameters"]["error"] == "invalid_token"
        if which == "$refresh_token":
            with pytest.raises(Refused) as raised:
                await driver.do("refresh", parameters={"resource": house.mcp})
            assert raised.value.error == "invalid_grant"
    async with openid_client(house.url, API, clock=house.clock) as resource_server:
        assert await resource_server.do("introspect", token=tokens["access_token"]) == {"active": False}


@pytest.mark.parametrize("dpop", [False, True], ids=["bearer", "dpop"])
async def test_token_exchange(house: Door, dpop: bool) -> None:
    async with openid_client(house.url, PUBLIC, Ada.at(house).person, clock=house.clock) as driver:
        subject = await asks(driver, house, parameters={"scope": "read write"})
    wanted = {"subject_token": subject["access_token"], "subject_token_type": ACCESS_TOKEN, "resource": house.mcp}
    async with openid_client(house.url, KEY, dpop=dpop, clock=house.clock) as agent:
        issued = await agent.do("grant", grant_type=TOKEN_EXCHANGE, parameters={**wanted, "scope": "read"})
        assert issued["issued_token_type"] == ACCESS_TOKEN
        assert issued["token_type"] == ("dpop" if dpop else "bearer")
        assert await calls(agent, house, token=issued["access_token"]) == 200
        for wrong, error in (
            ({"subject_token": "no such token"}, "invalid_request"),
            ({"scope": "admin"}, "invalid_scope"),
            ({"resource": "https://elsewhere.example/mcp"}, "invalid_target"),
        ):
            with pytest.raises(Refused) as raised:
                await agent.do("grant", grant_type=TOKEN_EXCHANGE, parameters={**wanted, **wrong})
            assert raised.value.error == error
    async with openid_client(house.url, API, clock=house.clock) as resource_server:
        told = await resource_server.do("introspect", token=issued["access_token"])
        assert (told["sub"], told["client_id"], told["act"]["sub"]) == ("development:ada", "agent", "client:agent")


# --- what the client would not believe -------------------------------------------------------------------------------


async def test_the_metadata_is_found_both_ways(house: Door) -> None:
    async with openid_client(house.url, PUBLIC, clock=house.clock) as oauth:
        assert oauth.server["issuer"] == house.url
    async with openid_client(house.url, PUBLIC, clock=house.clock, discovery="oidc") as oidc:
        assert oidc.server["token_endpoint"] == oauth.server["token_endpoint"]
    with pytest.raises(Broken):
        async with openid_client(f"{house.url}/elsewhere", PUBLIC):
            pass


async def test_what_the_person_refused(house: Door) -> None:
    ada = Ada.at(house)

    async def refuse(url: str) -> str:
        answer = await ada.visitor.get(url)
        page = await ada.visitor.get(answer.headers["location"])
        location: str = (await ada.visitor.decide(page, "deny")).headers["location"]
        return location

    async with openid_client(house.url, PUBLIC, Person(open=refuse), clock=house.clock) as driver:
        with pytest.raises(Refused) as raised:
            await asks(driver, house)
    assert raised.value.error == "access_denied"
