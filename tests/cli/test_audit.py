"""`vestibule audit` beside a running gateway, and on a trail that somebody has changed."""

import asyncio
import csv
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_access import listed, vestibule
from tests.security.vectors import vector
from tests.support.house import Door, open_door
from vestibule.admin.audit import read_moment
from vestibule.admin.audit_check import check_chain
from vestibule.cli.audit_output import harmless
from vestibule.keys import read_roots, rotate, write_roots
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.records import an_audit_event

DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, clock=FrozenClock(datetime.now(UTC))) as running:
        yield running


async def test_events_are_found_by_what_is_asked_and_the_asking_is_told_first(door: Door) -> None:
    person = await door.sign_in()
    found = await listed(
        door, "audit", "search", "--action", "code.redeem", "--actor", "development:ada", "--since", "1h"
    )
    assert [(one["client_id"], one["outcome"]) for one in found] == [(person.flow.client["client_id"], "allowed")]
    assert await listed(door, "audit", "search", "--text", "NoSuchWord", "--outcome", "denied") == []
    newest, before, _ = await listed(door, "audit", "search", "--action", "audit.read")
    assert newest["facts"] == {"action": "audit.read"}
    assert (before["actor"], before["facts"]) == ("operator", {"outcome": "denied", "text": "NoSuchWord"})


async def test_the_tail_ends_with_the_newest(door: Door) -> None:
    await door.sign_in()
    found = await listed(door, "audit", "tail", "-n", "3")
    assert [one["action"] for one in found] == ["code.issue", "code.redeem", "audit.read"]


