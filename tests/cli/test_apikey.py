"""`vestibule apikey`, on a store that a running gateway uses."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.test_access import listed, vestibule
from tests.support.api_keys import moment, set_tenant
from tests.support.house import Door, open_door
from vestibule.model import TenantState
from vestibule.protocol.api_key import PATTERN
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    """At the same time of day as the program that is run beside it."""
    main = {"name": "main", "url": upstream.url, "scopes": {"default": ["read"], "optional": ["write"]}}
    async with open_door(tmp_path, upstream.url, clock=FrozenClock(datetime.now(UTC)), upstreams=[main]) as running:
        yield running


async def status(door: Door, key: str) -> int:
    return (await door.call(None, headers={"X-API-Key": key})).status_code


async def test_a_key_is_made_listed_and_revoked(door: Door) -> None:
    made = await listed(door, "apikey", "create", "--name", "ci", "--scope", "read", "--expires", "90d")
    key = made.pop("key")
    assert (moment(made["expires_at"]) - moment(made["created_at"])).days == 90
    assert await status(door, key) == 200
    (row,) = await listed(door, "apikey", "list")
    assert (row["id"], row["scopes"], row["created_by"]) == (made["id"], ["read"], "operator")
    assert await listed(door, "apikey", "list", "--tenant", "acme") == []
    assert await listed(door, "apikey", "revoke", made["id"]) == {"revoked": made["id"]}
    loop = asyncio.get_running_loop()
    began = loop.time()
    while await status(door, key) == 200:
        assert loop.time() - began < 5
        await asyncio.sleep(0.05)
    code, _, err = await vestibule(door, "apikey", "revoke", made["id"])
    assert (code, "There is no such API key" in err) == (1, True)
    done = [
        (one.actor, one.action, one.target) for one in await door.house.store.audit.tail() if one.action != "mcp.call"
    ]
    assert done[:2] == [("operator", "api_key.revoke", made["id"]), ("operator", "api_key.create", made["id"])]


async def test_the_key_is_shown_with_how_to_use_it(door: Door) -> None:
    code, out, _ = await vestibule(door, "apikey", "create", "--name", "ci", "--upstream", "main")
    assert code == 0
    keys = re.findall(PATTERN, out)
    assert len(set(keys)) == 1
    assert f"X-API-Key: {keys[0]}" in out
    assert "shown this once" in out
    assert f"{door.url}/mcp" in out
    assert all(keys[0] not in line for line in out.splitlines() if "curl" in line)  # it would stay in a history
    code, out, _ = await vestibule(door, "apikey", "list")
    assert keys[0] not in out
    assert await status(door, keys[0]) == 200


async def test_what_there_is_not_is_said(door: Door) -> None:
    await set_tenant(door, "acme", TenantState.SUSPENDED)
    for arguments, says in (
        (("--scope", "unknown"), "has the scope 'unknown'"),
        (("--upstream", "unknown"), "There is no upstream 'unknown'"),
        (("--tenant", "acme"), "The tenant acme is unknown, suspended or deleted"),
        (("--expires", "soon"), "is not a duration"),
        (("--expires", "0"), "A key lives for"),
    ):
        code, out, err = await vestibule(door, "apikey", "create", "--name", "ci", *arguments)
        assert (code, out, says in err) == (1, "", True), err
    assert json.loads((await vestibule(door, "apikey", "list", "--json"))[1]) == []
