"""Who may use what behind one address: the decisions of each member's own path, by its own names."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.aggregate.conftest import Pair, Together, names, open_pair, tool
from tests.support.api_keys import make_key
from tests.support.house import Door, Flow

A = {"scopes": {"default": ["a.use"], "tools": {"write": ["a.write"]}, "resources": {"file:///secret/*": ["a.secret"]}}}
B = {"scopes": {"default": ["b.use"]}}


async def test_a_token_sees_the_members_that_it_may_use(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a=A, b=B) as pair:
        assert names(await pair.ask(await pair.sign_in("a.use"), "tools/list")) == ["a_read"]
        assert names(await pair.ask(await pair.sign_in("b.use"), "tools/list")) == ["b_read", "b_write"]
        assert names(await pair.ask(await pair.sign_in(), "tools/list")) == ["a_read", "b_read", "b_write"]
        everything = await pair.sign_in("a.use a.write b.use")
        assert names(await pair.ask(everything, "tools/list")) == ["a_read", "a_write", "b_read", "b_write"]


async def test_a_call_needs_what_it_needs_at_its_members_path(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a=A, b=B) as pair:
        token = await pair.sign_in("a.use")
        assert (await pair.ask(token, "tools/call", {"name": "a_read"})).status_code == 200
        for name, scopes in (("a_write", "a.use a.write"), ("b_read", "b.use")):
            denied = await pair.ask(token, "tools/call", {"name": name})
            assert denied.status_code == 403
            challenge = denied.headers["www-authenticate"]
            assert f'scope="{scopes}"' in challenge
            assert "/.well-known/oauth-protected-resource/all/mcp" in challenge
        read = await pair.ask(token, "resources/read", {"uri": "a+file:///secret/key"})
        assert read.status_code == 403
        assert pair.b.requests == []
        assert [one["params"]["name"] for one in pair.a.asked("tools/call")] == ["read"]


@pytest.mark.parametrize("uri", ["a+FILE:///secret/key", "a+file:///x/../secret/key", "a+file://localhost/secret/key"])
async def test_a_resource_has_no_second_name(tmp_path: Path, uri: str) -> None:
    async with open_pair(tmp_path, a=A) as pair:
        assert (await pair.ask(await pair.sign_in(), "resources/read", {"uri": uri})).status_code == 400
        assert pair.a.requests == []


@pytest.mark.parametrize("uri", ["a+file:///secret/key", "a+file://localhost/secret/key", "a+file:///x//secret/key"])
async def test_nor_is_one_listened_to_by_a_second_name(tmp_path: Path, uri: str) -> None:
    async with open_pair(tmp_path, a=A) as pair:
        wanted = {"toolsListChanged": True, "resourceSubscriptions": [uri, "a+file:///x"]}
        await pair.ask(await pair.sign_in(), "subscriptions/listen", {"notifications": wanted})
        asked = pair.a.asked("subscriptions/listen")[0]["params"]["notifications"]
        assert asked == {"toolsListChanged": True, "resourceSubscriptions": ["file:///x"]}


async def test_one_challenge_asks_for_what_all_ask_for(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a=A, b=B) as pair:
        answer = await pair.ask(None, "tools/list")
        assert answer.status_code == 401
        assert 'scope="a.use b.use"' in answer.headers["www-authenticate"]
        metadata = await pair.door.http.get(f"{pair.door.url}/.well-known/oauth-protected-resource/all/mcp")
        assert metadata.json()["resource"] == pair.url
        assert metadata.json()["scopes_supported"] == ["a.use", "b.use"]


async def test_who_approves_a_scope_of_two_reads_what_it_means_to_both(tmp_path: Path) -> None:
    texts = {"a": "Read your tickets", "b": "Read every page"}
    keys = {name: {"scopes": {"default": ["read"], "texts": {"read": text}}} for name, text in texts.items()}
    async with open_pair(tmp_path, **keys) as pair:
        page = await pair.door.browser().ask(Flow(pair.door, await pair.door.register(), resource=pair.url))
        assert "Read your tickets; Read every page" in page.text


async def test_a_token_is_for_one_address(pair: Pair) -> None:
    door = pair.door
    ours = await pair.sign_in()
    theirs = (await door.sign_in(resource=f"{door.url}/a/mcp")).access_token
    assert (await door.call(ours, url=f"{door.url}/a/mcp")).json()["error"]["data"]["error_code"] == "INVALID_AUDIENCE"
    assert (await pair.ask(theirs, "tools/list")).json()["error"]["data"]["error_code"] == "INVALID_AUDIENCE"
    assert (await pair.ask(ours, "tools/list")).status_code == 200


async def told(door: Door, count: int) -> list[tuple[str, str, str]]:
    async with asyncio.timeout(5):
        while len(found := [one for one in await door.house.store.audit.tail(limit=20) if one.tool]) < count:
            await asyncio.sleep(0.05)
    return [(one.outcome, one.target.removeprefix(door.url), one.tool) for one in found if one.action == "mcp.call"]


async def test_the_trail_names_the_member_and_its_tool(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a=A, b=B) as pair:
        token = await pair.sign_in()
        await pair.ask(token, "tools/call", {"name": "b_write"})
        await pair.ask(token, "tools/call", {"name": "a_write"})
        assert await told(pair.door, 2) == [("denied", "/a/mcp", "write"), ("allowed", "/b/mcp", "write")]


async def test_a_members_tenants_are_its_own(tmp_path: Path) -> None:
    tenants = {"by": "static", "people": {"development:ada": "acme", "development:bob": "other"}}
    async with open_pair(tmp_path, a={"tenants": ["acme"]}, tenants=tenants) as pair:
        ada, bob = await pair.sign_in(), await pair.sign_in(login="bob")
        assert names(await pair.ask(ada, "tools/list")) == ["a_read", "a_write", "b_read", "b_write"]
        assert names(await pair.ask(bob, "tools/list")) == ["b_read", "b_write"]
        denied = await pair.ask(bob, "tools/call", {"name": "a_read"})
        assert denied.json()["error"]["data"]["error_code"] == "TENANT_DENIED"


async def test_a_key_opens_the_members_that_it_is_for(pair: Pair) -> None:
    _, key = await make_key(pair.door, upstreams=("b",))
    headers: dict[str, Any] = {"X-API-Key": key}
    assert names(await pair.ask(None, "tools/list", **headers)) == ["b_read", "b_write"]
    denied = await pair.ask(None, "tools/call", {"name": "a_read"}, **headers)
    assert denied.json()["error"]["data"]["error_code"] == "POLICY_DENIED"
    assert pair.a.requests == []


async def test_a_member_for_keys_only_takes_no_token_here_either(tmp_path: Path) -> None:
    async with open_pair(tmp_path, a={"access": "api-key-only"}) as pair:
        token = await pair.sign_in()
        assert names(await pair.ask(token, "tools/list")) == ["b_read", "b_write"]
        assert (await pair.ask(token, "tools/call", {"name": "a_read"})).status_code == 403
        _, key = await make_key(pair.door)
        assert (await pair.ask(None, "tools/call", {"name": "a_read"}, **{"X-API-Key": key})).status_code == 200


async def test_a_members_limits_count_its_calls_from_here_too(tmp_path: Path) -> None:
    async with open_pair(tmp_path, limits={"upstreams": {"a": "2/minute"}}) as pair:
        token = await pair.sign_in()
        statuses = [(await pair.ask(token, "tools/call", {"name": "a_read"})).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await pair.ask(token, "tools/call", {"name": "b_read"})).status_code == 200
        assert names(await pair.ask(token, "tools/list")) == ["a_read", "a_write", "b_read", "b_write"]


async def test_rules_know_the_member_and_its_names(tmp_path: Path) -> None:
    rules = """\
