"""Each kind of issuer through a whole gateway: whose tokens come in, and whose do not although they are real."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.foreign import API, error_of
from tests.support.house import Door, open_door
from vestibule.testing.entra import ALICE, TENANT_A, TENANT_B, ScriptedEntra
from vestibule.testing.github import ScriptedGitHub
from vestibule.testing.google import ScriptedGoogle
from vestibule.testing.identity_provider import ScriptedIdentityProvider, hang
from vestibule.testing.recording_upstream import RecordingUpstream

SECRET = "gateway-secret-of-tests"


@asynccontextmanager
async def door_for(folder: Path, upstream: RecordingUpstream, *issuers: Mapping[str, Any]) -> AsyncIterator[Door]:
    section = {"identifiers": [API], "issuers": list(issuers)}
    async with open_door(folder, upstream.url, resource_server=section) as door:
        yield door


# --- Entra ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def entra() -> AsyncIterator[ScriptedEntra]:
    async with ScriptedEntra() as running:
        yield running


def entra_token(entra: ScriptedEntra, door: Door, **changed: Any) -> str:
    """As the v2.0 endpoint writes it for an API of one's own."""
    now = int(door.clock().timestamp())
    tenant = changed.get("tid", TENANT_A)
    right = {
        "aud": API,
        "iss": f"{entra.origin}/{tenant}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + 4000,
        "azp": "c0ffee00-0000-4000-8000-000000000000",
        "oid": ALICE,
        "scp": "mcp other",
        "sub": "pairwise-and-different-in-every-application",
        "tid": TENANT_A,
        "ver": "2.0",
        **changed,
    }
    return entra.signing.sign({name: value for name, value in right.items() if value is not None}, {"typ": "JWT"})


def v1(tenant: str = TENANT_A, **more: Any) -> dict[str, Any]:
    return {"iss": f"https://sts.windows.net/{tenant}/", "ver": "1.0", "azp": None, "appid": "c0ffee", **more}


async def test_entra_of_one_tenant(tmp_path: Path, upstream: RecordingUpstream, entra: ScriptedEntra) -> None:
    issuer = {"issuer": f"{entra.origin}/{TENANT_A}/v2.0", "kind": "entra"}
    async with door_for(tmp_path, upstream, issuer) as door:
        assert (await door.call(entra_token(entra, door))).status_code == 200
        app_only = {"scp": None, "roles": ["mcp"], "idtyp": "app"}
        assert (await door.call(entra_token(entra, door, **app_only))).status_code == 200
        assert error_of(await door.call(entra_token(entra, door, tid=TENANT_B))) == "INVALID_ISSUER"
        assert error_of(await door.call(entra_token(entra, door, azp=None))) == "INVALID_TOKEN"
        assert error_of(await door.call(entra_token(entra, door, oid=None))) == "INVALID_ISSUER"
        graph = {"aud": "00000003-0000-0000-c000-000000000000"}
        assert error_of(await door.call(entra_token(entra, door, **graph))) == "INVALID_AUDIENCE"
        assert (await door.call(entra_token(entra, door, scp="other"))).status_code == 403


async def test_a_tenant_of_the_iss_is_the_tenant_of_the_tid(
    tmp_path: Path, upstream: RecordingUpstream, entra: ScriptedEntra
) -> None:
    issuer = {"issuer": f"{entra.origin}/{{tenantid}}/v2.0", "kind": "entra", "tenants": [TENANT_A, TENANT_B]}
    async with door_for(tmp_path, upstream, issuer) as door:
        assert (await door.call(entra_token(entra, door))).status_code == 200
        assert (await door.call(entra_token(entra, door, tid=TENANT_B))).status_code == 200
        crossed = entra_token(entra, door, tid=TENANT_B, iss=f"{entra.origin}/{TENANT_A}/v2.0")
        assert error_of(await door.call(crossed)) == "INVALID_ISSUER"
        stranger = "cccccccc-1111-4111-8111-111111111111"
        assert error_of(await door.call(entra_token(entra, door, tid=stranger))) == "INVALID_ISSUER"
        template = entra_token(entra, door, iss=f"{entra.origin}/{{tenantid}}/v2.0")
        assert error_of(await door.call(template)) == "INVALID_ISSUER"
        entra.key_issuer = f"{entra.origin}/{TENANT_B}/v2.0"
        door.clock.advance(3700)
        assert error_of(await door.call(entra_token(entra, door))) == "INVALID_ISSUER"
        assert (await door.call(entra_token(entra, door, tid=TENANT_B))).status_code == 200