async def test_following_shows_what_comes(door: Door) -> None:
    command = [sys.executable, "-m", "vestibule", "audit", "tail", "-f", "-n", "1", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, "--config", str(door.folder / "vestibule.yaml"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    first = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert first["action"] == "audit.read"
    client = await door.register()
    second = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert (second["action"], second["client_id"]) == ("client.register", client["client_id"])
    process.terminate()
    await process.wait()


async def test_a_sound_trail_is_said_to_be_and_its_head_is_one_to_keep(door: Door) -> None:
    await door.sign_in()
    (head,) = await listed(door, "audit", "head")
    code, out, _ = await vestibule(door, "audit", "verify", "--tenant", "default", "--head", head["head"])
    assert (code, out) == (0, "default: sound, 5 events.\n")
    code, out, _ = await vestibule(door, "audit", "verify", "--tenant", "default", "--head", f"3:{'0' * 64}")
    assert code == 1
    assert "3: head forged" in out


async def test_a_changed_trail_is_broken_and_the_gateway_does_not_go_on_from_a_forged_head(door: Door) -> None:
    person = await door.sign_in()
    with sqlite3.connect(door.folder / "vestibule.db") as database:
        database.execute("DROP TRIGGER audit_events_no_update")
        database.execute("UPDATE audit_events SET actor = 'eve' WHERE sequence = 3")
    code, out, _ = await vestibule(door, "audit", "verify", "--json")
    report = json.loads(out)
    assert (code, report["sound"]) == (1, False)
    (chain,) = report["chains"]
    assert [(fault["sequence"], fault["damage"]) for fault in chain["faults"]] == [(3, "changed")]
    with sqlite3.connect(door.folder / "vestibule.db") as database:
        database.execute("UPDATE audit_heads SET sequence = 2")
    assert (await person.refresh()).status_code == 503
    assert json.loads((await vestibule(door, "audit", "accept", "--json"))[1]) == {"accepted": ["default"]}
    assert (await person.refresh()).status_code == 200
    assert [one["reason"] for one in await listed(door, "audit", "search", "--action", "audit.accept")] != []


async def test_the_trail_goes_on_when_the_key_that_began_it_is_gone(door: Door) -> None:
    person, keyholder, path = await door.sign_in(), door.house.keyholder, door.folder / "vestibule.keys"
    roots = read_roots(path)
    write_roots(path, rotate(roots, os.urandom, now=door.clock()), expected=roots, entropy=os.urandom)
    for pause in (0, 11 * 60, 3 * 24 * 3600):  # published, used, and the old one retired
        door.clock.advance(pause)
        await keyholder.look()
    assert (await person.refresh()).status_code == 200
    server = door.house.plane.server
    assert (await check_chain("default", server.store.audit, server.authenticator)).faults == ()


@vector("LOG-002")
async def test_an_export_is_checked_without_us_by_the_program_in_the_docs(vector: str, door: Door) -> None:
    await door.register(client_name="=cmd|' /C calc'!A0 ü\r\n\x1b[31m")
    await door.sign_in()
    file = door.folder / "export.jsonl"
    code, _, err = await vestibule(door, "audit", "export", str(file))
    assert code == 0, err
    assert file.stat().st_mode & 0o777 == 0o600
    (program,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    checked = await run_program(program, file)
    head = (await listed(door, "audit", "head"))[0]["head"]
    lines = file.read_text().splitlines()
    assert checked.stdout == f"default: {len(lines)} events, head {head}\n"
    (door.folder / "cut.jsonl").write_text("\n".join(lines[2:]) + "\n")
    assert (await run_program(program, door.folder / "cut.jsonl")).returncode == 0  # a part of a chain can be checked
    for forged in ([*lines[:2], *lines[3:]], [*lines[:2], lines[2].replace("allowed", "denied"), *lines[3:]]):
        (door.folder / "forged.jsonl").write_text("\n".join(forged) + "\n")
        assert (await run_program(program, door.folder / "forged.jsonl")).returncode != 0


async def run_program(program: str, file: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", program, str(file)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)


@vector("LOG-002")
async def test_a_spreadsheet_runs_nothing_of_what_strangers_wrote(vector: str, door: Door) -> None:
    await door.register(client_name="x")
    await door.http.get(f"{door.url}/authorize", params={"client_id": '=HYPERLINK("http://evil")'})
    code, out, _ = await vestibule(door, "audit", "export", "-", "--format", "csv", "--tenant", "default")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["action"] for row in rows} == {"client.register", "authorize", "audit.export"}
    for row in rows:
        assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
    assert any(row["client_id"].startswith("'=HYPERLINK") for row in rows)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1"])
def test_no_cell_begins_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("plain; -- 1; text=1") == "plain; '-- 1; text=1"


@pytest.mark.parametrize("text", ["x;=1+1", "x; =1+1", "x;@SUM(A1)"])
def test_nor_does_what_another_spreadsheet_takes_for_one(text: str) -> None:
    """In German the cells of a CSV are told apart by semicolons, whatever the file says."""
    assert re.search(r"; *[=@]", harmless(text)) is None


async def test_an_export_of_some_time_is_a_part_of_the_chain(door: Door) -> None:
    start = door.clock()
    for hour in range(6):
        await door.house.store.audit.record(an_audit_event(at=start - timedelta(hours=6 - hour), request_id=f"h{hour}"))
    since, until = ((start - timedelta(hours=hours)).isoformat() for hours in (4, 2))
    code, out, _ = await vestibule(door, "audit", "export", "-", "--since", since, "--until", until)
    assert code == 0
    assert [json.loads(line)["request_id"] for line in out.splitlines()] == ["h2", "h3"]
    told: list[Any] = await listed(door, "audit", "search", "--action", "audit.export")
    assert set(told[0]["facts"]) == {"since", "until"}


async def test_a_file_that_is_there_is_not_overwritten(door: Door) -> None:
    (door.folder / "mine").write_text("precious")
    code, _, err = await vestibule(door, "audit", "export", str(door.folder / "mine"))
    assert code != 0
    assert "cannot be written" in err
    assert (door.folder / "mine").read_text() == "precious"


def test_times_are_read_as_people_write_them() -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    for text in ("2026-11-21T08:00:00Z", "2026-11-21 08:00", "2026-11-21T10:00:00+02:00", "2h", "120m"):
        assert read_moment(text, now) == datetime(2026, 11, 21, 8, tzinfo=UTC)
    with pytest.raises(ValueError):
        read_moment("yesterday", now)
