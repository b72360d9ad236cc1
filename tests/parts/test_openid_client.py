"""openid-client through every flow, against oidc-provider: what it needs when our own server is the other side."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.parts.identity_provider import OidcProvider, oidc_provider
from tests.parts.openid_client import Broken, Json, OpenidClient, Person, Refused, es256_key, openid_client, run_steps
from tests.parts.processes import free_port

pytestmark = pytest.mark.slow

REDIRECT = "http://127.0.0.1:7777/callback"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
FEATURES = (
    "clientCredentials deviceFlow introspection revocation dPoP pushedAuthorizationRequests registration tokenExchange"
).split()
SECRET = "b1tT3r-s3cr3t/with+odd%signs:in=it"

PRIVATE_KEY, PUBLIC_KEY = es256_key()


def registered(client_id: str, auth: str, *grant_types: str, **metadata: Any) -> Json:
    """Client metadata as the provider wants it."""
    code = "authorization_code" in grant_types
    return {
        "client_id": client_id,
        "token_endpoint_auth_method": auth,
        "grant_types": grant_types,
        "redirect_uris": [REDIRECT] if code else [],
        "response_types": ["code"] if code else [],
        **metadata,
    }


CLIENTS = [
    registered("public", "none", "authorization_code", "refresh_token", DEVICE_CODE, application_type="native"),
    registered("basic", "client_secret_basic", "client_credentials", "authorization_code", client_secret=SECRET),
    registered("post", "client_secret_post", "client_credentials", TOKEN_EXCHANGE, client_secret=SECRET),
    registered(
        "key",
        "private_key_jwt",
        "client_credentials",
        "authorization_code",
        "refresh_token",
        jwks={"keys": [PUBLIC_KEY]},
    ),
]
PUBLIC = {"client_id": "public"}
BASIC = {"client_id": "basic", "auth": "client_secret_basic", "client_secret": SECRET}
POST = {"client_id": "post", "auth": "client_secret_post", "client_secret": SECRET}
KEY = {"client_id": "key", "auth": "private_key_jwt", "key": PRIVATE_KEY}


@dataclass(frozen=True)
class Ada:
    """Somebody at a browser."""

    provider: OidcProvider
    http: httpx2.AsyncClient

    async def open(self, url: str) -> str:
        return await self.provider.sign_in(self.http, url, "ada")

    async def device(self, device: Json) -> None:
        await self.provider.approve_device(self.http, device["verification_uri"], device["user_code"], "ada")

    @property
    def person(self) -> Person:
        return Person(open=self.open, device=self.device)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    log = tmp_path_factory.mktemp("provider") / "log"
    with oidc_provider(free_port(), "http://127.0.0.1:1/unused", log, features=FEATURES, clients=CLIENTS) as provider:
        yield provider


@pytest.fixture
async def ada(provider: OidcProvider) -> AsyncIterator[Ada]:
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=20) as http:
        yield Ada(provider, http)


def errors(driver: OpenidClient) -> list[str | None]:
    """What the token endpoint said, request by request, in the last step."""
    return [request.error for request in driver.requests if request.url == driver.server["token_endpoint"]]


@pytest.mark.parametrize("client", [BASIC, KEY], ids=["client_secret_basic", "private_key_jwt"])
async def test_a_code_by_a_confidential_client(ada: Ada, client: Json) -> None:
    async with openid_client(ada.provider.issuer, client, ada.person) as driver:
        tokens = await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})
        assert tokens["token_type"].lower() == "bearer"
        about = await driver.do("resource", url="$userinfo_endpoint")
    assert about["status"] == 200
    assert '"sub":"ada"' in about["body"]


@pytest.mark.parametrize("client", [BASIC, POST, KEY], ids=["basic", "post", "private_key_jwt"])
async def test_client_credentials(provider: OidcProvider, client: Json) -> None:
    (tokens,) = await run_steps(provider.issuer, client, [{"do": "client_credentials"}])
    assert tokens["access_token"]


@pytest.mark.parametrize(
    "client",
    [{**BASIC, "client_secret": "wrong"}, {**POST, "client_secret": "wrong"}, {**KEY, "key": es256_key()[0]}],
    ids=["basic", "post", "private_key_jwt"],
)
async def test_a_client_that_is_not_who_it_says(provider: OidcProvider, client: Json) -> None:
    async with openid_client(provider.issuer, client) as driver:
        with pytest.raises(Refused) as refused:
            await driver.do("client_credentials")
        assert errors(driver) == ["invalid_client"]
    assert refused.value.status == 401


@pytest.mark.parametrize("changed", [{"aud": "https://elsewhere.example"}, {"jti": None}, {"iss": "public"}])
async def test_a_client_assertion_that_is_wrong_in_one_claim(provider: OidcProvider, changed: Json) -> None:
    async with openid_client(provider.issuer, KEY) as driver:
        with pytest.raises(Refused):
            await driver.do("client_credentials", assertion=changed)
        assert errors(driver) == ["invalid_client"]
        await driver.do("client_credentials")


async def test_assertions_follow_the_clock_of_the_server(provider: OidcProvider) -> None:
    async with openid_client(provider.issuer, KEY) as driver:
        with pytest.raises(Refused):
            await driver.do("client_credentials", clock_skew_seconds=-3600)
        await driver.do("client_credentials", clock_skew_seconds=5)


async def test_dpop_with_nonces_for_a_public_client(ada: Ada) -> None:
    async with openid_client(ada.provider.issuer, PUBLIC, ada.person, dpop=True) as driver:
        wanted = {"scope": "openid", "dpop_jkt": "$dpop_jkt"}
        tokens = await driver.do("authorize", redirect_uri=REDIRECT, parameters=wanted)
        assert tokens["token_type"].lower() == "dpop"
        assert errors(driver) == ["use_dpop_nonce", None]
        assert driver.requests[0].dpop_nonce

        about = await driver.do("resource", url="$userinfo_endpoint")
        assert about["status"] == 200
        renewed = await driver.do("refresh")
        assert renewed["token_type"].lower() == "dpop"
        assert renewed["refresh_token"] != tokens["refresh_token"]
        assert (await driver.do("resource", url="$userinfo_endpoint"))["status"] == 200

        with pytest.raises(Refused) as refused:
            await driver.do("refresh", dpop="another")
        assert errors(driver) == ["use_dpop_nonce", "invalid_grant"]
        assert refused.value.error == "invalid_grant"


async def test_a_resource_asks_for_a_nonce_of_its_own(ada: Ada) -> None:
    key, _ = es256_key()
    async with openid_client(ada.provider.issuer, PUBLIC, ada.person, dpop=key) as driver:
        tokens = await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})
    async with openid_client(ada.provider.issuer, PUBLIC, dpop=key) as driver:  # the same key, and no nonce yet
        about = await driver.do("resource", url="$userinfo_endpoint", token=tokens["access_token"])
        assert [request.status for request in driver.requests] == [401, 200]
        assert about["status"] == 200
        with pytest.raises(Refused) as stolen:
            await driver.do("resource", url="$userinfo_endpoint", token=tokens["access_token"], dpop="another")
        assert stolen.value.status == 401
        with pytest.raises(Refused) as downgraded:
            await driver.do("resource", url="$userinfo_endpoint", token=tokens["access_token"], dpop=False)
        assert downgraded.value.challenges


@pytest.mark.parametrize("changed", [{"htm": "GET"}, {"htu": "https://elsewhere.example/token"}, {"jti": None}])
async def test_a_proof_that_is_wrong_in_one_claim(provider: OidcProvider, changed: Json) -> None:
    async with openid_client(provider.issuer, BASIC, dpop=True) as driver:
        with pytest.raises(Refused) as refused:
            await driver.do("client_credentials", proof=changed)
    assert refused.value.error == "invalid_dpop_proof"


async def test_a_device_polls_until_a_person_approved(ada: Ada) -> None:
    devices: list[Json] = []
    polls: list[str] = []

    async def show(device: Json) -> None:
        devices.append(device)

    async def polled(error: str) -> None:
        polls.append(error)
        if len(polls) == 2:
            await ada.device(devices[0])

    person = Person(device=show, polled=polled)
    async with openid_client(ada.provider.issuer, PUBLIC, person) as driver:
        tokens = await driver.do("device", parameters={"scope": "openid"}, interval_seconds=0.5)
        assert (await driver.do("resource", url="$userinfo_endpoint"))["status"] == 200
    assert tokens["refresh_token"]
    assert set(polls) == {"authorization_pending"}
    assert devices[0]["verification_uri_complete"].endswith(devices[0]["user_code"])


async def test_a_device_flow_with_dpop(ada: Ada) -> None:
    async with openid_client(ada.provider.issuer, PUBLIC, ada.person, dpop=True) as driver:
        tokens = await driver.do("device", parameters={"scope": "openid"}, interval_seconds=0.5)
        assert tokens["token_type"].lower() == "dpop"
        assert "use_dpop_nonce" in errors(driver)


@pytest.mark.parametrize("client", [PUBLIC, BASIC, KEY], ids=["public", "basic", "private_key_jwt"])
async def test_a_pushed_authorization_request(ada: Ada, client: Json) -> None:
    visited: list[str] = []

    async def browser(url: str) -> str:
        visited.append(url)
        return await ada.open(url)

    async with openid_client(ada.provider.issuer, client, Person(open=browser)) as driver:
        tokens = await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"}, par=True)
        assert driver.requests[0].url == driver.server["pushed_authorization_request_endpoint"]
        assert driver.requests[0].status == 201
    assert tokens["access_token"]
    assert set(httpx2.URL(visited[0]).params) == {"client_id", "request_uri"}


async def test_a_pushed_request_that_is_refused(ada: Ada) -> None:
    async with openid_client(ada.provider.issuer, PUBLIC, ada.person) as driver:
        with pytest.raises(Refused) as refused:
            await driver.do("authorize", redirect_uri="https://elsewhere.example/", par=True)
    assert refused.value.status == 400


async def test_introspection_and_revocation(ada: Ada) -> None:
    async with openid_client(ada.provider.issuer, KEY, ada.person) as driver:
        await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})
        active = await driver.do("introspect", parameters={"token_type_hint": "access_token"})
        assert active["active"] is True
        assert active["client_id"] == "key"
        assert (await driver.do("introspect", token="$refresh_token"))["active"] is True
        assert await driver.do("introspect", token="never issued") == {"active": False}
        await driver.do("revoke", token="$refresh_token", parameters={"token_type_hint": "refresh_token"})
        assert await driver.do("introspect", token="$refresh_token") == {"active": False}
        assert await driver.do("introspect") == {"active": False}
        await driver.do("revoke", token="never issued")


async def test_a_token_that_is_bound_says_so_when_introspected(provider: OidcProvider) -> None:
    async with openid_client(provider.issuer, BASIC, dpop=True) as driver:
        await driver.do("client_credentials")
        assert errors(driver) == ["use_dpop_nonce", None]
        assert (await driver.do("introspect"))["cnf"] == {"jkt": driver.dpop_jkt}


async def test_token_exchange(ada: Ada) -> None:
    first = {"do": "authorize", "redirect_uri": REDIRECT, "parameters": {"scope": "openid"}}
    (subject,) = await run_steps(ada.provider.issuer, PUBLIC, [first], ada.person)
    wanted = {"subject_token": subject["access_token"], "subject_token_type": ACCESS_TOKEN, "scope": "openid"}
    async with openid_client(ada.provider.issuer, POST) as driver:
        issued = await driver.do("grant", grant_type=TOKEN_EXCHANGE, parameters=wanted)
        assert issued["issued_token_type"] == ACCESS_TOKEN
        assert issued["access_token"] != subject["access_token"]
        with pytest.raises(Refused) as refused:
            await driver.do("grant", grant_type=TOKEN_EXCHANGE, parameters={**wanted, "subject_token": "no such token"})
    assert refused.value.error == "invalid_request"


async def test_a_client_that_registers_itself(ada: Ada) -> None:
    metadata = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "application_type": "native"}
    async with openid_client(ada.provider.issuer, {"register": metadata}, ada.person) as driver:
        assert driver.client["client_id"]
        assert await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})


async def test_a_server_that_is_not_there_has_refused_nothing(provider: OidcProvider) -> None:
    with pytest.raises(Broken):
        async with openid_client(f"http://127.0.0.1:{free_port()}", PUBLIC):
            pass
    async with openid_client(provider.issuer, PUBLIC, discovery="oidc") as driver:
        with pytest.raises(Broken):
            await driver.do("no such step")


async def test_an_answer_that_names_another_issuer_is_not_believed(ada: Ada) -> None:
    async def confuse(url: str) -> str:
        back = httpx2.URL(await ada.open(url))
        return str(back.copy_set_param("iss", "https://attacker.example"))

    async with openid_client(ada.provider.issuer, PUBLIC, Person(open=confuse)) as driver:
        with pytest.raises(Broken) as broken:
            await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})
        assert driver.requests == []
    assert broken.value.code == "OAUTH_INVALID_RESPONSE"


async def test_what_the_person_refused(ada: Ada) -> None:
    async def refuse(url: str) -> str:
        state = httpx2.URL(url).params["state"]
        return f"{REDIRECT}?error=access_denied&state={state}&iss={ada.provider.issuer}"

    async with openid_client(ada.provider.issuer, PUBLIC, Person(open=refuse)) as driver:
        with pytest.raises(Refused) as refused:
            await driver.do("authorize", redirect_uri=REDIRECT, parameters={"scope": "openid"})
    assert refused.value.error == "access_denied"