async def test_both_versions_of_entra_are_one_person(tmp_path: Path, upstream: RecordingUpstream, entra: Any) -> None:
    issuer = {"issuer": f"{entra.origin}/{TENANT_A}/v2.0", "kind": "entra", "name": "work"}
    async with door_for(tmp_path, upstream, issuer) as door:
        from vestibule.model import Presented

        resource = door.house.plane.server.settings.resources[0]
        found = []
        for claims in ({}, v1()):
            shown = Presented(f"Bearer {entra_token(entra, door, **claims)}".encode())
            found.append(await door.house.gateway.doorkeeper.admit(shown, resource, door.clock().timestamp()))
        assert {one.user for one in found} == {f"work:{ALICE}"}
        assert {one.identity_issuer for one in found} == {f"{entra.origin}/{TENANT_A}/v2.0"}
        assert found[0].client_id == "c0ffee00-0000-4000-8000-000000000000"
        assert found[1].client_id == "c0ffee"
        assert "other" in found[0].scopes
        mixed = entra_token(entra, door, **{**v1(), "ver": "2.0"})
        assert error_of(await door.call(mixed)) == "INVALID_ISSUER"


# --- Google ---------------------------------------------------------------------------------------------------------

CLIENT = "gateway.apps.googleusercontent.com"


@pytest.fixture
async def google() -> AsyncIterator[ScriptedGoogle]:
    async with ScriptedGoogle() as running:
        running.subject = "1102484959"
        yield running


def google_issuer(google: ScriptedGoogle) -> dict[str, Any]:
    return {
        "issuer": google.issuer,
        "kind": "google",
        "name": "google",
        "audiences": [CLIENT],
        "scopes": ["mcp"],
        "api_url": google.origin,
    }


async def test_a_google_id_token_of_our_client(tmp_path: Path, upstream: RecordingUpstream, google: Any) -> None:
    async with door_for(tmp_path, upstream, google_issuer(google)) as door:
        google.now = lambda: door.clock().timestamp()
        assert (await door.call(google.id_token("n"))).status_code == 200
        google.claims["aud"] = "other.apps.googleusercontent.com"
        assert error_of(await door.call(google.id_token("n"))) == "INVALID_AUDIENCE"
        google.claims.clear()
        google.bare_issuer = True  # accounts.google.com, without the scheme
        assert (await door.call(google.id_token("m"))).status_code == 200


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"aud": "other.apps.googleusercontent.com"}, "INVALID_AUDIENCE"),
        ({"azp": "other.apps.googleusercontent.com"}, "INVALID_AUDIENCE"),
        ({"aud": None}, "INVALID_AUDIENCE"),
        ({"sub": None}, "INVALID_TOKEN"),
        ({"exp": None}, "INVALID_TOKEN"),
        ({"exp": "1"}, "TOKEN_EXPIRED"),
    ],
)
async def test_a_google_access_token(
    tmp_path: Path, upstream: RecordingUpstream, google: Any, changed: dict[str, Any], code: str | None
) -> None:
    async with door_for(tmp_path, upstream, google_issuer(google)) as door:
        right = {
            "aud": CLIENT,
            "azp": CLIENT,
            "sub": "1102484959",
            "scope": "openid email",
            "exp": str(int(door.clock().timestamp()) + 3000),
            "email": "alice@example.com",
            "email_verified": "true",
            **changed,
        }
        info = {name: value for name, value in right.items() if value is not None}
        google.answers["/tokeninfo"] = lambda: (200, info)
        answer = await door.call("ya29.secret")
        assert (None if answer.status_code == 200 else error_of(answer)) == code
        (asked,) = google.asked("/tokeninfo")
        assert asked.headers["authorization"] == "Bearer ya29.secret"
        assert "ya29" not in asked.target  # a URL ends in logs


async def test_a_google_access_token_that_google_does_not_know(
    tmp_path: Path, upstream: RecordingUpstream, google: Any
) -> None:
    async with door_for(tmp_path, upstream, google_issuer(google)) as door:
        google.answers["/tokeninfo"] = lambda: (400, {"error_description": "Invalid Value"})
        assert error_of(await door.call("ya29.x")) == "INVALID_TOKEN"
        google.answers["/tokeninfo"] = lambda: (503, {})
        answer = await door.call("ya29.y")
        assert (answer.status_code, error_of(answer)) == (503, "IDENTITY_PROVIDER_UNAVAILABLE")


# --- GitHub ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def github() -> AsyncIterator[ScriptedGitHub]:
    async with ScriptedGitHub() as running:
        yield running


def github_issuer(github: ScriptedGitHub, **more: Any) -> dict[str, Any]:
    ours = {"client_id": github.client_id, "client_secret": github.client_secret}
    return {"issuer": github.origin, "kind": "github", "name": "github", "scopes": ["mcp"], "api_url": github.api} | (
        more or ours
    )


