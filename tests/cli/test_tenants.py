"""`vestibule tenant` on a store that a running gateway uses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_access import listed, until_refused, vestibule
from tests.support.house import Door, open_door
from tests.support.tenants import ADA, BOB, TENANTS, come_in
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream

KEYS = {name: value for name, value in TENANTS.items() if name != "clients"}


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, clock=FrozenClock(datetime.now(UTC)), **KEYS) as running:
        yield running


async def states(door: Door) -> dict[str, str]:
    return {one["tenant"]: one["state"] for one in await listed(door, "tenant", "list")}


async def test_a_tenant_is_suspended_and_resumed_from_the_command_line(door: Door) -> None:
    ada, bob = await come_in(door, ADA), await come_in(door, BOB)
    assert await states(door) == {"acme": "active", "globex": "active"}
    assert (await vestibule(door, "tenant", "suspend", "acme", "--reason", "unpaid"))[0] == 0
    await until_refused(door, ada.access_token)
    assert (await door.call(bob.access_token)).status_code == 200
    assert await states(door) == {"acme": "suspended", "globex": "active"}
    code, _, err = await vestibule(door, "tenant", "suspend", "acme")
    assert (code, "cannot be suspended" in err) == (1, True)
    assert (await vestibule(door, "tenant", "resume", "acme"))[0] == 0
    assert (await ada.refresh()).status_code == 200
    (event, *_) = [one for one in await door.house.store.audit.tail() if one.action == "tenant.suspend"]
    assert (event.tenant, event.actor, event.reason) == ("acme", "operator", "unpaid")


async def test_a_tenant_is_made_and_deleted_from_the_command_line(door: Door) -> None:
    (made,) = await listed(door, "tenant", "create", "initech", "--title", "Initech")
    assert (made["tenant"], made["state"], made["title"]) == ("initech", "active", "Initech")
    folder = door.folder / "vestibule.db.tenants"
    assert [path.name for path in folder.glob("t_initech_*.db")] != []
    code, _, err = await vestibule(door, "tenant", "delete", "initech")  # nobody is there to say yes
    assert code != 0
    assert (await states(door))["initech"] == "active"
    assert await listed(door, "tenant", "delete", "initech", "--yes") == {
        "tenant": "initech",
        "state": "deleted",
        "grants": 0,
    }
    assert list(folder.glob("t_initech_*")) == []
    assert (await states(door))["initech"] == "deleted"
    code, _, err = await vestibule(door, "tenant", "create", "initech")
    assert (code, "none is given twice" in err) == (1, True)


async def test_a_person_is_one_of_a_tenant_and_the_command_asks_whose(door: Door) -> None:
    ada = await come_in(door, ADA)
    code, _, err = await vestibule(door, "user", "block", f"development:{ADA}")
    assert (code, "--tenant" in err) == (1, True)
    grants = await listed(door, "grant", "list", "--tenant", "acme")
    assert [one["tenant"] for one in grants] == ["acme"]
    assert await listed(door, "grant", "list", "--tenant", "globex") == []
    code, _, err = await vestibule(door, "grant", "revoke", grants[0]["grant_id"], "--tenant", "globex")
    assert (code, "no live grant" in err) == (1, True)
    assert (await vestibule(door, "user", "block", f"development:{ADA}", "--tenant", "acme"))[0] == 0
    await until_refused(door, ada.access_token)


def test_check_tells_of_tenants_and_of_what_may_surprise(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vestibule.yaml").write_text(
        "upstreams: [{name: a, url: 'http://127.0.0.1:9/mcp'}]\n"
        "tenants: {by: email-domain, domains: {corp.example: acme, gmail.com: personal}, public_domains: true}\n"
    )
    told = run("check").out
    assert "acme, personal" in told
    assert "everybody else: deny" in told
    assert "everybody with an address at gmail.com" in told
