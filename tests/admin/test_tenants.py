"""What an operator may do with a tenant, and what is refused."""

from pathlib import Path

import pytest

from tests.support.house import Door, open_door
from tests.support.tenants import ADA, ENVIRON, TENANTS, come_in
from vestibule.admin import Administrator, NewKey
from vestibule.authorization_server.replies import Context
from vestibule.errors import TenantNameTaken, UnknownTenant, WrongTenantName, WrongTenantState
from vestibule.model import DEFAULT_TENANT, TenantState
from vestibule.testing.recording_upstream import RecordingUpstream

OPERATOR = Context("cli-1", address="", actor="operator")


@pytest.mark.parametrize("name", ["Acme", "a_b", "../x", "", "deny", "-a", "a-", "x" * 64, "acme\n", "\u0430cme"])
async def test_a_name_that_is_none_makes_no_tenant(door: Door, name: str) -> None:
    with pytest.raises(WrongTenantName):
        await door.house.tenants.admin.create(name, OPERATOR)
    assert [one.tenant for one in await door.house.tenants.admin.list_all()] == [DEFAULT_TENANT]


async def test_nothing_is_done_to_a_tenant_that_is_not_there(door: Door) -> None:
    admin = door.house.tenants.admin
    with pytest.raises(UnknownTenant):
        await admin.suspend("nobody", OPERATOR, reason="")
    with pytest.raises(UnknownTenant):
        await admin.resume("nobody", OPERATOR)
    with pytest.raises(UnknownTenant):
        await admin.delete("nobody", OPERATOR, reason="")
    assert await door.house.store.tenants.list_all() == []


async def test_the_tenant_that_everybody_is_in_is_suspended_and_never_deleted(door: Door) -> None:
    person, admin = await door.sign_in(), door.house.tenants.admin
    with pytest.raises(WrongTenantState):
        await admin.delete(DEFAULT_TENANT, OPERATOR, reason="")
    assert (await door.call(person.access_token)).status_code == 200
    assert (await admin.suspend(DEFAULT_TENANT, OPERATOR, reason="")).state is TenantState.SUSPENDED
    assert (await door.call(person.access_token)).status_code == 401
    with pytest.raises(WrongTenantState):
        await admin.suspend(DEFAULT_TENANT, OPERATOR, reason="")


async def test_each_change_is_in_its_tenants_trail_before_it_is_answered(door: Door) -> None:
    admin = door.house.tenants.admin
    await admin.create("acme", OPERATOR, title="Acme")
    await admin.suspend("acme", OPERATOR, reason="unpaid")
    await admin.resume("acme", OPERATOR)
    await admin.delete("acme", OPERATOR, reason="left")
    events = [one for one in reversed(await door.house.store.audit.tail()) if one.action.startswith("tenant.")]
    assert [(one.action, one.reason) for one in events] == [
        ("tenant.create", ""),
        ("tenant.suspend", "unpaid"),
        ("tenant.resume", ""),
        ("tenant.delete", "left"),
    ]
    assert {(one.tenant, one.target, one.actor, one.outcome) for one in events} == {
        ("acme", "acme", "operator", "allowed")
    }


async def test_who_is_moved_in_the_file_signs_in_anew(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Grants of a tenant that the person is not one of any more are refused at the next refresh."""
    keys = {name: value for name, value in TENANTS.items() if name != "clients"}
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, **keys) as door:
        ada = await come_in(door, ADA)
        port, clock = int(door.url.rpartition(":")[2]), door.clock
    moved = {**keys, "tenants": {"by": "email-domain", "domains": {"acme.example": "initech"}}}
    async with open_door(tmp_path, upstream.url, environ=ENVIRON, clock=clock, port=port, **moved) as door:
        form = {"grant_type": "refresh_token", "refresh_token": ada.refresh_token}
        answer = await door.post("/token", {**form, "client_id": ada.flow.client["client_id"]})
        assert answer.json()["error"] == "invalid_grant"
        visitor = door.browser()
        visitor.http.cookies = ada.visitor.http.cookies
        assert (await visitor.get("/me")).status_code != 200
        again = await come_in(door, ADA, dict(ada.flow.client))
        token = door.house.plane.server.tokens.read(again.access_token, door.clock().timestamp())
        assert token.tenant == "initech"


async def test_a_name_that_only_a_file_has_known_is_not_given_again_either(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """Who has it next would have the keys and grants of who had it first."""
    acme = {"default": "deny", "domains": {"acme.example": "acme"}}
    async with open_door(tmp_path, upstream.url, tenants=acme) as door:
        await door.house.office.create(NewKey("ci", "acme"), Administrator("operator", None, "cli-1"))
    async with open_door(tmp_path, upstream.url, tenants={"domains": {"globex.example": "globex"}}) as door:
        with pytest.raises(TenantNameTaken):
            await door.house.tenants.admin.create("acme", OPERATOR)
