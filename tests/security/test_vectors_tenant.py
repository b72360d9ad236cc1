"""Area `tenant` of the catalogue: whose somebody is, what that keeps apart, and how it ends."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.security.test_vectors_sse import Stream, open_stream
from tests.security.vectors import vector
from tests.support.api_keys import make_key
from tests.support.house import Door, Flow, open_door, response_parameters
from tests.support.proofs import ACCESS_TOKEN, JWT_BEARER, TOKEN_EXCHANGE
from tests.support.tenants import ACME_SECRET, ADA, ADELE, BOB, ENVIRON, GLOBEX_SECRET, NOBODY, TENANTS, ask_in, come_in
from tests.support.wire import Wire
from vestibule.authorization_server import endings
from vestibule.authorization_server.replies import Context
from vestibule.config import load
from vestibule.errors import ConfigurationError, NoTenantDatabase, StoreUnavailable, TenantNameTaken
from vestibule.model import ApiKey, Revocation, RevocationKind, TenantState, digest
from vestibule.stores import open_store
from vestibule.stores._asyncio import AsyncConnection
from vestibule.stores.address import read_address
from vestibule.stores.tenant_databases import TenantRooms
from vestibule.stores.tenant_schemas import TenantSchemas
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream

OPERATOR = Context("cli-1", address="", actor="operator")
OPEN = {"client_id": "acme-desk"}


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **TENANTS) as running:
        yield running


async def trail(door: Door, action: str) -> list[tuple[str, str, str]]:
    """Tenant, actor and outcome, the newest first."""
    return [(one.tenant, one.actor, one.outcome) for one in await door.house.store.audit.tail() if one.action == action]


# --- which tenant ---------------------------------------------------------------------------------------------------

ADDRESSES = [
    ("TEN-002", "a@evil.example@corp.example"),
    ("TEN-002", '"a@corp.example"@evil.example'),
    ("TEN-002", '"a@evil.example"@corp.example'),
    ("TEN-002", "a@corp.example "),
    ("TEN-002", " a@corp.example"),
    ("TEN-002", "a@corp.example\n"),
    ("TEN-002", "a@corp.example\x00"),
    ("TEN-002", "a@corp.example" + " " * 90 + ".evil.example"),
    ("TEN-002", "a@" + "b." * 43 + "corp.example.evil.example"),
    ("TEN-002", "a@sub.corp.example"),
    ("TEN-002", "a@notcorp.example"),
    ("TEN-002", "corp.example"),
    ("TEN-004", "a@\u0441orp.example"),  # Cyrillic es
    ("TEN-004", "a@\uff43orp.example"),  # full-width c
    ("TEN-004", "a@corp\u3002example"),  # ideographic full stop
    ("TEN-004", "a\uff20corp.example"),
    ("TEN-004", "a\uff20corp.example@evil.example"),
    ("TEN-004", "a@corp.example."),
    ("TEN-004", "a@xn--orp-3ed.example"),
    ("TEN-004", "a@co\u00adrp.example"),  # soft hyphen
    ("TEN-004", "a@corp.ex\u200dample"),
]


@pytest.mark.parametrize(
    ("vector", "address"), ADDRESSES, ids=[f"{one}-{number}" for number, (one, _) in enumerate(ADDRESSES)]
)
async def test_an_address_that_is_not_beyond_doubt_is_nobodys(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, address: str
) -> None:
    async with ScriptedIdentityProvider() as idp:
        work = {"kind": "oidc", "name": "work", "issuer": idp.issuer, "client_id": idp.client_id}
        keys: dict[str, Any] = {
            "identity_providers": [{**work, "client_secret": "env:IDP_SECRET"}],
            "tenants": {"by": "email-domain", "domains": {"corp.example": "corp"}},
        }
        async with open_door(tmp_path, upstream.url, environ={"IDP_SECRET": idp.client_secret}, **keys) as door:
            idp.now = lambda: door.clock().timestamp()
            idp.claims |= {"email": address, "email_verified": True}
            flow, visitor = Flow(door, await door.register()), door.browser()
            asked = await visitor.decide(await visitor.ask(flow))
            answer = await visitor.http.get((await visitor.http.get(asked.headers["location"])).headers["location"])
            assert response_parameters(answer, flow.redirect_uri)["error"] == "access_denied"
            assert visitor.cookie("session") is None
            assert await door.house.store.grants.list_live() == []


@vector("CB-020")
@pytest.mark.parametrize("verified", [False, "true", 1, None])
async def test_an_unverified_address_chooses_no_tenant(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, verified: object
) -> None:
    async with ScriptedIdentityProvider() as idp:
        work = {"kind": "oidc", "name": "work", "issuer": idp.issuer, "client_id": idp.client_id}
        keys: dict[str, Any] = {
            "identity_providers": [{**work, "client_secret": "env:IDP_SECRET"}],
            "tenants": {"domains": {"corp.example": "corp"}, "default": "guests"},
        }
        async with open_door(tmp_path, upstream.url, environ={"IDP_SECRET": idp.client_secret}, **keys) as door:
            idp.now = lambda: door.clock().timestamp()
            idp.claims |= {"email": "a@corp.example", "email_verified": verified}
            flow, visitor = Flow(door, await door.register()), door.browser()
            asked = await visitor.decide(await visitor.ask(flow))
            await visitor.http.get((await visitor.http.get(asked.headers["location"])).headers["location"])
            assert [grant.tenant for grant in await door.house.store.grants.list_live()] == ["guests"]


async def test_people_of_two_organisations_come_into_their_own(door: Door) -> None:
    ada, bob = await come_in(door, ADA), await come_in(door, BOB)
    tenants = {grant.identity.email: grant.tenant for grant in await door.house.store.grants.list_live()}
    assert tenants == {ADA: "acme", BOB: "globex"}
    assert [(await door.call(one.access_token)).status_code for one in (ada, bob)] == [200, 200]
    assert {one[0] for one in await trail(door, "code.redeem")} == {"acme", "globex"}


async def test_nobodys_person_does_not_come_in_and_the_trail_says_why(door: Door) -> None:
    _, visitor, told = await ask_in(door, NOBODY)
    assert told["error"] == "access_denied"
    assert "belongs to no organisation" in told["error_description"]
    assert visitor.cookie("session") is None
    assert await door.house.store.grants.list_live() == []
    event = (await door.house.store.audit.tail(limit=1))[0]
    assert (event.action, event.outcome, event.actor) == ("session.open", "denied", f"development:{NOBODY}")
    assert "no tenant" in event.reason


@vector("TEN-005", "CFG-011")
@pytest.mark.parametrize("domain", ["gmail.com", "GMail.com", "outlook.com", "icloud.com", "qq.com"])
def test_a_public_mail_domain_is_a_tenant_only_by_force(vector: str, tmp_path: Path, domain: str) -> None:
    file = tmp_path / "vestibule.yaml"
    text = f"upstreams: [{{name: a, url: 'http://127.0.0.1:9/mcp'}}]\ntenants: {{domains: {{{domain}: acme}}%s}}\n"
    file.write_text(text % "")
    with pytest.raises(ConfigurationError) as refused:
        load(file=file, environ={})
    assert "public_domains: true" in refused.value.faults[0].fix
    file.write_text(text % ", public_domains: true")
    assert load(file=file, environ={}).named_tenants == {"acme"}


# --- what a tenant keeps apart ---------------------------------------------------------------------------------------


@vector("TEN-011")
async def test_a_refresh_token_or_code_is_worth_nothing_to_a_client_of_another_tenant(vector: str, door: Door) -> None:
    ada = await come_in(door, ADA, OPEN)
    form = {"grant_type": "refresh_token", "refresh_token": ada.refresh_token}
    answer = await door.post("/token", form, auth=("globex-robot", GLOBEX_SECRET))
    assert answer.json()["error"] in ("invalid_grant", "unauthorized_client")
    flow, _, told = await ask_in(door, ADELE, OPEN)
    flow.code = told["code"]
    assert (await flow.redeem(client_id=(await door.register())["client_id"])).json()["error"] == "invalid_grant"
    assert (await ada.refresh()).status_code == 200  # and the owner's goes on


@vector("TEN-011")
async def test_a_client_of_one_tenant_is_not_for_the_people_of_another(vector: str, door: Door) -> None:
    _, visitor, told = await ask_in(door, BOB, OPEN)
    assert told["error"] == "access_denied"
    assert visitor.cookie("session") is None
    bob = await come_in(door, BOB)  # with a session of his own it is the same
    answer = await bob.visitor.decide(await bob.visitor.ask(flow := Flow(door, OPEN)))
    assert response_parameters(answer, flow.redirect_uri)["error"] == "access_denied"
    assert {grant.client_id for grant in await door.house.store.grants.list_live()} == {bob.flow.client["client_id"]}


@vector("TEN-011")
async def test_a_client_learns_and_exchanges_nothing_of_another_tenant(vector: str, door: Door) -> None:
    ada, bob = await come_in(door, ADA, OPEN), await come_in(door, BOB)
    robot = ("globex-robot", GLOBEX_SECRET)
    told = await door.post("/introspect", {"token": ada.access_token}, auth=robot)
    assert told.json() == {"active": False}
    assert (await door.post("/introspect", {"token": bob.access_token}, auth=robot)).json()["active"] is True
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": ada.access_token, "subject_token_type": ACCESS_TOKEN}
    answer = await door.post("/token", form, auth=robot)
    assert answer.json()["error"] == "access_denied"


async def test_a_client_in_its_own_name_is_of_its_tenant(door: Door) -> None:
    form = {"grant_type": "client_credentials", "resource": door.mcp}
    answer = await door.post("/token", form, auth=("acme-robot", ACME_SECRET))
    token = door.house.plane.server.tokens.read(answer.json()["access_token"], door.clock().timestamp())
    assert token.tenant == "acme"
    assert (await trail(door, "token.issue"))[0] == ("acme", "client:acme-robot", "allowed")


@vector("TEN-010")
async def test_what_is_another_tenants_is_as_unknown_as_what_never_was(vector: str, door: Door) -> None:
    await come_in(door, BOB)
    (grant,) = await door.house.store.grants.list_live()
    now = door.clock()
    await door.house.store.api_keys.add(ApiKey("k1", digest("secret"), "globex", "robot", (), now))
    server, end = door.house.plane.server, Revocation(RevocationKind.TOKEN, "k1", now, now)
    for grant_id in (grant.grant_id, "never was"):
        assert not await endings.revoke_grant(grant_id, server, OPERATOR, reason="", tenant="acme")
    for key_id in ("k1", "never was"):
        assert not await door.house.store.api_keys.revoke(key_id, end, tenant="acme")
    assert await door.house.store.grants.list_live(tenant="acme") == []
    assert await door.house.store.api_keys.list_of("acme") == []
    assert await trail(door, "grant.revoke") == []
    assert await endings.revoke_grant(grant.grant_id, server, OPERATOR, reason="", tenant="globex")


PLACES = """
/ /nothing /.well-known/oauth-authorization-server /.well-known/openid-configuration /jwks /metrics /healthz /readyz
/.well-known/oauth-protected-resource/mcp /authorize?client_id=x
""".split()


@vector("TEN-017")
async def test_nothing_that_a_person_reads_names_another_tenant(vector: str, door: Door) -> None:
    bob = await come_in(door, BOB)
    await door.house.tenants.admin.create("initech", OPERATOR, title="Initech Ltd")
    ada = await come_in(door, ADA)
    _, _, denied = await ask_in(door, NOBODY, OPEN)
    answers = [await door.http.get(f"{door.url}{path}") for path in PLACES]
    answers += [
        await door.call(None),
        await door.call("garbage"),
        await door.call(ada.access_token, url=f"{door.url}/x/mcp"),
    ]
    answers += [await ada.refresh(bob.refresh_token), await ada.visitor.get("/me")]
    answers.append(
        await door.post("/token", {"grant_type": "authorization_code", "code": "vac_x", "client_id": "acme-desk"})
    )
    seen = [denied["error_description"].lower()]
    seen += [f"{answer.text}\n{list(answer.headers.items())}".lower() for answer in answers]
    assert [text for text in seen if any(word in text for word in ("globex", "initech", "bob@", "t_globex"))] == []


@vector("PRM-008")
async def test_the_metadata_of_a_resource_says_nothing_of_what_is_behind_it(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    secret = "s3cr3t-of-globex-9f8e7d6c"
    own = {"kind": "static", "header": "x-api-key", "value": "env:GLOBEX_KEY"}
    upstreams = [
        {"name": "a-only", "url": upstream.url},
        {"name": "b-only", "url": upstream.url, "credential": own},
    ]
    keys = {**TENANTS, "upstreams": upstreams}
    del keys["clients"]
    async with open_door(tmp_path, upstream.url, environ={"GLOBEX_KEY": secret}, **keys) as door:
        for name in ("a-only", "b-only", "c-only"):
            answer = await door.http.get(f"{door.url}/.well-known/oauth-protected-resource/{name}/mcp")
            assert answer.status_code == (404 if name == "c-only" else 200)
            told = f"{answer.text}{list(answer.headers.items())}"
            internal = (upstream.url, secret, "GLOBEX_KEY", "acme", "globex", "credential", "tenant")
            assert [word for word in internal if word in told] == []


# --- the life of a tenant --------------------------------------------------------------------------------------------


@vector("TEN-014")
async def test_a_suspended_tenant_is_out_everywhere_within_seconds_and_its_neighbour_is_not(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **TENANTS) as one:
        (tmp_path / "two").mkdir()
        shared = {
            "store": f"sqlite:///{tmp_path / 'vestibule.db'}",
            "keys": {"file": str(tmp_path / "vestibule.keys")},
            "public_url": one.url,
        }
        async with open_door(
            tmp_path / "two", upstream.url, environ=ENVIRON, clock=one.clock, **shared, **TENANTS
        ) as two:
            ada, bob = await come_in(one, ADA), await come_in(one, BOB)
            answering, stream = upstream.answer, Stream(upstream)
            async with Wire(two.url) as wire:
                await open_stream(wire, ada)
                await stream.send("before")
                await wire.until(b"before")
                upstream.answer = answering
                await one.house.tenants.admin.suspend("acme", OPERATOR, reason="unpaid")
                assert (await one.call(ada.access_token)).status_code == 401  # here at once
                async with asyncio.timeout(5):
                    while (await two.call(ada.access_token)).status_code == 200:
                        await asyncio.sleep(0.05)
                    await wire.rest()
            stream.over.set()
            assert [(await door.call(bob.access_token)).status_code for door in (one, two)] == [200, 200]
            assert (await ada.refresh()).json()["error"] == "invalid_grant"
            assert (await ask_in(one, ADELE))[2]["error"] == "access_denied"
            assert (await ada.visitor.get("/me")).status_code != 200
            assert await trail(one, "tenant.suspend") == [("acme", "operator", "allowed")]
            assert len(await one.house.store.grants.list_live(tenant="acme")) == 1  # data is kept


@vector("TEN-014")
async def test_a_resumed_tenants_people_go_on_with_new_tokens(vector: str, door: Door) -> None:
    ada = await come_in(door, ADA)
    await door.house.tenants.admin.suspend("acme", OPERATOR, reason="")
    assert (await ada.refresh()).status_code == 400
    await door.house.tenants.admin.resume("acme", OPERATOR)
    door.clock.advance(11)
    assert (await door.call(ada.access_token)).status_code == 401
    refreshed = await ada.refresh()
    assert refreshed.status_code == 200, refreshed.text
    assert (await door.call(refreshed.json()["access_token"])).status_code == 200


@vector("TEN-015")
async def test_a_deleted_tenant_leaves_nothing_that_works_and_its_name_is_not_given_again(
    vector: str, door: Door
) -> None:
    ada, bob = await come_in(door, ADA), await come_in(door, BOB)
    admin, rooms = door.house.tenants.admin, door.house.tenants.databases
    for tenant in ("acme", "globex"):
        await rooms.make(tenant, with_canary(tenant))
    assert await admin.delete("acme", OPERATOR, reason="left") == 1
    door.clock.advance(11)
    assert (await door.call(ada.access_token)).status_code == 401
    assert (await ada.refresh()).json()["error"] == "invalid_grant"
    assert (await ask_in(door, ADA))[2]["error"] == "access_denied"
    with pytest.raises(TenantNameTaken):
        await admin.create("acme", OPERATOR)
    with pytest.raises(NoTenantDatabase):
        await canary(rooms, "acme")
    assert await canary(rooms, "globex") == "globex"
    assert (await door.call(bob.access_token)).status_code == 200
    assert await door.house.store.grants.list_live(tenant="acme") == []
    assert (await admin.get("acme")).state is TenantState.DELETED
    assert await admin.delete("acme", OPERATOR, reason="again") == 0  # what was interrupted is finished so


@vector("TEN-015")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_who_signs_in_while_their_tenant_is_deleted_gets_nothing_that_lives(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, database: str, request: pytest.FixtureRequest
) -> None:
    keys = dict(TENANTS)
    if database == "postgresql":
        keys["store"] = request.getfixturevalue("postgres")
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **keys) as door:
        client = await door.register()

        async def person(number: int) -> str:
            await asyncio.sleep(number * 0.02)
            flow, _, told = await ask_in(door, f"p{number}@acme.example", client)
            if "code" not in told:
                return ""
            flow.code = told["code"]
            answer = await flow.redeem()
            return str(answer.json().get("access_token", ""))

        people = [asyncio.create_task(person(number)) for number in range(12)]
        await asyncio.sleep(0.3)
        await door.house.tenants.admin.delete("acme", OPERATOR, reason="")
        tokens = [token for token in await asyncio.gather(*people) if token]
        assert [(await door.call(token)).status_code for token in tokens] == [401] * len(tokens)
        assert await door.house.store.grants.list_live(tenant="acme") == []


# --- a tenant's own data ---------------------------------------------------------------------------------------------

NAMES = ("acme", "globex", "initech", "umbrella")


def with_canary(tenant: str) -> Any:
    async def migrate(connection: AsyncConnection) -> None:
        await connection.execute(text("CREATE TABLE canary (body TEXT)"))
        await connection.execute(text("INSERT INTO canary VALUES (:body)"), {"body": tenant})

    return migrate


async def canary(rooms: TenantRooms, tenant: str) -> str:
    async with rooms.use(tenant) as connection:
        return str((await connection.execute(text("SELECT body FROM canary"))).scalar_one())


@pytest.fixture
async def schemas(postgres: str) -> AsyncIterator[TenantSchemas]:
    """On PostgreSQL, with two connections for everybody."""
    await (await open_store(postgres)).close()
    rooms = TenantSchemas(read_address(postgres), pool_size=2)
    for tenant in NAMES:
        await rooms.make(tenant, with_canary(tenant))
    yield rooms
    for tenant in NAMES:
        await rooms.drop(tenant)
    await rooms.close()


async def stop_for_a_while(postgres: str) -> None:
    """The database stands still in the middle of what it does, and goes on."""
    query = "SELECT pid FROM pg_stat_activity WHERE query ILIKE '%canary%' AND pid <> pg_backend_pid()"
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
        pids = [row[0] for row in await (await connection.execute(query)).fetchall()]
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(0.4)


@vector("TEN-008")
async def test_no_row_of_another_tenant_is_ever_seen_through_the_pool(
    vector: str, schemas: TenantRooms, postgres: str
) -> None:
    chance = random.Random(8)  # the same every time
    seen: list[tuple[str, str]] = []

    async def look(tenant: str, *, slowly: bool) -> None:
        async with schemas.use(tenant) as connection:
            for _ in range(25):
                seen.append((tenant, str((await connection.execute(text("SELECT body FROM canary"))).scalar_one())))
            if slowly:
                await connection.execute(text("SELECT pg_sleep(5)"))

    async def caller(number: int) -> None:
        for round_ in range(4):
            tenant, is_cancelled = NAMES[(number + round_) % len(NAMES)], chance.random() < 0.05
            while not await is_done(asyncio.create_task(look(tenant, slowly=is_cancelled)), is_cancelled):
                continue

    async def is_done(looking: "asyncio.Task[None]", is_cancelled: bool) -> bool:
        if is_cancelled:
            await asyncio.wait([looking], timeout=chance.random() * 0.05)
            looking.cancel()
        try:
            await looking
        except asyncio.CancelledError:
            return True
        except StoreUnavailable:  # it stands still, and two connections are few: whoever waited for long asks again
            return False
        return True

    stopping = asyncio.create_task(stop_for_a_while(postgres))
    await asyncio.gather(*(caller(number) for number in range(200)))
    await stopping
    assert len(seen) > 18_000
    assert [(tenant, body) for tenant, body in seen if tenant != body] == []


@vector("TEN-009")
async def test_a_cancelled_call_leaves_no_connection_in_its_tenant(vector: str, schemas: TenantSchemas) -> None:
    async def hang(tenant: str) -> None:
        async with schemas.use(tenant) as connection:
            await connection.execute(text("INSERT INTO canary VALUES ('half')"))
            await connection.execute(text("SELECT pg_sleep(30)"))

    for _ in range(4):
        hanging = [asyncio.create_task(hang("acme")) for _ in range(2)]
        await asyncio.sleep(0.1)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        assert [await canary(schemas, tenant) for tenant in ("globex", "acme")] == ["globex", "acme"]
        async with schemas._database.read() as one, schemas._database.read() as other:  # whatever the pool has
            paths = [
                (await connection.execute(text("SELECT current_schema()"))).scalar() for connection in (one, other)
            ]
        assert [path for path in paths if not str(path).startswith("test_")] == []


@vector("TEN-015")
async def test_a_schema_is_dropped_under_traffic_and_its_neighbours_stay(vector: str, schemas: TenantRooms) -> None:
    async def traffic(tenant: str) -> str:
        for _ in range(100):
            try:
                body = await canary(schemas, tenant)
            except Exception as error:
                return type(error).__name__
            if body != tenant:
                return body
        return ""

    calls = [asyncio.create_task(traffic(tenant)) for tenant in ("acme", "globex", "acme", "globex")]
    await asyncio.sleep(0.05)
    assert await schemas.drop("acme") is True
    ended = await asyncio.gather(*calls)
    assert set(ended[::2]) <= {"NoTenantDatabase", "StoreUnavailable"}
    assert ended[1::2] == ["", ""]


# --- somebody else's word ---------------------------------------------------------------------------------------------


@pytest.fixture
async def vouched(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[tuple[Door, ScriptedIdentityProvider]]:
    """Two issuers of one key set: an enterprise's, and a platform's whose workloads are all of globex."""
    async with ScriptedIdentityProvider() as idp:
        robots = [{"grant_types": ["jwt_bearer"], "scopes": ["mcp"]} for _ in range(2)]
        issuers = [
            {"issuer": idp.issuer, "kind": "enterprise", "name": "acme-people"},
            {
                "issuer": f"{idp.issuer}/cluster",
                "kind": "workload",
                "jwks_uri": f"{idp.issuer}/jwks",
                "tenant": "globex",
                "workloads": [{"subject": one, "client_id": one} for one in ("acme-robot", "anybodys-robot")],
            },
        ]
        keys = {
            **TENANTS,
            "assertion_issuers": issuers,
            "clients": [
                {"client_id": "acme-robot", "client_secret": "env:ACME_SECRET", "tenant": "acme", **robots[0]},
                {"client_id": "anybodys-robot", "client_secret": "env:GLOBEX_SECRET", **robots[1]},
            ],
        }
        async with open_door(tmp_path, upstream.url, environ=ENVIRON, **keys) as running:
            idp.now = lambda: running.clock().timestamp()
            yield running, idp


async def vouch(door: Door, idp: ScriptedIdentityProvider, client: str, secret: str, **claims: Any) -> dict[str, Any]:
    now = int(door.clock().timestamp())
    usual = {"iss": idp.issuer, "aud": door.url, "client_id": client, "jti": os.urandom(8).hex(), "resource": door.mcp}
    header = {"typ": "oauth-id-jag+jwt"} if "iss" not in claims else {}
    said = idp.signing.sign({**usual, "iat": now, "exp": now + 300, "scope": "mcp", **claims}, header)
    form = {"grant_type": JWT_BEARER, "assertion": said, "resource": door.mcp}
    answer = (await door.post("/token", form, auth=(client, secret))).json()
    if "access_token" in answer:
        answer["tenant"] = door.house.plane.server.tokens.read(answer["access_token"], now).tenant
    return dict(answer)


@vector("TEN-011")
async def test_an_enterprises_people_come_into_their_own_tenant_by_a_client_of_it(
    vector: str, vouched: tuple[Door, ScriptedIdentityProvider]
) -> None:
    door, idp = vouched
    ada = {"sub": "ada", "email": ADA, "email_verified": True}
    told = [
        await vouch(door, idp, "acme-robot", ACME_SECRET, **ada),
        await vouch(door, idp, "acme-robot", ACME_SECRET, **{**ada, "email": BOB}),
        await vouch(door, idp, "acme-robot", ACME_SECRET, **{**ada, "email_verified": "true"}),
        await vouch(door, idp, "anybodys-robot", GLOBEX_SECRET, **{**ada, "email": BOB}),
    ]
    assert [one.get("tenant") or one["error"] for one in told] == ["acme", "invalid_grant", "invalid_grant", "globex"]
    assert {grant.tenant for grant in await door.house.store.grants.list_live()} == {"acme", "globex"}


@vector("TEN-011")
async def test_a_platforms_workloads_are_of_its_tenant_and_nobody_elses(
    vector: str, vouched: tuple[Door, ScriptedIdentityProvider]
) -> None:
    door, idp = vouched
    told = [
        await vouch(door, idp, client, secret, iss=f"{idp.issuer}/cluster", sub=client, aud=[door.url])
        for client, secret in (("anybodys-robot", GLOBEX_SECRET), ("acme-robot", ACME_SECRET))
    ]
    assert [one.get("tenant") or one["error"] for one in told] == ["globex", "invalid_grant"]
    assert {one[0] for one in await trail(door, "assertion.redeem")} == {"globex"}


@vector("TEN-014")
async def test_a_client_of_a_suspended_tenant_gets_nothing_in_its_own_name(vector: str, door: Door) -> None:
    form, robot = {"grant_type": "client_credentials", "resource": door.mcp}, ("acme-robot", ACME_SECRET)
    before = (await door.post("/token", form, auth=robot)).json()["access_token"]
    await door.house.tenants.admin.suspend("acme", OPERATOR, reason="")
    assert (await door.post("/token", form, auth=robot)).json()["error"] == "access_denied"
    assert (await door.call(before)).status_code == 401


async def test_a_tenant_that_the_file_names_no_more_is_closed(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Also where a row tells of it, because somebody once suspended and resumed it."""
    operator = Context("cli-1", address="", actor="operator")
    both = {"domains": {"acme.example": "acme", "globex.example": "globex"}}
    async with open_door(tmp_path, upstream.url, tenants=both) as door:
        _, key = await make_key(door, name="ci", tenant="acme")
        await door.house.tenants.admin.suspend("acme", operator, reason="unpaid")
        await door.house.tenants.admin.resume("acme", operator)
    async with open_door(tmp_path, upstream.url, tenants={"domains": {"globex.example": "globex"}}) as door:
        door.clock.advance(7200)
        assert (await door.call(None, headers={"X-API-Key": key})).status_code == 401
