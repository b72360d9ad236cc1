"""A reload: sessions and cursors go on, by the new configuration's members and rules."""

from pathlib import Path

from tests.aggregate.conftest import Pair, names, open_pair
from tests.aggregate.test_hostile import paged
from tests.running.test_reload import reload, write
from vestibule.testing.recording_upstream import raw_answer

LIST = {"id": 2, "method": "tools/list"}
ALL = ["a_read", "a_write", "b_read", "b_write"]


async def test_a_session_goes_on_with_the_members_there_are(tmp_path: Path) -> None:
    async with open_pair(tmp_path) as pair:
        token = await pair.sign_in()
        session = await pair.open(token)
        assert names(await pair.say(token, LIST, session)) == ALL
        write(pair.door, upstreams=both(pair), aggregate={"enabled": True, "members": ["b", "c"]})
        await reload(pair.door)
        handshakes = len(pair.b.asked("initialize"))
        assert names(await pair.say(token, LIST, session)) == ["b_read", "b_write", "c_read", "c_write"]
        assert len(pair.b.asked("initialize")) == handshakes + 1  # of c, which is b's server: b's own part is known
        call = {"id": 3, "method": "tools/call", "params": {"name": "a_read"}}
        assert "error" in (await pair.say(token, call, session)).json()


def both(pair: Pair) -> list[dict[str, str]]:
    return [
        {"name": "a", "url": pair.a.upstream.url},
        {"name": "b", "url": pair.b.upstream.url},
        {"name": "c", "url": pair.b.upstream.url},
    ]


async def test_new_rules_are_about_members_at_once(pair: Pair) -> None:
    token = await pair.sign_in()
    assert names(await pair.ask(token, "tools/list")) == ALL
    first, second, _ = both(pair)
    write(pair.door, upstreams=[{**first, "scopes": {"default": ["mcp"], "tools": {"write": ["a.write"]}}}, second])
    await reload(pair.door)
    assert names(await pair.ask(token, "tools/list")) == ["a_read", "b_read", "b_write"]
    assert (await pair.ask(token, "tools/call", {"name": "a_write"})).status_code == 403


async def test_a_cursor_is_good_still_and_absences_are_counted_on(pair: Pair) -> None:
    pair.a.results["tools/list"] = paged({"": (["1"], "x"), "x": (["2"], "")})
    pair.b.results["tools/list"] = raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{")
    token = await pair.sign_in()
    cursor = (await pair.ask(token, "tools/list")).json()["result"]["nextCursor"]
    write(pair.door, origins=["https://app.example.com"])
    await reload(pair.door)
    assert names(await pair.ask(token, "tools/list", {"cursor": cursor})) == ["a_2"]
    await pair.ask(token, "tools/list")
    assert pair.door.house.gateway.snapshot()["absences"] == {"b": 2}