version: 1
default: allow
rules:
  - {name: nobody writes to a, effect: deny, upstreams: [a], tools: [write]}
  - {name: b is small, effect: deny, upstreams: [b], tools: [write], arguments: [size], when: arguments.size > 10}
"""
    (tmp_path / "policy.yaml").write_text(rules)
    async with open_pair(tmp_path, policy={"file": str(tmp_path / "policy.yaml")}) as pair:
        token = await pair.sign_in()
        assert names(await pair.ask(token, "tools/list")) == ["a_read", "b_read", "b_write"]
        assert (await pair.ask(token, "tools/call", {"name": "a_write"})).status_code == 403
        for size, status in ((5, 200), (50, 403)):
            call = {"name": "b_write", "arguments": {"size": size}}
            assert (await pair.ask(token, "tools/call", call)).status_code == status


async def test_headers_are_rewritten_with_the_name_and_must_agree(pair: Pair) -> None:
    token = await pair.sign_in()
    call = {"name": "a_read"}
    assert (await pair.ask(token, "tools/call", call, **{"Mcp-Name": "b_read"})).status_code == 400
    assert (await pair.ask(token, "tools/call", call, **{"Mcp-Method": "tools/list"})).status_code == 400
    await pair.ask(token, "tools/call", call, **{"Mcp-Param-Region": "eu", "X-Forwarded-User": "root"})
    (sent,) = pair.a.requests
    assert (sent.header("mcp-name"), sent.header("mcp-method"), sent.header("mcp-param-region")) == (
        "read",
        "tools/call",
        "eu",
    )
    assert sent.header("x-forwarded-user") is None


async def test_a_name_that_is_no_header_is_encoded(pair: Pair) -> None:
    token = await pair.sign_in()
    uri = "a+notes://caf%C3%A9"
    pair.a.results["resources/read"] = {"contents": [{"uri": "notes://caf%C3%A9", "text": "x"}]}
    answer = await pair.ask(token, "resources/read", {"uri": uri})
    assert answer.json()["result"]["contents"][0]["uri"] == uri
    assert pair.a.requests[0].header("mcp-name") == "notes://caf%C3%A9"


async def test_every_member_sees_its_own_credential_only(tmp_path: Path) -> None:
    first = {"credential": {"kind": "static", "header": "x-key", "value": "env:A_KEY"}}
    second = {"credential": {"kind": "static", "header": "x-key", "value": "env:B_KEY"}}
    environ = {"A_KEY": "q3Xc8VbWm1tYd0Zr7Nf2Kp9L", "B_KEY": "Zk1Vb7Qw9Xr3Tn5Ym2Lp8Hd4"}
    async with open_pair(tmp_path, a=first, b=second, environ=environ) as pair:
        token = await pair.sign_in()
        await pair.ask(token, "tools/list")
        session = await pair.open(token)
        await pair.say(token, {"id": 2, "method": "tools/list"}, session)
        for member, key in ((pair.a, environ["A_KEY"]), (pair.b, environ["B_KEY"])):
            assert {one.header("x-key") for one in member.requests} == {key}
            for one in member.requests:
                assert token.encode() not in one.head + one.body
                assert one.header("mcp-session-id") in (None, member.session)


async def test_a_tool_that_cannot_have_a_name_is_left_out(pair: Pair) -> None:
    pair.a.results["tools/list"] = {"tools": [tool("x" * 127), tool("ok"), tool("é"), {"title": "no name"}]}
    assert names(await pair.ask(await pair.sign_in(), "tools/list")) == ["a_ok", "b_read", "b_write"]


async def test_nobody_is_a_member_without_signing_in(pair: Pair) -> None:
    together = Together(pair.door)
    assert together.url == pair.url
    assert (await pair.say(None, {"id": 1, "method": "initialize"})).status_code == 401
    assert pair.a.requests + pair.b.requests == []
