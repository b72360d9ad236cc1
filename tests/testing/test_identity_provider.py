"""The scriptable identity provider: right by itself, and wrong exactly as it is told to be."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest

from vestibule.errors import FetchError
from vestibule.oauth_client.discovery import metadata_url, read_metadata
from vestibule.outbound import OutboundClient
from vestibule.ports import HttpAnswer
from vestibule.protocol import jwt
from vestibule.protocol.pkce import challenge_of
from vestibule.testing.identity_provider import HOSTILE_CLAIMS, ScriptedIdentityProvider, SigningKey, hang

VERIFIER = "v" * 43
CALLBACK = "http://127.0.0.1:1/callback/work"
NOW = 1_800_000_000


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        running.now = lambda: NOW
        yield running


@pytest.fixture
async def http() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(deadline=timedelta(seconds=5))
    yield client
    await client.close()


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


async def begin(http: OutboundClient, idp: ScriptedIdentityProvider, **overrides: str) -> dict[str, str]:
    """What the browser brings back to the callback."""
    query = {
        "response_type": "code",
        "client_id": idp.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **overrides,
    }
    answer = await http.get(f"{idp.metadata()['authorization_endpoint']}?{urlencode(query)}")
    assert answer.status == 302
    assert answer.headers["location"].startswith(CALLBACK)
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def redeem(
    http: OutboundClient, idp: ScriptedIdentityProvider, code: str, headers: dict[str, str] | None = None, **form: str
) -> HttpAnswer:
    right = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    headers = basic(idp.client_id, idp.client_secret) if headers is None else headers
    return await http.post_form(f"{idp.issuer}/token", {**right, **form}, headers=headers)


async def sign_in(http: OutboundClient, idp: ScriptedIdentityProvider) -> dict[str, Any]:
    answer = await redeem(http, idp, (await begin(http, idp))["code"])
    assert answer.status == 200
    tokens: dict[str, Any] = json.loads(answer.body)
    return tokens


def claims_of(idp: ScriptedIdentityProvider, token: str, algorithms: tuple[str, ...] = ("RS256",)) -> dict[str, Any]:
    return jwt.verify(token, idp.jwks(), algorithms=algorithms)[1]


def payload_of(token: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return payload


# --- right by itself ------------------------------------------------------------------------------------------------


async def test_discovery_and_keys(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    metadata = read_metadata((await http.get(metadata_url(idp.issuer))).body, issuer=idp.issuer)
    assert metadata.sends_iss
    assert json.loads((await http.get(metadata.jwks_uri)).body) == idp.jwks()
    assert all("d" not in key for key in idp.jwks()["keys"])


async def test_the_whole_way(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    back = await begin(http, idp)
    assert (back["state"], back["iss"]) == ("a state", idp.issuer)
    tokens = json.loads((await redeem(http, idp, back["code"])).body)
    assert tokens["token_type"] == "Bearer"
    assert claims_of(idp, tokens["id_token"]) == {
        "iss": idp.issuer,
        "aud": "gateway",
        "sub": "alice",
        "exp": NOW + 300,
        "iat": NOW,
        "auth_time": NOW,
        "nonce": "a nonce",
        "name": "Alice",
        "email": "alice@example.com",
        "email_verified": True,
    }
    person = await http.get(f"{idp.issuer}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert json.loads(person.body)["sub"] == "alice"
    assert (await http.get(f"{idp.issuer}/userinfo", headers={"Authorization": "Bearer x"})).status == 401


async def test_another_person(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    idp.subject = "bob"
    claims = claims_of(idp, (await sign_in(http, idp))["id_token"])
    assert (claims["sub"], claims["email"]) == ("bob", "bob@example.com")


async def test_a_code_works_once(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    code = (await begin(http, idp))["code"]
    assert [(await redeem(http, idp, code)).status for _ in range(2)] == [200, 400]


@pytest.mark.parametrize(
    "wrong", [{"code": "x"}, {"code_verifier": "w" * 43}, {"redirect_uri": CALLBACK + "/"}, {"grant_type": "password"}]
)
async def test_what_does_not_belong_to_the_code(
    http: OutboundClient, idp: ScriptedIdentityProvider, wrong: dict[str, str]
) -> None:
    code = (await begin(http, idp))["code"]
    form = {"code": code, **wrong}
    assert (await redeem(http, idp, form.pop("code"), None, **form)).status == 400


@pytest.mark.parametrize(
    ("headers", "form", "status"),
    [
        (basic("gateway", "wrong"), {}, 401),
        (basic("other", "gateway-secret-of-tests"), {}, 401),
        ({}, {}, 401),
        ({}, {"client_id": "gateway"}, 401),
        ({}, {"client_id": "gateway", "client_secret": "wrong"}, 401),
        (basic("gateway", "gateway-secret-of-tests"), {"client_secret": "gateway-secret-of-tests"}, 401),
        ({}, {"client_id": "gateway", "client_secret": "gateway-secret-of-tests"}, 200),
    ],
)
async def test_the_client_is_authenticated(
    http: OutboundClient, idp: ScriptedIdentityProvider, headers: dict[str, str], form: dict[str, str], status: int
) -> None:
    assert (await redeem(http, idp, (await begin(http, idp))["code"], headers, **form)).status == status


async def test_secrets_with_signs_and_public_clients(http: OutboundClient) -> None:
    async with ScriptedIdentityProvider(client_id="a:b", client_secret="c+d/%&") as idp:
        assert "id_token" in await sign_in(http, idp)
    async with ScriptedIdentityProvider(client_secret="") as idp:
        code = (await begin(http, idp))["code"]
        assert (await redeem(http, idp, code, {}, client_id="gateway")).status == 200


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_id": "other"}, "unauthorized_client"),
        ({"response_type": "token"}, "unauthorized_client"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
    ],
)
async def test_a_request_that_is_not_acceptable(
    http: OutboundClient, idp: ScriptedIdentityProvider, wrong: dict[str, str], error: str
) -> None:
    back = await begin(http, idp, **wrong)
    assert back["error"] == error
    assert "code" not in back


async def test_refresh_tokens_rotate(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    tokens = await sign_in(http, idp)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    again = await redeem(http, idp, "", **form)
    assert again.status == 200
    assert "nonce" not in claims_of(idp, json.loads(again.body)["id_token"])
    assert json.loads(again.body)["refresh_token"] != tokens["refresh_token"]
    assert (await redeem(http, idp, "", **form)).status == 400


async def test_an_issuer_with_a_path(http: OutboundClient) -> None:
    async with ScriptedIdentityProvider(path="/tenant/v2.0") as idp:
        assert idp.issuer.endswith("/tenant/v2.0")
        read_metadata((await http.get(metadata_url(idp.issuer))).body, issuer=idp.issuer)
        assert claims_of(idp, (await sign_in(http, idp))["id_token"])["iss"] == idp.issuer
        assert len(idp.asked("/token")) == 1


async def test_it_records_what_it_was_asked(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    await sign_in(http, idp)
    (asked,), (redeemed,) = idp.asked("/authorize"), idp.asked("/token")
    assert (asked.method, asked.query["nonce"]) == ("GET", "a nonce")
    assert (redeemed.method, redeemed.form["code_verifier"]) == ("POST", VERIFIER)
    assert redeemed.headers["authorization"].startswith("Basic ")
    assert [(method, path) for method, path, _ in idp.seen] == [("GET", "/authorize"), ("POST", "/token")]


# --- wrong as it is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "https://evil.example"),
        ("aud", "other"),
        ("aud", ["gateway", "other"]),
        ("azp", "other"),
        ("nonce", "other"),
        ("exp", 1),
        ("iat", NOW * 2),
        ("email_verified", False),
        ("email_verified", "false"),
        ("email_verified", 0),
        ("sub", ""),
    ],
)
async def test_one_claim_is_wrong_and_the_signature_right(
    http: OutboundClient, idp: ScriptedIdentityProvider, name: str, value: Any
) -> None:
    idp.script.id_token[name] = value
    claims = claims_of(idp, (await sign_in(http, idp))["id_token"])
    assert claims[name] == value
    assert type(claims[name]) is type(value)


@pytest.mark.parametrize("name", ["nonce", "exp", "sub", "email_verified"])
async def test_one_claim_is_missing(http: OutboundClient, idp: ScriptedIdentityProvider, name: str) -> None:
    idp.script.id_token[name] = None
    assert name not in claims_of(idp, (await sign_in(http, idp))["id_token"])


async def test_no_signature(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    idp.script.id_token_header["alg"] = "none"
    token = (await sign_in(http, idp))["id_token"]
    assert token.endswith(".")
    with pytest.raises(jwt.JwtError):
        claims_of(idp, token)


async def test_the_public_key_as_an_hmac_secret(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    """It is the real attack: who verifies with the PEM as a secret finds the signature right."""
    idp.script.id_token_header["alg"] = "HS256"
    signed, _, signature = (await sign_in(http, idp))["id_token"].rpartition(".")
    expected = hmac.new(idp.signing.public_pem(), signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected


async def test_another_algorithm_of_the_same_key(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    jwk = {name: value for name, value in idp.signing.public_jwk().items() if name != "alg"}
    for algorithm in ("RS384", "RS512", "PS256", "PS512"):
        idp.script.id_token_header["alg"] = algorithm
        token = (await sign_in(http, idp))["id_token"]
        assert jwt.verify(token, {"keys": [jwk]}, algorithms=[algorithm])[1]["sub"] == "alice"


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_rotated_keys(http: OutboundClient, idp: ScriptedIdentityProvider, algorithm: str) -> None:
    old = (await sign_in(http, idp))["id_token"]
    idp.rotate_key(algorithm=algorithm)
    new = (await sign_in(http, idp))["id_token"]
    assert idp.metadata()["id_token_signing_alg_values_supported"] == [algorithm]
    for token in (old, new):
        assert claims_of(idp, token, ("RS256", algorithm))["sub"] == "alice"
    idp.rotate_key(keep_old=False)
    with pytest.raises(jwt.UnknownKey):
        claims_of(idp, new, ("RS256", algorithm))


async def test_unknown_and_stolen_kids(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    idp.script.id_token_header["kid"] = "unknown"
    with pytest.raises(jwt.UnknownKey):
        claims_of(idp, (await sign_in(http, idp))["id_token"])
    idp.script.id_token_header.clear()
    idp.signing = SigningKey("k1")  # not the published one of that name
    with pytest.raises(jwt.JwtError, match="no key of the issuer"):
        claims_of(idp, (await sign_in(http, idp))["id_token"])


async def test_members_of_the_other_answers(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    idp.script.token |= {"id_token": None, "token_type": "mac"}
    idp.script.redirect |= {"iss": None, "state": "other"}
    idp.script.metadata |= {"issuer": "https://evil.example", "jwks_uri": None}
    idp.script.userinfo["sub"] = "mallory"
    back = await begin(http, idp)
    assert ("iss" in back, back["state"]) == (False, "other")
    tokens = json.loads((await redeem(http, idp, back["code"])).body)
    assert ("id_token" in tokens, tokens["token_type"]) == (False, "mac")
    metadata = json.loads((await http.get(metadata_url(idp.issuer))).body)
    assert ("jwks_uri" in metadata, metadata["issuer"]) == (False, "https://evil.example")
    person = await http.get(f"{idp.issuer}/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert json.loads(person.body)["sub"] == "mallory"


async def test_a_person_who_says_no(http: OutboundClient, idp: ScriptedIdentityProvider) -> None:
    idp.script.redirect |= {"code": None, "error": "access_denied"}
    assert await begin(http, idp) == {"state": "a state", "iss": idp.issuer, "error": "access_denied"}


@pytest.mark.parametrize(
    "content", [{"error": "server_error"}, [], b"<html>", b"\x00\xff", b"{" * 100_000], ids=lambda c: repr(c)[:20]
)
@pytest.mark.parametrize("path", ["/token", "/jwks", "/.well-known/openid-configuration", "/userinfo"])
async def test_another_answer_altogether(
    http: OutboundClient, idp: ScriptedIdentityProvider, path: str, content: Any
) -> None:
    idp.script.answers[path] = lambda: (500, content)
    answer = await http.get(f"{idp.issuer}{path}")
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    assert (answer.status, answer.body) == (500, body)


@pytest.mark.parametrize("name", HOSTILE_CLAIMS)
async def test_hostile_claims_are_signed_as_they_are(
    http: OutboundClient, idp: ScriptedIdentityProvider, name: str
) -> None:
    idp.script.id_token |= HOSTILE_CLAIMS[name]
    token = idp.id_token("a nonce")
    assert {member: payload_of(token)[member] for member in HOSTILE_CLAIMS[name]} == HOSTILE_CLAIMS[name]
    if name == "a name of 1 MB":
        assert len(token) > 1_000_000


async def test_faults_and_being_down(idp: ScriptedIdentityProvider) -> None:
    http = OutboundClient(deadline=timedelta(seconds=0.3))
    idp.faults["/jwks"] = hang
    with pytest.raises(FetchError):
        await http.get(f"{idp.issuer}/jwks")
    assert (await http.get(metadata_url(idp.issuer))).status == 200
    issuer = idp.issuer
    await idp.stop()
    with pytest.raises(FetchError):
        await http.get(metadata_url(issuer))
    await idp.start()
    assert idp.issuer == issuer
    assert (await http.get(metadata_url(issuer))).status == 200
    await http.close()


async def test_a_delay_before_every_answer(idp: ScriptedIdentityProvider) -> None:
    http = OutboundClient(deadline=timedelta(seconds=0.2))
    idp.delay = 10
    with pytest.raises(FetchError):
        await http.get(metadata_url(idp.issuer))
    idp.delay = 0.01
    assert (await http.get(metadata_url(idp.issuer))).status == 200
    await http.close()


async def test_short_names_are_the_script(idp: ScriptedIdentityProvider) -> None:
    idp.claims["aud"] = "other"
    idp.claims |= {"azp": "x"}
    idp.header["kid"] = "x"
    idp.header |= {"typ": None}
    idp.answers["/jwks"] = lambda: (500, {})
    assert idp.script.id_token == {"aud": "other", "azp": "x"}
    assert idp.script.id_token_header == {"kid": "x", "typ": None}
    assert "/jwks" in idp.script.answers