async def test_a_github_token_of_our_application(tmp_path: Path, upstream: RecordingUpstream, github: Any) -> None:
    async with door_for(tmp_path, upstream, github_issuer(github)) as door:
        token = github.give_token("user:email")
        assert (await door.call(token)).status_code == 200
        assert (await door.call(token)).status_code == 200
        assert len(github.asked(f"/api/v3/applications/{github.client_id}/token")) == 1
        door.clock.advance(61)  # an answer about a token counts for a minute
        assert (await door.call(token)).status_code == 200
        assert len(github.asked(f"/api/v3/applications/{github.client_id}/token")) == 2


async def test_a_github_token_of_another_application(tmp_path: Path, upstream: RecordingUpstream, github: Any) -> None:
    async with door_for(tmp_path, upstream, github_issuer(github)) as door:
        other = github.give_token("user:email", of_other_app=True)
        assert error_of(await door.call(other)) == "INVALID_AUDIENCE"
        assert error_of(await door.call("ghp_unknown")) == "INVALID_AUDIENCE"
        assert not upstream.requests


async def test_a_github_token_of_any_application_if_the_operator_says_so(
    tmp_path: Path, upstream: RecordingUpstream, github: Any
) -> None:
    async with door_for(tmp_path, upstream, github_issuer(github, any_app=True)) as door:
        assert (await door.call(github.give_token("repo", of_other_app=True))).status_code == 200
        assert error_of(await door.call("ghp_unknown")) == "INVALID_TOKEN"
        github.rate_limited = True
        assert error_of(await door.call(github.give_token())) == "IDENTITY_PROVIDER_UNAVAILABLE"


# --- introspection --------------------------------------------------------------------------------------------------


def asked_issuer(idp: ScriptedIdentityProvider, **more: Any) -> dict[str, Any]:
    endpoint = {"introspection_endpoint": f"{idp.issuer}/introspect"}
    ours = {"client_id": "gateway", "client_secret": f"{SECRET}-of-{idp.issuer[-5:]}"}
    return {"issuer": idp.issuer, "kind": "introspection", "name": "asked", **ours, **endpoint, **more}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"active": False}, "INVALID_TOKEN"),
        ({"active": "true"}, "INVALID_TOKEN"),
        ({"active": 1}, "INVALID_TOKEN"),
        ({"aud": "https://other.example"}, "INVALID_AUDIENCE"),
        ({"aud": None}, "INVALID_AUDIENCE"),
        ({"iss": "https://other.example"}, "INVALID_ISSUER"),
        ({"exp": 1}, "TOKEN_EXPIRED"),
        ({"exp": "9999999999"}, "INVALID_TOKEN"),
        ({"sub": None}, "INVALID_TOKEN"),
        ({"sub": None, "client_id": "desk"}, None),
        ({"sub": "client:desk"}, "INVALID_TOKEN"),
        ({"cnf": {"x5t#S256": "x"}}, "INVALID_TOKEN"),
        ({"exp": None}, None),
        ({"token_use": "access_token", "token_type": "Bearer"}, None),
        ({"token_use": "refresh_token", "token_type": "Bearer"}, "INVALID_TOKEN"),  # Ory Hydra
        ({"typ": "Refresh"}, "INVALID_TOKEN"),  # Keycloak
        ({"typ": "ID"}, "INVALID_TOKEN"),
        ({"token_type": "refresh_token"}, "INVALID_TOKEN"),
    ],
)
async def test_what_an_issuer_says_of_a_token(
    tmp_path: Path, upstream: RecordingUpstream, changed: dict[str, Any], code: str | None
) -> None:
    async with ScriptedIdentityProvider() as idp, door_for(tmp_path, upstream, asked_issuer(idp)) as door:
        now = int(door.clock().timestamp())
        right = {
            "active": True,
            "sub": "alice",
            "aud": API,
            "iss": idp.issuer,
            "exp": now + 60,
            "scope": "mcp",
            **changed,
        }
        told = {name: value for name, value in right.items() if value is not None}
        idp.answers["/introspect"] = lambda: (200, told)
        answer = await door.call("opaque-1")
        assert (None if answer.status_code == 200 else error_of(answer)) == code
        (asked,) = idp.asked("/introspect")
        assert asked.form["token"] == "opaque-1"
        assert asked.headers["authorization"].startswith("Basic ")


