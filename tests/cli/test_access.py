"""The operator's commands on a store that a running gateway uses: what they end stops working there within seconds."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import Door, open_door
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    """A gateway at the same time of day as the program that is run beside it."""
    async with open_door(tmp_path, upstream.url, clock=FrozenClock(datetime.now(UTC))) as running:
        yield running


async def vestibule(door: Door, *arguments: str) -> tuple[int, str, str]:
    """The program, in a process of its own, with the gateway's own file."""
    command = [sys.executable, "-m", "vestibule", *arguments, "--config", str(door.folder / "vestibule.yaml")]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), err.decode()


async def listed(door: Door, *arguments: str) -> Any:
    code, out, err = await vestibule(door, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


async def until_refused(door: Door, token: str) -> float:
    """How many seconds the running gateway went on taking the token."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (await door.call(token)).status_code == 200:
        assert loop.time() - began < 5
        await asyncio.sleep(0.05)
    return loop.time() - began


async def test_a_grant_is_listed_and_revoked(door: Door) -> None:
    person, other = await door.sign_in(), await door.sign_in()
    grants = await listed(door, "grant", "list", "--user", "development:ada")
    assert {one["client_id"] for one in grants} == {person.flow.client["client_id"], other.flow.client["client_id"]}
    grant = next(one for one in grants if one["client_id"] == person.flow.client["client_id"])
    assert (grant["name"], grant["scopes"]) == ("Ada Lovelace", ["mcp"])
    assert await listed(door, "grant", "revoke", grant["grant_id"]) == {"revoked": grant["grant_id"], "grants": 1}
    await until_refused(door, person.access_token)
    assert (await person.refresh()).status_code == 400
    assert (await door.call(other.access_token)).status_code == 200
    code, _, err = await vestibule(door, "grant", "revoke", "unknown")
    assert (code, "There is no live grant unknown" in err) == (1, True)
    trail = await door.house.plane.server.store.audit.tail()
    done = [(one.actor, one.action, one.target) for one in trail]
    assert ("operator", "grant.revoke", grant["grant_id"]) in done


async def test_a_client_is_revoked_with_everything_it_got(door: Door) -> None:
    person, other = await door.sign_in(), await door.sign_in()
    client_id = person.flow.client["client_id"]
    assert client_id in [one["client_id"] for one in await listed(door, "client", "list")]
    assert (await listed(door, "client", "revoke", client_id))["grants"] == 1
    await until_refused(door, person.access_token)
    assert (await person.refresh()).json()["error"] == "invalid_client"
    assert (await door.call(other.access_token)).status_code == 200
    assert client_id not in [one["client_id"] for one in await listed(door, "client", "list")]


async def test_a_person_is_blocked_and_let_in_again(door: Door) -> None:
    person = await door.sign_in()
    assert (await listed(door, "user", "block", "development:ada", "--reason", "left"))["grants"] == 1
    await until_refused(door, person.access_token)
    row = next(one for one in await listed(door, "user", "list") if one["user"] == "development:ada")
    assert (row["reason"], row["grants"]) == ("left", 0)
    assert (await listed(door, "user", "unblock", "development:ada"))["unblocked"] is True
    door.clock.advance(10)  # what was given in the second of the revocation counts as older
    again = await door.sign_in()
    assert (await door.call(again.access_token)).status_code == 200


async def test_what_is_not_there_is_said_not_to_be(door: Door, tmp_path: Path) -> None:
    for arguments, says in (
        (("client", "revoke", "nobody"), "There is no client nobody"),
        (("user", "block", "ada"), "ada names nobody: a person is provider:subject"),
        (("user", "revoke", "ada:"), "names nobody"),
    ):
        code, _, err = await vestibule(door, *arguments)
        assert (code, says in err) == (1, True), err
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, "-m", "vestibule", "client", "list"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=elsewhere
    )
    said = (await process.communicate())[1].decode()
    assert process.returncode == 1
    assert "There is no store at vestibule.db" in said
    assert list(elsewhere.iterdir()) == []


async def test_a_person_is_revoked_and_may_come_back(door: Door) -> None:
    person = await door.sign_in()
    code, out, _ = await vestibule(door, "user", "revoke", "development:ada")
    assert (code, "one grant ended" in out) == (0, True)
    await until_refused(door, person.access_token)
    door.clock.advance(10)
    assert (await door.call((await door.sign_in()).access_token)).status_code == 200


async def test_lists_are_tables_for_programs_too(door: Door) -> None:
    code, out, _ = await vestibule(door, "client", "list")
    assert (code, out) == (0, "No client has registered.\n")
    await door.register(client_name="Tab\tand\nline")
    _, out, _ = await vestibule(door, "client", "list")
    assert len(out.splitlines()) == 2
    assert out.splitlines()[0].split("\t")[:2] == ["client_id", "name"]


async def test_a_key_is_rotated_while_everybody_works(door: Door) -> None:
    person = await door.sign_in()
    before = await listed(door, "key", "list")
    assert [one["phase"] for one in before] == ["used"]
    code, out, _ = await vestibule(door, "key", "rotate")
    assert (code, "published" in out) == (0, True)
    assert [one["phase"] for one in await listed(door, "key", "list")] == ["published", "used"]
    code, _, err = await vestibule(door, "key", "rotate")
    assert (code, "published and not yet used" in err) == (1, True)
    assert (await vestibule(door, "key", "rotate", "--now"))[0] == 0
    assert [one["phase"] for one in await listed(door, "key", "list")] == ["used", "old", "old"]
    await door.house.keyholder.look()
    assert (await door.call(person.access_token)).status_code == 200
    # A key that may be known to others opens nothing two minutes later. (The commands took seconds of the real clock.)
    door.clock.advance(180)
    await door.house.keyholder.look()
    assert (await door.call(person.access_token)).status_code == 401
    assert "key.use" in [event.action for event in await door.house.plane.server.store.audit.tail()]
    fresh = await person.refresh()  # and nobody is signed out
    assert (await door.call(fresh.json()["access_token"])).status_code == 200
    assert (await door.sign_in()).access_token


async def test_without_a_key_file_the_command_says_how(tmp_path: Path) -> None:
    file = tmp_path / "vestibule.yaml"
    file.write_text("upstreams: [{name: main, url: 'http://127.0.0.1:3000/mcp'}]\n")
    command = [sys.executable, "-m", "vestibule", "key", "list", "--config", str(file)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert "The first start of the server makes it" in err.decode()
