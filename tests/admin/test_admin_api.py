"""The admin API: who comes in, as what, and what they can do to keys."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it comes without types
from openapi_pydantic import OpenAPI

from tests.security.vectors import vector
from tests.support.admin import ask, trail
from tests.support.api_keys import make_key, make_tenant, mint, moment, set_tenant
from tests.support.house import Door, Flow, open_door
from tests.support.proofs import proof, token_hash
from vestibule.model import TenantState
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

SECRET = "Zk1Vb7Qw9Xr3Tn5Ym2Lp"
OTHER_SECRET = "Xr3Tn5Ym2LpZk1Vb7Qw9"


def client(client_id: str, secret: str) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_secret": secret,
        "grant_types": ["client_credentials"],
        "scopes": ["vestibule.admin"],
    }


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    keys: dict[str, Any] = {
        "upstreams": [
            {"name": "tickets", "url": upstream.url, "scopes": {"default": ["read"], "optional": ["write", "drop"]}},
            {"name": "wiki", "url": upstream.url, "scopes": {"default": ["wiki"]}},
        ],
        "authorization": {"permissions": {"deleters": ["drop"]}},
        "clients": [client("provisioner", SECRET), client("stranger", OTHER_SECRET)],
        "admin": {"enabled": True, "roles": ["admins"], "operators": ["platform"], "clients": ["provisioner"]},
    }
    async with open_door(tmp_path, upstream.url, **keys) as running:
        yield running


async def token_of(door: Door, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "resource": f"{door.url}/admin"}
    answer = await door.http.post(f"{door.url}/token", data=form, auth=(client_id, secret))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


# --- keys -----------------------------------------------------------------------------------------------------------


async def test_a_key_is_made_used_listed_and_revoked(door: Door) -> None:
    admin = mint(door)
    asked = {"name": "ci", "scopes": ["read", "write"], "upstreams": ["tickets"], "expires_in": 3600}
    answer = await ask(door, "POST", "/keys", admin, json=asked)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    key = made.pop("key")
    assert (made["name"], made["tenant"], made["created_by"]) == ("ci", "default", "work:ada")
    assert (moment(made["expires_at"]) - moment(made["created_at"])).total_seconds() == 3600
    called = await door.call(None, headers={"X-API-Key": key}, url=f"{door.url}/tickets/mcp")
    assert called.status_code == 200

    listed = (await ask(door, "GET", "/keys", admin)).json()["keys"]
    assert listed == [{**made, "last_used_at": listed[0]["last_used_at"]}]
    ended = await ask(door, "DELETE", f"/keys/{made['id']}", admin)
    assert (ended.status_code, ended.content) == (204, b"")
    called = await door.call(None, headers={"X-API-Key": key}, url=f"{door.url}/tickets/mcp")
    assert called.status_code == 401
    assert (await ask(door, "DELETE", f"/keys/{made['id']}", admin)).status_code == 404
    assert (await trail(door))[:2] == [
        ("work:ada", "api_key.revoke", "allowed", made["id"]),
        ("work:ada", "api_key.create", "allowed", made["id"]),
    ]


async def test_a_key_has_the_default_scopes_of_its_upstreams_when_none_are_named(door: Door) -> None:
    answer = await ask(door, "POST", "/keys", mint(door), json={"name": "ci"})
    assert answer.json()["scopes"] == ["read", "wiki"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_request"),
        ({"name": ""}, "invalid_request"),
        ({"name": "a\nb"}, "invalid_request"),
        ({"name": "x" * 101}, "invalid_request"),
        ({"name": 1}, "invalid_request"),
        ({"name": "ci", "scopes": "read"}, "invalid_request"),
        ({"name": "ci", "scopes": ["unknown"]}, "invalid_scope"),
        ({"name": "ci", "scopes": ["vestibule.admin"]}, "invalid_scope"),
        ({"name": "ci", "scopes": ["wiki"], "upstreams": ["tickets"]}, "invalid_scope"),
        ({"name": "ci", "upstreams": ["unknown"]}, "invalid_request"),
        ({"name": "ci", "expires_in": 0}, "invalid_request"),
        ({"name": "ci", "expires_in": True}, "invalid_request"),
        ({"name": "ci", "expires_in": 10**12}, "invalid_request"),
        ({"name": "ci", "tenant": ""}, "invalid_request"),
        ({"name": "ci", "tenant": "acme"}, "invalid_request"),
        ({"name": "ci", "key": "vsk_mine"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_a_key_is_refused(door: Door, body: dict[str, Any], error: str) -> None:
    answer = await ask(door, "POST", "/keys", mint(door), json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert await door.house.store.api_keys.list_of() == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"name":"a","name":"b"}', "application/json", 400),
        (b'{"name":"a"} {}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"name":"a"}', "text/plain", 400),
        (b'{"name":"a"}', "application/x-www-form-urlencoded", 400),
        (b'{"name":"' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
async def test_a_body_has_one_reading(door: Door, content: bytes, kind: str, status: int) -> None:
    answer = await ask(door, "POST", "/keys", mint(door), content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")


async def test_nobody_hands_on_what_their_roles_do_not_give(door: Door) -> None:
    wanted = {"name": "ci", "scopes": ["read", "drop"]}
    answer = await ask(door, "POST", "/keys", mint(door), json=wanted)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    for roles in (("admins", "deleters"), ("platform",)):
        answer = await ask(door, "POST", "/keys", mint(door, roles=roles), json=wanted)
        assert answer.status_code == 201, roles


# --- tenants --------------------------------------------------------------------------------------------------------


@vector("TEN-010")
async def test_another_tenants_key_is_as_unknown_as_none(vector: str, door: Door) -> None:
    key, _ = await make_key(door, tenant="theirs")
    ours, _ = await make_key(door, tenant="ours")
    admin = mint(door, tenant="ours")
    answers = [await ask(door, "DELETE", f"/keys/{key_id}", admin) for key_id in (key.key_id, "ak_unknown", "x")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(404, answers[1].json())] * 3
    for query in ("", "?tenant=ours"):
        assert [one["id"] for one in (await ask(door, "GET", f"/keys{query}", admin)).json()["keys"]] == [ours.key_id]
    theirs, nobodys = [await ask(door, "GET", f"/keys?tenant={name}", admin) for name in ("theirs", "nobodys")]
    assert theirs.json() == nobodys.json() == {"keys": []}
    answers = [
        await ask(door, "POST", "/keys", admin, json={"name": "x", "tenant": name}) for name in ("theirs", "nobodys")
    ]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(400, answers[0].json())] * 2
    kept = await door.house.store.api_keys.get(key.key_id)
    assert kept is not None
    assert kept.revoked_at is None


async def test_operators_administer_every_tenant(door: Door) -> None:
    await make_tenant(door, "acme")
    operator = mint(door, roles=("platform",))
    key = (await ask(door, "POST", "/keys", operator, json={"name": "ci", "tenant": "acme"})).json()
    assert key["tenant"] == "acme"
    await make_key(door, tenant="other")
    assert len((await ask(door, "GET", "/keys", operator)).json()["keys"]) == 2
    assert [one["id"] for one in (await ask(door, "GET", "/keys?tenant=acme", operator)).json()["keys"]] == [key["id"]]
    assert (await ask(door, "DELETE", f"/keys/{key['id']}", operator)).status_code == 204


@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.DELETED])
async def test_a_tenant_that_is_not_active_gets_no_keys(door: Door, state: TenantState) -> None:
    await set_tenant(door, "acme", state)
    door.clock.advance(2)
    operator = mint(door, roles=("platform",))
    answer = await ask(door, "POST", "/keys", operator, json={"name": "ci", "tenant": "acme"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# --- who comes in ---------------------------------------------------------------------------------------------------


async def test_a_client_that_is_named_is_an_operator_in_its_own_name(door: Door) -> None:
    await make_tenant(door, "acme")
    token = await token_of(door, "provisioner", SECRET)
    answer = await ask(door, "POST", "/keys", token, json={"name": "ci", "tenant": "acme"})
    assert (answer.status_code, answer.json()["created_by"]) == (201, "client:provisioner")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"resource": "/tickets/mcp"}, 401, "invalid_token"),
        ({"issuer": "https://other.example"}, 401, "invalid_token"),
        ({"expires_at": 1}, 401, "invalid_token"),
        ({"scopes": ("read",)}, 403, "insufficient_scope"),
        ({"roles": ()}, 403, "policy_denied"),
        ({"roles": ("Admins", "admins ", "deleters")}, 403, "policy_denied"),
        ({"roles": (), "client_id": "provisioner"}, 403, "policy_denied"),
        ({"roles": (), "client_id": "desk", "user": "client:provisioner"}, 403, "policy_denied"),
        (
            {"roles": (), "client_id": "provisioner", "user": "client:provisioner", "actors": ("x",)},
            403,
            "policy_denied",
        ),
        ({"key_thumbprint": "x" * 43}, 401, "invalid_token"),
    ],
)
async def test_who_may_not_administer_does_not(door: Door, changes: dict[str, Any], status: int, error: str) -> None:
    if "resource" in changes:
        changes = {"resource": f"{door.url}{changes['resource']}"}
    for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/x")):
        answer = await ask(door, method, path, mint(door, **changes), json={"name": "ci"})
        assert (answer.status_code, answer.json()["error"]) == (status, error), (method, answer.text)
        assert ("www-authenticate" in answer.headers) == (error != "policy_denied")
        assert answer.headers["cache-control"] == "no-store"
    assert await door.house.store.api_keys.list_of() == []
    denied = [event for event in await trail(door) if event[1] == "admin.enter"]
    assert len(denied) == (3 if status == 403 else 0)


async def test_a_token_that_is_bound_to_a_key_needs_its_proof(door: Door) -> None:
    key, other = SigningKey("", "ES256"), SigningKey("", "ES256")
    url, proofs = f"{door.url}/admin/api/keys", door.house.plane.server.proofs
    bound = proofs.check([proof(door, key, url)], method="POST", url=url).thumbprint
    token = mint(door, key_thumbprint=bound)

    async def show(by: SigningKey, **claims: Any) -> httpx2.Response:
        claims = {"method": "GET", "ath": token_hash(token), **claims}
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof(door, by, url, **claims)}
        return await door.http.get(url, headers=headers)

    assert (await show(key)).status_code == 200
    for answer in (await show(other), await show(key, method="POST"), await show(key, ath="x")):
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
    assert (await show(key, nonce=None)).json()["error"] == "use_dpop_nonce"
    assert (await ask(door, "GET", "/keys", token)).status_code == 401


async def test_a_client_that_is_not_named_is_nobody(door: Door) -> None:
    answer = await ask(door, "GET", "/keys", await token_of(door, "stranger", OTHER_SECRET))
    assert (answer.status_code, answer.json()["error"]) == (403, "policy_denied")


async def test_nothing_shown_leads_to_where_tokens_are(door: Door) -> None:
    answer = await ask(door, "GET", "/keys", None)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert "error=" not in challenge
    assert 'scope="vestibule.admin"' in challenge
    described = challenge.split('resource_metadata="')[1].split('"')[0]
    document = (await door.http.get(described)).json()
    assert document["resource"] == f"{door.url}/admin"
    assert document["scopes_supported"] == ["vestibule.admin"]


async def test_a_person_without_a_role_gets_no_token_for_it(door: Door) -> None:
    parameters = await door.browser().approve(Flow(door, await door.register(), resource=f"{door.url}/admin"))
    assert parameters["error"] == "invalid_scope"


async def test_administration_is_offered_to_nobody_who_does_not_name_it(door: Door) -> None:
    server = (await door.http.get(f"{door.url}/.well-known/oauth-authorization-server")).json()
    root = (await door.http.get(f"{door.url}/.well-known/oauth-protected-resource")).json()
    assert "vestibule.admin" not in (*server["scopes_supported"], *root["scopes_supported"])
    assert "Administration" not in (await door.http.get(f"{door.url}/")).text


async def test_with_one_upstream_an_old_client_still_means_that(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """A request without `resource` (2025-03-26): administration is not among what it could mean."""
    folder = tmp_path / "one"
    folder.mkdir()
    async with open_door(folder, upstream.url, admin={"enabled": True, "roles": ["admins"]}) as door:
        person = await door.sign_in(resource=None)
        assert (await door.call(person.access_token)).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_origins_are_turned_away(door: Door, origin: str) -> None:
    answer = await ask(door, "POST", "/keys", mint(door), json={"name": "ci"}, headers={"Origin": origin})
    assert (answer.status_code, answer.json()["error"]) == (403, "origin_denied")
    answer = await ask(door, "POST", "/keys", mint(door), json={"name": "ci"}, headers={"Origin": door.url})
    assert answer.status_code == 201


async def test_a_page_is_not_let_in_by_a_second_origin(door: Door) -> None:
    headers = [("Authorization", f"Bearer {mint(door)}"), ("Origin", door.url), ("Origin", "https://evil.example")]
    assert (await door.http.get(f"{door.url}/admin/api/keys", headers=headers)).status_code == 403


async def test_there_is_no_admin_api_unless_it_is_switched_on(tmp_path: Path, upstream: RecordingUpstream) -> None:
    folder = tmp_path / "off"
    folder.mkdir()
    async with open_door(folder, upstream.url) as door:
        for path in ("/keys", "/openapi.json"):
            assert (await ask(door, "GET", path, None)).status_code == 404
        assert (await door.http.get(f"{door.url}/.well-known/oauth-protected-resource/admin")).status_code == 404


# --- what it says of itself -----------------------------------------------------------------------------------------


async def test_the_document_is_openapi_and_tells_of_every_route(door: Door) -> None:
    document = (await ask(door, "GET", "/openapi.json", None)).json()
    OpenAPI.model_validate(document)
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert set(references(document)) <= {f"#/components/schemas/{name}" for name in schemas}
    operations = [(path, method) for path, found in document["paths"].items() for method in found]
    for path, method in operations:
        for token, status in ((None, 401), (mint(door, roles=()), 403)):
            answer = await ask(door, method, path.replace("{id}", "x"), token)
            assert answer.status_code == status, (path, method)
    assert {path for path, _ in operations} == {
        *("/keys", "/keys/{id}", "/grants", "/grants/{id}", "/audit", "/audit/verify"),
        *("/tenants", "/tenants/{id}", "/tenants/{id}/suspend", "/tenants/{id}/resume"),
    }
    assert len({document["paths"][path][method]["operationId"] for path, method in operations}) == len(operations)


async def test_answers_are_as_the_document_says(door: Door) -> None:
    document = (await ask(door, "GET", "/openapi.json", None)).json()

    def check(schema: str, value: Any) -> None:
        whole = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
        Draft202012Validator(whole).validate(value)

    check("NewKey", {"name": "ci", "expires_in": 60})
    check("CreatedKey", (await ask(door, "POST", "/keys", mint(door), json={"name": "ci", "expires_in": 60})).json())
    check("Keys", (await ask(door, "GET", "/keys", mint(door))).json())
    check("Error", (await ask(door, "DELETE", "/keys/x", mint(door))).json())
    operator = mint(door, roles=("platform",))
    check("NewTenant", {"tenant": "acme", "title": "Acme"})
    check("Tenant", (await ask(door, "POST", "/tenants", operator, json={"tenant": "acme", "title": "Acme"})).json())
    check("Tenant", (await ask(door, "POST", "/tenants/acme/suspend", operator)).json())
    check("Error", (await ask(door, "POST", "/tenants/acme/suspend", operator)).json())
    check("Tenants", (await ask(door, "GET", "/tenants", operator)).json())
    await door.sign_in(resource=f"{door.url}/wiki/mcp")
    grants = (await ask(door, "GET", "/grants", operator)).json()
    check("Grants", grants)
    assert grants["grants"] != []
    events = (await ask(door, "GET", "/audit?limit=3", operator)).json()
    check("Events", events)
    assert len(events["events"]) == 3
    check("Verdict", (await ask(door, "GET", "/audit/verify", operator)).json())


@pytest.mark.parametrize("query", ["resource=x", "tenants=acme", "tenant=a&tenant=b", "tenant=%zz"])
async def test_a_parameter_has_one_reading(door: Door, query: str) -> None:
    for path in ("/keys", "/grants", "/audit", "/audit/verify"):
        answer = await ask(door, "GET", f"{path}?{query}", mint(door))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), path


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []
