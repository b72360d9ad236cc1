"""/callback: only the browser that approved, only once, and only an answer that the provider really gave it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, Visitor, open_door, response_parameters
from vestibule.testing.identity_provider import ScriptedIdentityProvider, SigningKey
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    work = {
        "kind": "oidc",
        "name": "work",
        "title": "Work",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
    }
    async with open_door(tmp_path, upstream.url, identity_providers=[work]) as running:
        idp.now = lambda: running.clock().timestamp()
        yield running


async def to_provider(door: Door) -> tuple[Visitor, str]:
    """A visitor who has approved, and the URL of the provider that they are sent to."""
    flow = Flow(door, await door.register())
    visitor = door.browser()
    answer = await visitor.decide(await visitor.ask(flow))
    assert answer.status_code == 303, answer.text
    return visitor, answer.headers["location"]


async def back(visitor: Visitor, provider_url: str) -> httpx2.Response:
    """Through the provider, and back at our callback."""
    answer = await visitor.http.get(provider_url)
    return await visitor.http.get(answer.headers["location"])


def assert_nobody_came_in(answer: httpx2.Response, visitor: Visitor) -> None:
    assert answer.status_code in (302, 400, 403, 502, 503)
    assert "code=" not in answer.headers.get("location", "")
    assert visitor.cookie("session") is None


async def test_the_whole_way(door: Door, idp: ScriptedIdentityProvider) -> None:
    visitor, url = await to_provider(door)
    assert "code" in response_parameters(await back(visitor, url), REDIRECT)


@vector("CB-001", "CB-002")
@pytest.mark.parametrize(
    "query", ["code=x", "code=x&state=", "code=x&state=zzz", "state=zzz", "", "error=access_denied"]
)
async def test_missing_or_unknown_state(vector: str, door: Door, query: str) -> None:
    visitor, _ = await to_provider(door)
    assert_nobody_came_in(await visitor.get(f"/callback/work?{query}"), visitor)


@vector("CB-002", "CB-027")
async def test_a_state_is_used_once(vector: str, door: Door) -> None:
    visitor, url = await to_provider(door)
    answer = await visitor.http.get(url)
    again = await asyncio.gather(*[visitor.http.get(answer.headers["location"]) for _ in range(5)])
    assert sorted(one.status_code for one in again) == [302, 400, 400, 400, 400]


@vector("CB-027")
async def test_head_redeems_nothing(vector: str, door: Door) -> None:
    visitor, url = await to_provider(door)
    answer = await visitor.http.get(url)
    assert (await visitor.http.head(answer.headers["location"])).status_code == 405
    assert (await visitor.http.get(answer.headers["location"])).status_code == 302


@vector("CB-003")
async def test_a_state_expires(vector: str, door: Door) -> None:
    visitor, url = await to_provider(door)
    door.clock.advance(601)
    answer = await back(visitor, url)
    assert answer.status_code == 400
    assert "start again" in answer.text


@vector("CONS-011", "CB-002")
async def test_another_browser_does_not_come_in(vector: str, door: Door) -> None:
    _, url = await to_provider(door)
    victim = door.browser()
    assert_nobody_came_in(await back(victim, url), victim)


async def test_an_answer_at_another_providers_callback(door: Door) -> None:
    visitor, url = await to_provider(door)
    answer = await visitor.http.get(url)
    moved = answer.headers["location"].replace("/callback/work", "/callback/other")
    assert_nobody_came_in(await visitor.http.get(moved), visitor)


ANOTHER_KEY = SigningKey("k1")


def claims(**changed: Any) -> Callable[[ScriptedIdentityProvider], None]:
    return lambda idp: idp.claims.update(changed)


def header(**changed: Any) -> Callable[[ScriptedIdentityProvider], None]:
    return lambda idp: idp.header.update(changed)


def token_answer(status: int, value: Any) -> Callable[[ScriptedIdentityProvider], None]:
    def change(idp: ScriptedIdentityProvider) -> None:
        idp.answers["/token"] = lambda: (status, value)

    return change


def other_key(idp: ScriptedIdentityProvider) -> None:
    idp.signing = ANOTHER_KEY


@vector("CB-008", "CB-017", "CB-024", "CB-030")
@pytest.mark.parametrize(
    "wrong",
    [
        claims(iss="https://evil.example"),
        claims(aud="other"),
        claims(aud=["gateway", "other"]),
        claims(aud=None),
        claims(azp="other"),
        claims(nonce="other"),
        claims(nonce=None),
        claims(exp=1),
        claims(exp=None),
        claims(exp="tomorrow"),
        claims(iat=99999999999),
        claims(nbf=99999999999),
        claims(sub=None),
        claims(sub=""),
        claims(sub=7),
        claims(sub="a" * 300),
        claims(sub="a\nb"),
        header(alg="none"),
        header(alg="HS256"),
        header(alg="RS384"),
        header(kid="unknown"),
        header(crit=["x"]),
        other_key,
        token_answer(200, {"access_token": "x", "token_type": "Bearer"}),
        token_answer(200, {"access_token": "x", "token_type": "mac", "id_token": "x"}),
        token_answer(200, {"access_token": "x", "token_type": "Bearer", "id_token": "x.y.z"}),
        token_answer(200, b"[]"),
        token_answer(200, b"not json"),
        token_answer(200, b"{" + b" " * 2_000_000 + b"}"),
        token_answer(400, {"error": "invalid_grant"}),
        token_answer(500, {}),
        token_answer(302, {}),
    ],
    ids=[
        *(
            "iss",
            "aud",
            "aud-list-without-azp",
            "no-aud",
            "azp",
            "nonce",
            "no-nonce",
            "exp",
            "no-exp",
            "exp-text",
            "iat",
        ),
        *("nbf", "no-sub", "empty-sub", "sub-number", "long-sub", "sub-newline", "alg-none", "alg-hs256", "alg-rs384"),
        *("kid", "crit", "another-key-with-that-kid", "no-id-token", "token-type", "no-jwt", "list", "garbage", "huge"),
        *("invalid-grant", "500", "redirect"),
    ],
)
async def test_an_answer_that_is_not_acceptable(
    vector: str, door: Door, idp: ScriptedIdentityProvider, wrong: Callable[[ScriptedIdentityProvider], None]
) -> None:
    visitor, url = await to_provider(door)
    wrong(idp)
    assert_nobody_came_in(await back(visitor, url), visitor)


@pytest.mark.parametrize("iss", ["https://evil.example", "", None])
async def test_mix_up_the_answers_iss(door: Door, idp: ScriptedIdentityProvider, iss: str | None) -> None:
    visitor, url = await to_provider(door)
    location = (await visitor.http.get(url)).headers["location"]
    url, _, query = location.partition("?")
    parts = [part for part in query.split("&") if not part.startswith("iss=")] + ([f"iss={iss}"] if iss else [])
    assert_nobody_came_in(await visitor.http.get(f"{url}?{'&'.join(parts)}"), visitor)


async def test_a_person_who_says_no_at_the_provider(door: Door, idp: ScriptedIdentityProvider) -> None:
    visitor, url = await to_provider(door)
    state = url.split("state=")[1].split("&")[0]
    answer = await visitor.get(f"/callback/work?error=access_denied&state={state}&iss={idp.issuer}")
    assert response_parameters(answer, REDIRECT)["error"] == "access_denied"


@vector("CB-015")
async def test_pkce_toward_the_provider_and_no_secret_in_a_url(
    vector: str, door: Door, idp: ScriptedIdentityProvider
) -> None:
    visitor, url = await to_provider(door)
    await back(visitor, url)
    (asked,) = [parameters for _, path, parameters in idp.seen if path == "/authorize"]
    (redeemed,) = [parameters for _, path, parameters in idp.seen if path == "/token"]
    assert asked["code_challenge_method"] == "S256"
    assert len(redeemed["code_verifier"]) >= 43
    assert redeemed["code_verifier"] not in url
    assert redeemed["code_verifier"] != asked["state"]
    assert idp.client_secret not in url
    assert "resource" not in asked


@vector("CB-020", "CB-021")
@pytest.mark.parametrize("verified", [False, "false", "true", 0, 1, None])
async def test_an_unverified_address_is_no_address(
    vector: str, door: Door, idp: ScriptedIdentityProvider, verified: Any
) -> None:
    idp.claims["email_verified"] = verified
    visitor, url = await to_provider(door)
    await back(visitor, url)
    (grant,) = await door.house.store.grants.list_live()
    assert grant.identity.email == ""
    assert (grant.identity.issuer, grant.identity.subject) == (idp.issuer, "alice")
    assert grant.tenant == "default"


@vector("CB-030")
async def test_hostile_claims(vector: str, door: Door, idp: ScriptedIdentityProvider) -> None:
    idp.claims |= {"name": "<b>\x00\u202e" + "x" * 20_000, "email": "a@evil@corp.example", "groups": ["g"] * 3000}
    visitor, url = await to_provider(door)
    assert (await back(visitor, url)).status_code == 302
    (grant,) = await door.house.store.grants.list_live()
    assert len(grant.identity.name) <= 100
    assert grant.identity.name.isprintable()
    assert grant.identity.email == ""


async def test_an_unknown_kid_allows_one_fresh_look(door: Door, idp: ScriptedIdentityProvider) -> None:
    visitor, url = await to_provider(door)
    assert (await back(visitor, url)).status_code == 302
    idp.signing = SigningKey("k2")
    idp.published.append(idp.signing)
    visitor, url = await to_provider(door)
    assert (await back(visitor, url)).status_code == 302
    looks = [path for _, path, _ in idp.seen].count("/jwks")
    idp.header["kid"] = "k3"
    for _ in range(3):
        visitor, url = await to_provider(door)
        assert_nobody_came_in(await back(visitor, url), visitor)
    assert [path for _, path, _ in idp.seen].count("/jwks") == looks


async def test_a_provider_that_is_down_gets_a_page_and_the_request_stays_open(
    door: Door, idp: ScriptedIdentityProvider
) -> None:
    idp.answers["/.well-known/openid-configuration"] = lambda: (500, {})
    flow = Flow(door, await door.register())
    visitor = door.browser()
    page = await visitor.ask(flow)
    assert (await visitor.decide(page)).status_code == 503
    del idp.answers["/.well-known/openid-configuration"]
    door.clock.advance(1)  # as long as it takes to click again
    answer = await visitor.decide(page)
    assert "code" in response_parameters(await back(visitor, answer.headers["location"]), REDIRECT)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"jwks_uri": None},
        {"code_challenge_methods_supported": ["plain"]},
    ],
    ids=str,
)
async def test_a_discovery_document_that_is_not_acceptable(
    door: Door, idp: ScriptedIdentityProvider, changed: dict[str, Any]
) -> None:
    idp.answers["/.well-known/openid-configuration"] = lambda: (200, {**idp.metadata(), **changed})
    visitor = door.browser()
    page = await visitor.ask(Flow(door, await door.register()))
    assert (await visitor.decide(page)).status_code == 503


async def test_a_provider_that_answers_nothing_costs_ten_seconds_at_most(
    door: Door, idp: ScriptedIdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    monkeypatch.setattr(door.house._outbound, "_deadline", timedelta(seconds=0.3))
    idp.delay = 5
    visitor = door.browser()
    page = await visitor.ask(Flow(door, await door.register()))
    begun = time.monotonic()
    assert (await visitor.decide(page)).status_code == 503
    assert time.monotonic() - begun < 4


@vector("CB-028")
async def test_a_provider_that_is_gone_meanwhile_signs_nobody_in(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider
) -> None:
    """The operator takes it out of the file while somebody is there; the store knows the sign-in still."""
    work = {
        "kind": "oidc",
        "name": "work",
        "issuer": idp.issuer,
        "client_id": idp.client_id,
        "client_secret": idp.client_secret,
    }
    async with open_door(tmp_path, upstream.url, identity_providers=[work]) as door:
        idp.now = lambda: door.clock().timestamp()
        visitor, url = await to_provider(door)
        returned = (await visitor.http.get(url)).headers["location"]
        cookies, port = dict(visitor.http.cookies), int(door.url.rpartition(":")[2])
    development = [{"kind": "development", "name": "development"}]
    async with open_door(tmp_path, upstream.url, identity_providers=development, port=port) as door:
        visitor = door.browser()
        visitor.http.cookies.update(cookies)
        assert_nobody_came_in(await visitor.get(returned), visitor)
