"""How often a caller may call, at the gateway itself: who is counted with whom, and what the answers say."""

from pathlib import Path
from typing import Any

import pytest

from tests.parts.redis import RedisServer
from tests.security.vectors import vector
from tests.support.api_keys import make_key
from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream

PROXY = ["127.0.0.1/32"]


async def test_an_answer_says_what_is_left_and_a_refusal_how_long_to_wait(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, limits={"mcp": "3/minute"}) as door:
        token = (await door.sign_in()).access_token
        answers = [await door.call(token) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
    assert all("q=3;w=60" in answer.headers["ratelimit-policy"] for answer in answers)
    refused = answers[3]
    assert refused.json()["error"]["data"]["error_code"] == "RATE_LIMITED"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["cache-control"] == "no-store"
    assert len(upstream.requests) == 3


async def test_without_limits_nothing_is_said_of_them(door: Door) -> None:
    answer = await door.call((await door.sign_in()).access_token)
    assert "ratelimit" not in answer.headers


async def test_people_are_counted_apart_and_one_person_together(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Another token, or another client, is not another person."""
    async with open_door(tmp_path, upstream.url, limits={"mcp": "2/minute"}) as door:
        ada, again = (await door.sign_in()).access_token, (await door.sign_in()).access_token
        _, key = await make_key(door)
        assert [(await door.call(token)).status_code for token in (ada, again, ada)] == [200, 200, 429]
        assert (await door.call(None, headers={"X-API-Key": key})).status_code == 200


@vector("RL-008")
async def test_one_tenant_does_not_use_up_the_budget_of_another(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, limits={"mcp": {"tenant": "2/minute"}}) as door:
        _, ours = await make_key(door, tenant="ours")
        _, theirs = await make_key(door, tenant="theirs")
        calls = [(await door.call(None, headers={"X-API-Key": key})).status_code for key in (ours, ours, ours, theirs)]
    assert calls == [200, 200, 429, 200]


async def test_whoever_guesses_is_slowed_down_and_whose_token_has_ended_learns_just_that(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    limits = {"mcp": {"address": "3/minute"}}
    async with open_door(tmp_path, upstream.url, limits=limits, trusted_proxies=PROXY) as door:
        token = (await door.sign_in()).access_token
        guesses = [(await door.call(f"vat_{number}")).status_code for number in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        elsewhere = {"X-Forwarded-For": "203.0.113.9"}
        assert (await door.call("vat_guess", headers=elsewhere)).status_code == 401
        door.clock.set(door.house.plane.server.settings.lifetimes.access_token)  # no time passes for the limits
        ended = await door.call(token)
        assert (ended.status_code, ended.json()["error"]["data"]["error_code"]) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("forged", ["203.0.113.1", "2001:db8::1", "unknown", ""])
async def test_an_address_is_not_what_a_caller_says(tmp_path: Path, upstream: RecordingUpstream, forged: str) -> None:
    async with open_door(tmp_path, upstream.url, limits={"mcp": {"address": "1/minute"}}) as door:
        token = (await door.sign_in()).access_token
        answers = [await door.call(token, headers={"X-Forwarded-For": text}) for text in ("198.51.100.7", forged)]
    assert [answer.status_code for answer in answers] == [200, 429]


@vector("RL-005")
async def test_two_replicas_count_together(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer, postgres: str
) -> None:
    keys: dict[str, Any] = {
        "store": postgres,
        "shared": redis.address,
        "replicas": 2,
        "secret_key": "env:ROOT",
        "public_url": "http://127.0.0.1:8080",
        "limits": {"mcp": "20/minute"},
    }
    environ = {"ROOT": "b4Yt0fMZ0q2vVw6dY1w3m8kQx7s5n9uEjRcLhTgPaZi"}
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    async with (
        open_door(here, upstream.url, environ=environ, **keys) as one,
        open_door(there, upstream.url, environ=environ, **keys) as two,
    ):
        _, key = await make_key(one)
        headers = {"X-API-Key": key, "Host": "127.0.0.1:8080"}
        calls = [await door.call(None, headers=headers) for _ in range(20) for door in (one, two)]
    assert 18 <= [answer.status_code for answer in calls].count(200) <= 22
    assert {answer.status_code for answer in calls} == {200, 429}


@pytest.mark.parametrize("before", [b"", b" \r\n", b"\xef\xbb\xbf"])
async def test_many_calls_are_not_counted_as_one(tmp_path: Path, upstream: RecordingUpstream, before: bytes) -> None:
    """A batch, which upstreams of 2025-03-26 take."""
    async with open_door(tmp_path, upstream.url, limits={"mcp": "5/minute"}) as door:
        token = (await door.sign_in()).access_token
        call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}'
        batch = before + b"[" + b",".join([call] * 50) + b"]"
        answer = await door.call(token, content=batch, headers={"MCP-Protocol-Version": "2025-03-26"})
        assert answer.status_code == 400
        assert upstream.requests == []
