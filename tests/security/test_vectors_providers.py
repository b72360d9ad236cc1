"""/callback of the providers by name: each says who belongs where in its own way, and only that way counts.

Whole sign-ins through the gateway, at services of the same shape over https.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.outbound.certificates import Authority
from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, Visitor, open_door, response_parameters
from vestibule.outbound.tls import client_context
from vestibule.testing.auth0 import ScriptedAuth0
from vestibule.testing.entra import ALICE, TENANT_A, TENANT_B, ScriptedEntra
from vestibule.testing.github import ScriptedGitHub
from vestibule.testing.google import ScriptedGoogle
from vestibule.testing.recording_upstream import RecordingUpstream

SECRET = "2Tq~8Q3yX.kfPw0sVhZr"


class World:
    """The four services, and a gateway that knows them all."""

    door: Door

    def __init__(self, authority: Authority) -> None:
        tls = authority.server_context("127.0.0.1")
        self.entra = ScriptedEntra(tls=tls, client_secret=SECRET)
        self.google = ScriptedGoogle(tls=tls)
        self.auth0 = ScriptedAuth0(tls=tls)
        self.github = ScriptedGitHub(tls=tls)
        self.github.client_secret, self.auth0.client_secret = f"{SECRET}-github", f"{SECRET}-auth0"
        self.google.client_secret = f"{SECRET}-google"
        self.ca_file = authority.file

    def providers(self, only: str) -> list[dict[str, Any]]:
        known: dict[str, dict[str, Any]] = {
            "entra": {
                "authority": self.entra.origin,
                "graph": self.entra.origin,
                "client_id": self.entra.client_id,
                "client_secret": SECRET,
                "tenants": [TENANT_A, TENANT_B],
                "roles": {"from": ["roles"]},
            },
            "google": {
                "issuer": self.google.issuer,
                "client_id": self.google.client_id,
                "client_secret": self.google.client_secret,
                "hosted_domain": ["corp.example"],
            },
            "auth0": {
                "domain": self.auth0.domain,
                "client_id": self.auth0.client_id,
                "client_secret": self.auth0.client_secret,
                "organization": "org_1",
            },
            "github": {
                "base_url": self.github.origin,
                "client_id": self.github.client_id,
                "client_secret": self.github.client_secret,
                "organizations": ["acme"],
                "roles": {"from": ["organizations"]},
            },
        }
        kinds = known if only == "all" else [only]
        return [{"kind": kind, "name": kind, **known[kind]} for kind in kinds]

    async def sign_in(self, **chosen: str) -> tuple[httpx2.Response, Visitor]:
        """Through consent and the provider, to the answer of our callback."""
        visitor = self.door.browser()
        page = await visitor.ask(Flow(self.door, await self.door.register()))
        answer = await visitor.decide(page, **chosen)
        assert answer.status_code == 303, answer.text
        context = client_context(self.ca_file)
        async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, verify=context) as browser:
            back = await browser.get(answer.headers["location"])
        return await visitor.get(back.headers["location"]), visitor

    async def came_in(self, **chosen: str) -> Any:
        """The identity of somebody who came in."""
        before = {grant.grant_id for grant in await self.door.house.store.grants.list_live()}
        answer, _ = await self.sign_in(**chosen)
        assert "code" in response_parameters(answer, REDIRECT)
        (new,) = [one for one in await self.door.house.store.grants.list_live() if one.grant_id not in before]
        return new.identity

    async def is_refused(self) -> None:
        answer, visitor = await self.sign_in()
        assert answer.status_code in (302, 403, 502)
        assert "code=" not in answer.headers.get("location", "")
        assert visitor.cookie("session") is None
        assert not await self.door.house.store.grants.list_live()


@pytest.fixture
async def world(tmp_path: Path, upstream: RecordingUpstream, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(Authority(tmp_path))
    async with world.entra, world.google, world.auth0, world.github:
        providers = world.providers(request.param)
        outbound = {"ca_file": str(world.ca_file)}
        async with open_door(tmp_path, upstream.url, identity_providers=providers, outbound=outbound) as door:
            world.door = door
            world.entra.now = world.google.now = world.auth0.now = lambda: door.clock().timestamp()
            yield world


def at(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", [kind], indirect=True)


# --- the whole way ----------------------------------------------------------------------------------------------------


@at("entra")
async def test_entra(world: World) -> None:
    world.entra.claims["roles"] = ["Tickets.Write"]
    identity = await world.came_in()
    assert (identity.issuer, identity.subject) == (f"{world.entra.origin}/{TENANT_A}/v2.0", ALICE)


@at("google")
async def test_google(world: World) -> None:
    world.google.hosted_domain, world.google.email = "corp.example", "alice@corp.example"
    assert (await world.came_in()).email == "alice@corp.example"


@at("auth0")
async def test_auth0(world: World) -> None:
    world.auth0.organizations = {"org_1": "acme"}
    assert (await world.came_in()).subject == world.auth0.subject


@at("github")
async def test_github(world: World) -> None:
    world.github.organizations = ["acme"]
    identity = await world.came_in()
    assert (identity.issuer, identity.subject) == (world.github.origin, "583231")


@at("all")
async def test_all_of_them_at_once(world: World) -> None:
    world.google.hosted_domain, world.google.email = "corp.example", "alice@corp.example"
    world.auth0.organizations = {"org_1": "acme"}
    world.github.organizations = ["acme"]
    people = {kind: await world.came_in(provider=kind) for kind in ("entra", "google", "auth0", "github")}
    assert {kind: one.provider for kind, one in people.items()} == {kind: kind for kind in people}
    assert len({(one.issuer, one.subject) for one in people.values()}) == 4


@pytest.mark.parametrize("world", ["entra", "google", "auth0", "github"], indirect=True)
async def test_no_secret_and_no_resource_is_in_a_url(world: World) -> None:
    await world.sign_in()
    for service in (world.entra, world.google, world.auth0, world.github):
        for request in service.received:
            assert SECRET not in request.target
            assert "resource" not in request.query


# --- the vectors ------------------------------------------------------------------------------------------------------


@vector("CB-018")
@at("entra")
@pytest.mark.parametrize(
    "claims",
    [
        {"tid": TENANT_B},  # iss is of tenant A
        {"tid": "cccccccc-3333-4333-8333-333333333333"},
        {"tid": None},
        {"iss": "{origin}/{tenantid}/v2.0"},
        {"iss": f"https://sts.windows.net/{TENANT_B}/", "ver": "1.0"},
        {"iss": "{origin}/cccccccc-3333-4333-8333-333333333333/v2.0", "tid": "cccccccc-3333-4333-8333-333333333333"},
    ],
    ids=str,
)
async def test_the_issuer_is_the_tenants_own(vector: str, world: World, claims: dict[str, Any]) -> None:
    origin = world.entra.origin
    world.entra.claims = {
        name: value.replace("{origin}", origin) if isinstance(value, str) else value for name, value in claims.items()
    }
    await world.is_refused()


@vector("CB-020")
@at("entra")
async def test_an_address_of_a_directory_is_none(vector: str, world: World) -> None:
    world.entra.claims |= {"email": "ceo@corp.example", "email_verified": True, "upn": "ceo@corp.example"}
    assert (await world.came_in()).email == ""


@vector("CB-022")
@at("github")
@pytest.mark.parametrize(
    "emails",
    [
        [{"email": "ceo@corp.example", "primary": True, "verified": False}],
        [
            {"email": "ceo@corp.example", "primary": False, "verified": True},
            {"email": "me@example.net", "primary": True, "verified": False},
        ],
        [{"email": "ceo@corp.example", "primary": False, "verified": False}],
        [{"email": "ceo@corp.example"}],
        [],
    ],
    ids=str,
)
async def test_only_the_primary_verified_address(vector: str, world: World, emails: list[dict[str, Any]]) -> None:
    world.github.organizations = ["acme"]
    world.github.user["email"] = "ceo@corp.example"  # the public one of the profile
    world.github.emails = emails
    identity = await world.came_in()
    assert identity.email == ""
    assert identity.subject == "583231"


@vector("CB-023")
@at("google")
@pytest.mark.parametrize(
    ("hosted_domain", "email"),
    [
        ("", "alice@corp.example"),  # a private account with an address at the domain
        ("", "alice@gmail.com"),
        ("evil.example", "alice@corp.example"),
        ("corp.example.evil.example", "alice@corp.example"),
        ("xcorp.example", "alice@corp.example"),
    ],
)
async def test_the_hd_claim_decides(vector: str, world: World, hosted_domain: str, email: str) -> None:
    world.google.hosted_domain, world.google.email = hosted_domain, email
    await world.is_refused()


@vector("CB-023")
@at("google")
@pytest.mark.parametrize("hd", [["corp.example"], True, {"corp.example": 1}, ""], ids=str)
async def test_an_hd_of_another_type_is_none(vector: str, world: World, hd: Any) -> None:
    world.google.claims["hd"] = hd
    await world.is_refused()


@at("auth0")
async def test_people_of_another_organisation(world: World) -> None:
    world.auth0.organizations = {"org_1": "acme"}
    world.auth0.claims["org_id"] = "org_2"
    await world.is_refused()


@at("github")
async def test_people_of_no_organisation(world: World) -> None:
    world.github.organizations = ["acme-fans"]
    await world.is_refused()


@at("all")
async def test_an_answer_of_one_service_at_the_callback_of_another(world: World) -> None:
    visitor = world.door.browser()
    page = await visitor.ask(Flow(world.door, await world.door.register()))
    answer = await visitor.decide(page, provider="github")
    context = client_context(world.ca_file)
    async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, verify=context) as browser:
        back = await browser.get(answer.headers["location"])
    url = back.headers["location"].replace("/callback/github", "/callback/google")
    assert (await visitor.get(url)).status_code == 400
    assert visitor.cookie("session") is None
    assert world.google.asked("/token") == []
