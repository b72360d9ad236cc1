"""Tenants over the admin API: operators of all do everything, whoever administers one sees that one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.admin import ask, trail
from tests.support.api_keys import mint
from tests.support.house import Door, open_door
from tests.support.tenants import ADA, BOB, ENVIRON, TENANTS, come_in
from vestibule.testing.recording_upstream import RecordingUpstream

ADMIN = {"enabled": True, "roles": ["admins"], "operators": ["platform"]}
CHANGES = [("POST", "/tenants/{}/suspend"), ("POST", "/tenants/{}/resume"), ("DELETE", "/tenants/{}")]


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, admin=ADMIN, **TENANTS) as running:
        yield running


def operator(door: Door) -> str:
    return mint(door, tenant="globex", roles=("platform",))


async def test_an_operator_makes_suspends_and_resumes_a_tenant(door: Door) -> None:
    by = operator(door)
    answer = await ask(door, "POST", "/tenants", by, json={"tenant": "initech", "title": "Initech"})
    assert (answer.status_code, answer.json()["state"], answer.json()["title"]) == (201, "active", "Initech")
    listed = (await ask(door, "GET", "/tenants", by)).json()["tenants"]
    assert [one["tenant"] for one in listed] == ["acme", "globex", "initech"]
    assert [one["created_at"] is None for one in listed] == [True, True, False]
    assert (await ask(door, "POST", "/tenants/initech/suspend?reason=unpaid", by)).json()["state"] == "suspended"
    again = await ask(door, "POST", "/tenants/initech/suspend", by)
    assert (again.status_code, again.json()["error"]) == (409, "conflict")
    assert (await ask(door, "POST", "/tenants/initech/resume", by)).json()["state"] == "active"
    assert [event[:3] for event in await trail(door)] == [
        ("work:ada", "tenant.resume", "allowed"),
        ("work:ada", "tenant.suspend", "allowed"),
        ("work:ada", "tenant.create", "allowed"),
    ]
    suspension = (await door.house.store.audit.tail())[1]
    assert (suspension.tenant, suspension.reason) == ("initech", "unpaid")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"tenant": "Acme Ltd"}, 400),
        ({"tenant": "deny"}, 400),
        ({"tenant": 7}, 400),
        ({"tenant": "initech", "title": "a\nb"}, 400),
        ({"tenant": "initech", "title": "x" * 201}, 400),
        ({"tenant": "initech", "state": "deleted"}, 400),
    ],
)
async def test_what_cannot_be_a_tenant_is_refused(door: Door, body: dict[str, object], status: int) -> None:
    answer = await ask(door, "POST", "/tenants", operator(door), json=body)
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_request")
    assert await door.house.store.tenants.list_all() == []


@vector("TEN-010")
async def test_another_tenant_is_as_unknown_as_one_that_never_was(vector: str, door: Door) -> None:
    acme = mint(door, tenant="acme")
    for method, path in CHANGES:
        answers = [await ask(door, method, path.format(name), acme) for name in ("globex", "nobody", "x" * 500)]
        answers.append(await ask(door, method, path.format("nobody"), operator(door)))
        told = {(one.status_code, one.text) for one in answers}
        assert len(told) == 1, told
        assert {status for status, _ in told} == {404}
    assert [one["tenant"] for one in (await ask(door, "GET", "/tenants", acme)).json()["tenants"]] == ["acme"]
    created = [await ask(door, "POST", "/tenants", acme, json={"tenant": name}) for name in ("globex", "nobody")]
    assert {(one.status_code, one.text) for one in created} == {(403, created[0].text)}
    assert await door.house.store.tenants.list_all() == []


async def test_only_operators_change_a_tenant_and_who_tries_is_in_its_trail(door: Door) -> None:
    acme = mint(door, tenant="acme")
    for method, path in CHANGES:
        answer = await ask(door, method, path.format("acme"), acme)
        assert (answer.status_code, answer.json()["error"]) == (403, "policy_denied")
    events = await door.house.store.audit.tail()
    assert [(one.action, one.outcome, one.tenant, one.actor) for one in events] == [
        (action, "denied", "acme", "work:ada") for action in ("tenant.delete", "tenant.resume", "tenant.suspend")
    ]


@vector("TEN-015")
async def test_a_tenant_that_is_deleted_over_http_leaves_nothing_that_works(vector: str, door: Door) -> None:
    ada, bob = await come_in(door, ADA), await come_in(door, BOB)
    by, admin_of_it = operator(door), mint(door, tenant="acme")
    assert (await ask(door, "GET", "/tenants", admin_of_it)).status_code == 200
    answer = await ask(door, "DELETE", "/tenants/acme?reason=left", by)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await door.call(ada.access_token)).status_code == 401
    assert (await ada.refresh()).json()["error"] == "invalid_grant"
    assert (await ask(door, "GET", "/tenants", admin_of_it)).status_code == 401
    assert (await door.call(bob.access_token)).status_code == 200
    assert (await ask(door, "POST", "/tenants", by, json={"tenant": "acme"})).status_code == 409
    assert (await ask(door, "DELETE", "/tenants/acme", by)).status_code == 204  # what was interrupted is finished so
    states = {one["tenant"]: one["state"] for one in (await ask(door, "GET", "/tenants", by)).json()["tenants"]}
    assert states == {"acme": "deleted", "globex": "active"}


async def test_the_servers_own_tenant_is_not_deleted(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, admin=ADMIN) as door:
        answer = await ask(door, "DELETE", "/tenants/default", mint(door, roles=("platform",)))
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict")


# --- grants -----------------------------------------------------------------------------------------------------------


async def test_a_grant_is_found_and_ended(door: Door) -> None:
    ada, bob = await come_in(door, ADA), await come_in(door, BOB)
    by, clients = operator(door), [one.flow.client["client_id"] for one in (ada, bob)]
    everything = (await ask(door, "GET", "/grants", by)).json()["grants"]
    assert {(one["tenant"], one["client_id"]) for one in everything} == set(
        zip(("acme", "globex"), clients, strict=True)
    )
    (found,) = (await ask(door, "GET", f"/grants?client={clients[0]}&tenant=acme", by)).json()["grants"]
    assert (await ask(door, "GET", f"/grants?user={found['user']}", by)).json()["grants"] == [found]
    assert (await ask(door, "DELETE", f"/grants/{found['grant_id']}?reason=lost", by)).status_code == 204
    assert (await door.call(ada.access_token)).status_code == 401
    assert (await ask(door, "DELETE", f"/grants/{found['grant_id']}", by)).status_code == 404
    event = (await door.house.store.audit.tail(limit=1))[0]
    assert (event.action, event.actor, event.tenant, event.reason) == ("grant.revoke", "work:ada", "acme", "lost")
    assert (await door.call(bob.access_token)).status_code == 200


@vector("TEN-010")
async def test_another_tenants_grant_is_as_unknown_as_none(vector: str, door: Door) -> None:
    bob = await come_in(door, BOB)
    (theirs,) = (await ask(door, "GET", "/grants", operator(door))).json()["grants"]
    acme = mint(door, tenant="acme")
    for query in ("", "?tenant=globex", "?tenant=nobody", f"?user={theirs['user']}"):
        assert (await ask(door, "GET", f"/grants{query}", acme)).json() == {"grants": []}
    answers = [await ask(door, "DELETE", f"/grants/{one}", acme) for one in (theirs["grant_id"], "unknown")]
    assert {(one.status_code, one.text) for one in answers} == {(404, answers[1].text)}
    assert (await door.call(bob.access_token)).status_code == 200
