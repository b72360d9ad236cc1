"""The trail over the admin API: found by what is asked, one's own only, and checked in parts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.security.vectors import vector
from tests.support.admin import ask
from tests.support.api_keys import mint
from tests.support.house import Door, open_door
from vestibule.admin import audit as limits
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.records import an_audit_event

ADMIN = {"enabled": True, "roles": ["admins"], "operators": ["platform"]}


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, admin=ADMIN) as running:
        yield running


def operator(door: Door) -> str:
    return mint(door, roles=("platform",))


async def write(door: Door, tenant: str, count: int, **more: Any) -> None:
    events = [an_audit_event(at=door.clock(), tenant=tenant, target=f"{tenant}-{one}", **more) for one in range(count)]
    await door.house.trail.record_all(events)


async def found(door: Door, query: str, token: str) -> list[dict[str, Any]]:
    answer = await ask(door, "GET", f"/audit{query}", token)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


async def test_events_are_found_by_what_is_asked_and_the_asking_is_told_first(door: Door) -> None:
    person = await door.sign_in()
    client, by = person.flow.client["client_id"], operator(door)
    query = f"?action=code.redeem&actor=development:ada&client={client}&outcome=allowed&since=1h&tenant=default"
    (event,) = await found(door, query, by)
    assert (event["client_id"], event["tenant"], len(event["hash"])) == (client, "default", 64)
    assert await found(door, "?text=NoSuchWord&outcome=denied&until=2020-01-01", by) == []
    newest, before, first = await found(door, "?action=audit.read", by)
    assert newest["facts"] == {"action": "audit.read"}
    assert (before["actor"], before["client_id"], before["facts"]["text"]) == ("work:ada", "desk", "NoSuchWord")
    assert (first["target"], first["facts"]["client_id"]) == ("search", client)


async def test_pages_go_on_where_the_one_before_ended(door: Door) -> None:
    await write(door, "default", 7)
    seen: list[str] = []
    following: str | None = ""
    while following is not None:
        answer = await ask(door, "GET", f"/audit?action=code.redeem&limit=3&before={following}", operator(door))
        seen += [event["target"] for event in answer.json()["events"]]
        following = answer.json()["next"]
    assert seen == [f"default-{one}" for one in reversed(range(7))]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=1e2", "limit=-1", "limit=%D9%A1", "outcome=maybe", "since=yesterday"),
        *("since=999999d", "until=2026-13-01", "before=1", "before=AAAA", "before=%C3%A9", "row=1"),
    ],
)
async def test_what_cannot_be_asked_is_refused_and_nothing_is_shown(door: Door, query: str) -> None:
    answer = await ask(door, "GET", f"/audit?{query}", operator(door))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), answer.text


@vector("TEN-010")
async def test_whoever_administers_one_tenant_reads_its_trail_only(vector: str, door: Door) -> None:
    for tenant in ("acme", "globex"):
        await write(door, tenant, 3, request_id="r1")
    acme = mint(door, tenant="acme")
    for query in ("", "?tenant=acme", "?request_id=r1", "?text=globex"):
        assert {one["tenant"] for one in await found(door, query, acme)} <= {"acme"}, query
    theirs, nobodys = [await ask(door, "GET", f"/audit?tenant={one}", acme) for one in ("globex", "nobody")]
    assert theirs.text == nobodys.text == '{"events":[],"next":null}'
    told = [one for one in await door.house.store.audit.tail() if one.action == "audit.read"]
    assert {one.tenant for one in told} == {"acme"}
    answers = [await ask(door, "GET", f"/audit/verify?tenant={one}", acme) for one in ("globex", "nobody")]
    assert {(one.status_code, one.text) for one in answers} == {(404, answers[1].text)}
    page = (await ask(door, "GET", "/audit?limit=1", mint(door, tenant="globex"))).json()
    assert (await ask(door, "GET", f"/audit?before={page['next']}", acme)).status_code == 400


async def test_a_trail_that_cannot_tell_of_the_reading_is_not_read(door: Door) -> None:
    await write(door, "default", 3)
    await forge(door, "UPDATE audit_heads SET tag = 'x'")
    door.house.store.audit._heads.clear()
    answer = await ask(door, "GET", "/audit", operator(door))
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


async def test_what_somebody_wrote_that_is_no_text_is_shown_all_the_same(door: Door) -> None:
    await write(door, "default", 1)
    await forge(door, r"UPDATE audit_events SET target = 'a\d800;b'")
    (event,) = await found(door, "?action=code.redeem", operator(door))
    assert event["target"] == "a\ud800b"


# --- checking ---------------------------------------------------------------------------------------------------------


async def forge(door: Door, statement: str) -> None:
    """As somebody does who can write to the database."""
    async with door.house.store._database.write() as connection:
        for trigger in ("audit_events_no_update", "audit_events_no_delete"):
            await connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
        await connection.execute(text(statement))


async def checked(door: Door, token: str) -> list[dict[str, Any]]:
    """All parts, one after the other."""
    parts: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        answer = await ask(door, "GET", f"/audit/verify?after={after}", token)
        assert answer.status_code == 200, answer.text
        parts.append(answer.json())
        after = parts[-1]["next"]
    return parts


async def test_a_sound_trail_is_said_to_be_and_looking_writes_nothing(door: Door) -> None:
    await write(door, "acme", 5)
    (verdict,) = await checked(door, mint(door, tenant="acme"))
    assert (verdict["tenant"], verdict["sound"], verdict["events"], verdict["faults"]) == ("acme", True, 5, [])
    head = await door.house.store.audit.head("acme")
    assert head is not None
    assert verdict["head"] == f"5:{head.hash}"
    nobody = await ask(door, "GET", "/audit/verify?tenant=nobody", operator(door))
    assert nobody.status_code == 404


async def test_a_long_trail_is_checked_in_parts_and_a_fault_in_one_is_not_forgotten(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE", 4)
    monkeypatch.setattr(limits, "MAX_LINKS", 8)
    await write(door, "default", 30)
    parts = await checked(door, operator(door))
    assert [(one["events"], one["sound"]) for one in parts] == [(8, None), (16, None), (24, None), (30, True)]
    await forge(door, "UPDATE audit_events SET target = 'x' WHERE sequence = 12")
    parts = await checked(door, operator(door))
    assert [one["sound"] for one in parts] == [None, False, False, False]
    assert [(one["sequence"], one["damage"]) for part in parts for one in part["faults"]] == [(12, "changed")]


async def test_a_check_ends_when_its_time_is_over(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE", 4)
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.0)
    await write(door, "default", 10)
    parts = await checked(door, operator(door))
    assert [one["events"] for one in parts] == [4, 8, 10, 10]
    assert parts[-1]["sound"] is True


async def test_a_place_to_go_on_from_is_of_one_trail(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE", 2)
    monkeypatch.setattr(limits, "MAX_LINKS", 2)
    for tenant in ("acme", "globex"):
        await write(door, tenant, 5)
    place = (await ask(door, "GET", "/audit/verify?tenant=acme", operator(door))).json()["next"]
    for query in (f"tenant=globex&after={place}", f"tenant=acme&after={place[:-3]}AAA", "tenant=acme&after=x"):
        answer = await ask(door, "GET", f"/audit/verify?{query}", operator(door))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await ask(door, "GET", f"/audit?before={place}", operator(door))).status_code == 400
