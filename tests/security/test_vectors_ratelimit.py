"""Area ratelimit: what limits must do to attackers, and must not do to anybody else."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.parts.redis import RedisServer
from tests.policy.conftest import per_minute, somebody
from tests.security.vectors import vector
from tests.support.house import Door, Flow, SignedIn, open_door
from tests.support.wire import Wire, head
from vestibule.policy import CallRates, LocalCallLimits, LocalThrottle
from vestibule.protocol.registration import DEVICE_CODE
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream

LIMIT = 5
ROUNDS = 2 * LIMIT


@pytest.fixture
async def limited(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url, limits={"oauth": f"{LIMIT}/minute"}) as door:
        yield door


async def refresh(door: Door, person: SignedIn, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": person.flow.client["client_id"]}
    return await door.post("/token", form)


async def use_up(door: Door, person: SignedIn) -> tuple[list[int], str]:
    """Refresh along the chain, beyond the limit: the statuses, and the token that is still good."""
    statuses, token = [], person.refresh_token
    for _ in range(ROUNDS):
        answer = await refresh(door, person, token)
        statuses.append(answer.status_code)
        token = answer.json().get("refresh_token", token)
    return statuses, token


# --- the form -------------------------------------------------------------------------------------------------------


@vector("RL-001")
async def test_a_429_of_an_oauth_endpoint_says_how_long_to_wait(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    _, token = await use_up(limited, person)
    answer = await refresh(limited, person, token)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "12"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["ratelimit-policy"] == '"grant-refresh-token";q=5;w=60'
    assert answer.headers["ratelimit"] == '"grant-refresh-token";r=0;t=60'
    assert set(answer.json()) == {"error", "error_description"}


@vector("RL-001")
async def test_a_token_that_is_given_says_how_many_are_left(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    answer = await refresh(limited, person, person.refresh_token)
    assert answer.headers["ratelimit"] == '"grant-refresh-token";r=4;t=12'
    assert "retry-after" not in answer.headers


async def test_nothing_is_told_where_nothing_is_limited(door: Door) -> None:
    person = await door.sign_in()
    answer = await refresh(door, person, person.refresh_token)
    assert "ratelimit" not in answer.headers


# --- nobody is locked out -------------------------------------------------------------------------------------------


@vector("RL-002")
async def test_refreshes_that_fail_up_to_the_limit_do_not_stop_a_sign_in(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    answers = [await refresh(limited, person, "vrt_dead") for _ in range(ROUNDS)]
    assert [answer.status_code for answer in answers] == [400] * LIMIT + [429] * LIMIT
    assert answers[0].json()["error"] == "invalid_grant"
    again = Flow(limited, person.flow.client)
    again.code = (await person.visitor.approve(again))["code"]
    assert (await again.redeem()).status_code == 200


@vector("RL-002")
async def test_a_dead_token_is_told_so_again_after_as_long_as_the_429_says(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    for _ in range(ROUNDS):
        answer = await refresh(limited, person, "vrt_dead")
    limited.clock.advance(int(answer.headers["retry-after"]))
    assert (await refresh(limited, person, "vrt_dead")).json()["error"] == "invalid_grant"


@vector("RL-002")
async def test_refreshes_that_fail_do_not_stop_those_that_do_not(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    for _ in range(ROUNDS):
        await refresh(limited, person, "vrt_dead")
    assert (await refresh(limited, person, person.refresh_token)).status_code == 200


@vector("RL-002")
async def test_at_the_limit_a_grant_that_is_over_is_told_so_all_the_same(vector: str, limited: Door) -> None:
    person = await limited.sign_in()
    statuses, token = await use_up(limited, person)
    assert statuses == [200] * LIMIT + [429] * LIMIT
    form = {"token": token, "client_id": person.flow.client["client_id"]}
    assert (await limited.post("/revoke", form)).status_code == 200
    answer = await refresh(limited, person, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_at_the_limit_a_replayed_token_ends_its_family_all_the_same(limited: Door) -> None:
    person = await limited.sign_in()
    _, token = await use_up(limited, person)
    assert (await refresh(limited, person, person.refresh_token)).json()["error"] == "invalid_grant"
    assert (await refresh(limited, person, token)).json()["error"] == "invalid_grant"


async def test_at_the_limit_a_replayed_code_ends_what_it_gave_all_the_same(limited: Door) -> None:
    client = await limited.register()
    people = [await limited.sign_in(client=client) for _ in range(LIMIT)]
    assert (await people[0].flow.redeem()).json()["error"] == "invalid_grant"
    assert (await limited.call(people[0].access_token)).status_code == 401
    another = Flow(limited, client)
    another.code = (await people[0].visitor.approve(another))["code"]
    assert (await another.redeem()).status_code == 429


async def test_a_device_that_polls_is_not_counted_until_it_gets_something(limited: Door) -> None:
    client = await limited.register(grant_types=[DEVICE_CODE])
    answer = await limited.post("/device_authorization", {"client_id": client["client_id"], "resource": limited.mcp})
    form = {"grant_type": DEVICE_CODE, "device_code": answer.json()["device_code"], "client_id": client["client_id"]}
    for _ in range(ROUNDS):
        limited.clock.advance(6)
        assert (await limited.post("/token", form)).json()["error"] == "authorization_pending"


async def test_a_429_spends_nothing(limited: Door) -> None:
    person = await limited.sign_in()
    _, token = await use_up(limited, person)
    limited.clock.advance(12)
    assert (await refresh(limited, person, token)).status_code == 200


async def test_a_stranger_at_another_address_does_not_use_up_what_a_clients_people_have(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """A public client's id is no secret: the flood says it too."""
    keys: dict[str, Any] = {"limits": {"oauth": f"{LIMIT}/minute"}, "trusted_proxies": ["127.0.0.1/32"]}
    async with open_door(tmp_path, upstream.url, **keys) as door:
        person = await door.sign_in()
        await use_up(door, person)
        other = await door.sign_in(client=person.flow.client)
        form = {"grant_type": "refresh_token", "refresh_token": other.refresh_token}
        form["client_id"] = person.flow.client["client_id"]
        answer = await door.post("/token", form, headers={"X-Forwarded-For": "198.51.100.7"})
        assert answer.status_code == 200