async def test_one_token_in_many_spellings_is_asked_about_once(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with ScriptedIdentityProvider() as idp, AsyncExitStack() as stack:
        section = {"identifiers": [API], "issuers": [asked_issuer(idp)]}
        more: dict[str, Any] = {"resource_server": section, "api_keys": {"enabled": False}}
        door = await stack.enter_async_context(open_door(tmp_path, upstream.url, **more))
        now = int(door.clock().timestamp())
        told = {"active": True, "sub": "alice", "aud": API, "exp": now + 60, "scope": "mcp"}
        idp.answers["/introspect"] = lambda: (200, told)
        for headers in (
            {},
            {"X-Token-Provider": "nobody-1"},
            {"X-Token-Provider": "nobody-2"},
            {"Authorization": "Bearer  opaque-1"},
            {"Authorization": "Bearer   opaque-1"},
            {"X-API-Key": "of-somebody-else-1"},
            {"X-API-Key": "of-somebody-else-2"},
        ):
            assert (await door.call("opaque-1", headers=headers)).status_code == 200
        assert len(idp.asked("/introspect")) <= 2


async def test_an_issuer_that_says_nothing_is_no_refusal(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with ScriptedIdentityProvider() as idp, door_for(tmp_path, upstream, asked_issuer(idp)) as door:
        for status in (401, 500, 429):
            idp.answers["/introspect"] = lambda status=status: (status, {})  # type: ignore[misc]
            assert error_of(await door.call(f"opaque-{status}")) == "IDENTITY_PROVIDER_UNAVAILABLE"
        assert not upstream.requests


async def test_whom_to_ask_is_chosen_by_the_token_and_then_by_the_hint(
    tmp_path: Path, upstream: RecordingUpstream, github: Any
) -> None:
    """A hint proves nothing, and shows nobody a token that cannot be theirs."""
    async with ScriptedIdentityProvider() as first, ScriptedIdentityProvider() as second:
        issuers = (asked_issuer(first), asked_issuer(second, name="second"), github_issuer(github))
        async with door_for(tmp_path, upstream, *issuers) as door:
            no, yes = {"active": False}, {"active": True, "sub": "a", "aud": API, "scope": "mcp"}
            first.answers["/introspect"] = lambda: (200, no)
            second.answers["/introspect"] = lambda: (200, yes)
            assert (await door.call("x1")).status_code == 200
            assert (await door.call("x2", headers={"X-Token-Provider": "second"})).status_code == 200
            assert [one.form["token"] for one in first.asked("/introspect")] == ["x1"]
            refused = await door.call("x3", headers={"X-Token-Provider": "asked"})
            assert error_of(refused) == "INVALID_TOKEN"
            assert (await door.call("x3")).status_code == 200
            await door.call(github.give_token(), headers={"X-Token-Provider": "second"})
            await door.call("eyJhbGciOiJub25lIn0.e30.", headers={"X-Token-Provider": "second"})
            assert [one.form["token"] for one in second.asked("/introspect")] == ["x1", "x2", "x3"]


async def test_one_issuer_that_hangs_holds_up_nobody_else(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with ScriptedIdentityProvider() as dead, ScriptedIdentityProvider() as idp:
        issuers = (asked_issuer(dead), {"issuer": idp.issuer, "name": "work"})
        async with door_for(tmp_path, upstream, *issuers) as door:
            import asyncio

            from tests.support.foreign import Issuer

            dead.faults["/introspect"] = hang
            waiting = asyncio.create_task(door.call("opaque"))
            await asyncio.sleep(0.05)
            assert (await Issuer(idp, door, upstream).call()).status_code == 200
            assert not waiting.done()
            waiting.cancel()


# --- tokens that are bound to a key ---------------------------------------------------------------------------------


async def test_a_bound_token_is_good_with_a_proof_of_its_key(tmp_path: Path, upstream: RecordingUpstream) -> None:
    from tests.support.foreign import trusted
    from tests.support.proofs import proof, token_hash
    from vestibule.testing.signing_key import SigningKey

    holder, thief = SigningKey("h", "ES256"), SigningKey("t", "ES256")
    async with trusted(tmp_path, upstream) as work:
        token = work.token(cnf={"jkt": thumbprint(holder)})
        for key, status in ((holder, 200), (holder, 200), (thief, 401)):
            shown = proof(work.door, key, work.door.mcp, ath=token_hash(token))
            answer = await work.door.call(None, headers={"Authorization": f"DPoP {token}", "DPoP": shown})
            assert answer.status_code == status


def thumbprint(key: Any) -> str:
    """RFC 7638, of an EC key."""
    import base64
    import hashlib
    import json

    members = {name: key.public_jwk()[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def test_a_bound_token_without_a_proof_is_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    from tests.support.foreign import trusted

    async with trusted(tmp_path, upstream) as work:
        bound = work.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
        answer = await work.call(bound)
        assert error_of(answer) == "INVALID_DPOP_PROOF"
        assert answer.headers["www-authenticate"].startswith("DPoP ")
        answer = await work.door.call(None, headers={"Authorization": f"DPoP {bound}"})
        assert error_of(answer) == "INVALID_DPOP_PROOF"
        answer = await work.door.call(None, headers={"Authorization": f"DPoP {work.token()}"})
        assert error_of(answer) == "INVALID_TOKEN"
        assert error_of(await work.call(cnf={"x5t#S256": "x"})) == "INVALID_TOKEN"
        assert not upstream.requests