async def test_x_forwarded_for_of_a_stranger_is_no_new_address(limited: Door) -> None:
    person = await limited.sign_in()
    form = {"grant_type": "refresh_token", "refresh_token": "vrt_dead", "client_id": person.flow.client["client_id"]}
    statuses = [
        (await limited.post("/token", form, headers={"X-Forwarded-For": f"198.51.100.{number}"})).status_code
        for number in range(ROUNDS)
    ]
    assert statuses == [400] * LIMIT + [429] * LIMIT


# --- replicas -------------------------------------------------------------------------------------------------------


@vector("RL-005")
async def test_two_replicas_give_no_more_than_the_limit(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    keys: dict[str, Any] = {"shared": redis.address, "limits": {"oauth": "60/hour"}}
    async with (
        open_door(tmp_path, upstream.url, **keys) as one,
        open_door(tmp_path, upstream.url, public_url=one.url, clock=one.clock, **keys) as two,
    ):
        person = await one.sign_in()
        given, token = 0, person.refresh_token
        for number in range(80):
            answer = await refresh((one, two)[number % 2], person, token)
            assert answer.status_code in (200, 429)
            given += answer.status_code == 200
            token = answer.json().get("refresh_token", token)
        assert 60 <= given <= 60 * 1.1  # the time is the server's, and goes on meanwhile
        assert (await two.http.get(f"{two.url}/readyz")).json() == {"ready": True, "store": "ok", "shared": "ok"}


async def test_without_redis_everything_goes_on(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    keys: dict[str, Any] = {"shared": redis.address, "limits": {"oauth": f"{LIMIT}/minute"}}
    async with open_door(tmp_path, upstream.url, **keys) as door:
        person = await door.sign_in()
        used = await refresh(door, person, person.refresh_token)
        redis.stop()
        statuses, token = [], used.json()["refresh_token"]
        for _ in range(ROUNDS):
            answer = await refresh(door, person, token)
            statuses.append(answer.status_code)
            token = answer.json().get("refresh_token", token)
        assert statuses == [200] * (LIMIT - 1) + [429] * (LIMIT + 1)  # what was counted before still counts
        ready = await door.http.get(f"{door.url}/readyz")
        assert (ready.status_code, ready.json()["shared"]) == (200, "degraded")


async def test_losing_redis_brings_no_used_code_and_no_revoked_token_back(
    tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    async with open_door(tmp_path, upstream.url, shared=redis.address) as door:
        person = await door.sign_in()
        form = {"token": person.refresh_token, "client_id": person.flow.client["client_id"]}
        await door.post("/revoke", form)
        redis.stop()
        redis.start()
        assert (await person.flow.redeem()).json()["error"] == "invalid_grant"
        assert (await refresh(door, person, person.refresh_token)).json()["error"] == "invalid_grant"
        assert (await door.call(person.access_token)).status_code == 401


# --- tenants --------------------------------------------------------------------------------------------------------


@vector("RL-008")
@pytest.mark.parametrize("part", ["tenant", "principal", "client", "address"])
def test_one_tenants_flood_leaves_anothers_budget_whole(vector: str, part: Any) -> None:
    """Although both come with the same client, from the same address, and their people have the same name."""
    limits = LocalCallLimits(CallRates({part: per_minute(LIMIT)}, {}), FrozenClock().monotonic)
    for number in range(1000):
        limits.take(somebody(str(number % 3), tenant="a"), "192.0.2.7", "tickets")
    others = [limits.take(somebody("0", tenant="b"), "192.0.2.7", "tickets") for _ in range(LIMIT)]
    assert not any(allowance.retry_after for allowance in others)


# --- clocks ---------------------------------------------------------------------------------------------------------


@vector("RL-009")
@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_clock_that_is_set_neither_frees_nor_locks_anybody(vector: str, jump: timedelta, limited: Door) -> None:
    person = await limited.sign_in()
    for _ in range(LIMIT):
        await refresh(limited, person, "vrt_dead")
    limited.clock.set(jump)
    answer = await refresh(limited, person, "vrt_dead")
    assert (answer.status_code, answer.headers.get("retry-after")) == (429, "12")
    limited.clock.advance(12)
    assert (await refresh(limited, person, "vrt_dead")).status_code == 400


# --- what is held ---------------------------------------------------------------------------------------------------


@vector("RL-010")
async def test_a_huge_client_id_is_refused_and_never_a_key(vector: str, limited: Door) -> None:
    lines = ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 1000000")
    async with Wire(limited.url) as wire:
        await wire.send(head(wire.host, *lines, path="/token") + b"client_id=" + b"x" * 1000)
        assert b" 413 " in await wire.until(b"\r\n")
    for size in (1000, 60_000):
        form = {"grant_type": "refresh_token", "refresh_token": "t", "client_id": "y" * size, "client_secret": "s"}
        assert (await limited.post("/token", form)).status_code in (400, 401)
    throttle = limited.house.plane.server.throttle
    assert isinstance(throttle, LocalThrottle)
    assert max(len(key) for buckets in throttle._kinds.values() for key in buckets.free_at) <= 128


async def test_many_client_ids_do_not_reset_anybodys_count(limited: Door) -> None:
    """Each of them is a key; a full table forgets those that were used once, not those that are used up."""
    throttle = limited.house.plane.server.throttle
    rate = per_minute(LIMIT)
    for _ in range(LIMIT):
        await throttle.take("guesses", "victim", rate)
    for number in range(60_000):
        await throttle.allows("guesses", f"throw-away-{number}", rate)
    assert not await throttle.allows("guesses", "victim", rate)


@pytest.mark.parametrize("is_shared", [False, True])
async def test_whoever_guesses_tokens_is_slowed_down_with_one_replica_and_with_several(
    is_shared: bool, tmp_path: Path, upstream: RecordingUpstream, redis: RedisServer
) -> None:
    keys: dict[str, Any] = {"shared": redis.address} if is_shared else {}
    async with open_door(tmp_path, upstream.url, limits={"mcp": f"{LIMIT}/minute"}, **keys) as door:
        statuses = [(await door.call(f"vat_{'A' * 60}{number}")).status_code for number in range(ROUNDS)]
        assert statuses == [401] * LIMIT + [429] * LIMIT
        assert (await door.call((await door.sign_in()).access_token)).status_code == 200


async def test_a_spent_token_is_not_a_way_past_the_limit(limited: Door) -> None:
    person = await limited.sign_in()
    statuses = [(await refresh(limited, person, person.refresh_token)).status_code for _ in range(110)]
    assert statuses.count(200) <= 102
    assert statuses[-1] == 429
