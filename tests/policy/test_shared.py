"""Limits over several replicas, on a real Redis: how much passes in all, and what happens when it goes."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parts.redis import RedisServer
from tests.policy.conftest import Log, per_minute, somebody
from vestibule.errors import CountersUnavailable, StartError, TooManyRequests
from vestibule.model import Principal
from vestibule.policy import CallRates, LeasedCallLimits, LocalThrottle, SharedThrottle
from vestibule.policy.leases import TOLERANCE
from vestibule.ports import SharedCounters, Want
from vestibule.stores.redis import RedisCounters, make_counters
from vestibule.testing.clock import FrozenClock

HERE = "192.0.2.7"
LIMIT = 200


class Counting:
    """How often the counters are asked."""

    def __init__(self, counters: SharedCounters) -> None:
        self.asked = 0
        self._counters = counters
        self.is_up = counters.is_up

    async def ask(self, wants):  # type: ignore[no-untyped-def]
        self.asked += 1
        return await self._counters.ask(wants)


def replica(counters: SharedCounters, *, limit: int = LIMIT, of: int = 2) -> LeasedCallLimits:
    return LeasedCallLimits(
        CallRates({"principal": per_minute(limit)}, {}), FrozenClock().monotonic, counters, replicas=of
    )


async def call(limits: LeasedCallLimits, caller: Principal | None = None) -> bool:
    """As the gateway does."""
    caller = caller or somebody()
    found = limits.take(caller, HERE, "a")
    if found is None:
        found = await limits.fetch(caller, HERE, "a")
    return not found.retry_after


async def test_two_replicas_with_half_of_the_load_each_give_no_more_than_the_limit(counters: RedisCounters) -> None:
    replicas = [replica(counters), replica(counters)]
    given = sum([await call(replicas[number % 2]) for number in range(3 * LIMIT)])
    assert LIMIT * (1 - TOLERANCE) <= given <= LIMIT * (1 + TOLERANCE)


async def test_the_same_with_all_calls_at_once(counters: RedisCounters) -> None:
    replicas = [replica(counters), replica(counters)]
    given = sum(await asyncio.gather(*(call(replicas[number % 2]) for number in range(3 * LIMIT))))
    assert LIMIT * (1 - TOLERANCE) <= given <= LIMIT * (1 + TOLERANCE)


async def test_a_small_limit_is_exact(counters: RedisCounters) -> None:
    replicas = [replica(counters, limit=5), replica(counters, limit=5)]
    assert sum([await call(replicas[number % 2]) for number in range(30)]) == 5


async def test_a_lonely_replica_gets_nearly_all(counters: RedisCounters) -> None:
    busy, idle = replica(counters), replica(counters)
    await call(idle)
    assert sum([await call(busy) for _ in range(2 * LIMIT)]) >= LIMIT * (1 - TOLERANCE) - 1


async def test_the_counters_are_asked_once_for_a_share_and_not_for_a_refusal(counters: RedisCounters) -> None:
    counting = Counting(counters)
    one = replica(counting, of=1)
    for _ in range(3 * LIMIT):
        await call(one)
    assert counting.asked <= 1 / TOLERANCE + 2


async def test_calls_that_wait_are_asked_for_together(counters: RedisCounters) -> None:
    counting = Counting(counters)
    one = replica(counting)
    await asyncio.gather(*(call(one, somebody(str(number))) for number in range(100)))
    assert counting.asked <= 2


async def test_a_grant_given_back_is_there_again(counters: RedisCounters) -> None:
    throttle = SharedThrottle(counters, LocalThrottle(FrozenClock().monotonic))
    rate = per_minute(2)
    for _ in range(10):
        await throttle.take("things", "k", rate)
        await throttle.forgive("things", "k", rate)
    await throttle.take("things", "k", rate)
    await throttle.take("things", "k", rate)
    with pytest.raises(TooManyRequests) as refused:
        await throttle.take("things", "k", rate)
    assert 29 <= refused.value.retry_after <= 30
    assert refused.value.allowance is not None
    assert refused.value.allowance.remaining == 0


async def counted(counters: RedisCounters) -> list[bytes]:
    """What is in Redis, but for what a probe has left while the server was starting."""
    keys: list[bytes] = await counters._client.keys("*")  # type: ignore[assignment]  # the client decodes nothing
    return [key for key in keys if not key.endswith(b":probe")]


async def test_nothing_is_kept_for_longer_than_the_period_and_no_name_stands_in_it(
    counters: RedisCounters, redis: RedisServer
) -> None:
    throttle = SharedThrottle(counters, LocalThrottle(FrozenClock().monotonic))
    await throttle.take("guesses", "somebody@example.com" * 1000, per_minute(2))
    client = counters._client
    keys = await counted(counters)
    assert len(keys) == 1
    assert len(keys[0]) < 100
    assert b"somebody" not in keys[0]
    assert 0 < await client.pttl(keys[0]) <= 60_000


async def test_two_deployments_on_one_server_do_not_meet(redis: RedisServer, counters: RedisCounters, log: Log) -> None:
    other = make_counters(redis.address, name="https://other.example.com", log=log)
    await other.open()
    want = Want("things:k", per_minute(1))
    assert [(await one.ask([want]))[0].cells for one in (counters, other, counters)] == [1, 1, 0]
    await other.close()


# --- Redis goes -----------------------------------------------------------------------------------------------------


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_without_redis_this_replica_decides_with_one_line_in_the_log(
    counters: RedisCounters, redis: RedisServer, log: Log
) -> None:
    one = replica(counters, limit=20, of=1)
    assert sum([await call(one) for _ in range(10)]) == 10
    redis.stop()
    assert sum([await call(one) for _ in range(100)]) == 10  # what was counted before still counts
    await until(lambda: bool(log.lines))
    assert sum([await call(one) for _ in range(100)]) == 0
    assert log.lines == ["shared_counters_lost"]


async def test_it_comes_back_by_itself(counters: RedisCounters, redis: RedisServer, log: Log) -> None:
    redis.stop()
    with pytest.raises(CountersUnavailable):
        await counters.ask([Want("k", per_minute(1))])
    await until(lambda: bool(log.lines))
    redis.start()
    await until(counters.is_up)
    assert (await counters.ask([Want("k", per_minute(1))]))[0].cells == 1
    assert log.lines == ["shared_counters_lost", "shared_counters_back"]


async def test_a_server_that_does_not_answer_is_waited_for_once(
    counters: RedisCounters, redis: RedisServer, log: Log
) -> None:
    throttle = SharedThrottle(counters, LocalThrottle(FrozenClock().monotonic))
    redis.pause()
    started = asyncio.get_running_loop().time()
    for _ in range(20):
        await throttle.take("things", "k", per_minute(20))
    assert asyncio.get_running_loop().time() - started < 1  # a deadline of a tenth for the first, nothing for the rest
    with pytest.raises(TooManyRequests):
        await throttle.take("things", "k", per_minute(20))
    redis.resume()
    await until(counters.is_up)


async def test_a_server_that_is_too_slow_is_not_used(redis: RedisServer, log: Log, tmp_path: Path) -> None:
    """It answers after a fifth of a second each time: nobody waits for that more than once."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_unix_connection(redis.address.removeprefix("unix://"))

        async def answer() -> None:
            while piece := await back.read(65536):
                await asyncio.sleep(0.2)
                writer.write(piece)

        answering = asyncio.create_task(answer())
        while piece := await reader.read(65536):
            there.write(piece)
        there.close()
        answering.cancel()
        writer.close()

    async with await asyncio.start_unix_server(relay, tmp_path / "slow"):
        slow = make_counters(f"unix://{tmp_path / 'slow'}", name="n", log=log)
        await slow.open()
        assert not slow.is_up()
        await until(lambda: bool(log.lines))
        throttle = SharedThrottle(slow, LocalThrottle(FrozenClock().monotonic))
        started = asyncio.get_running_loop().time()
        for _ in range(20):
            await throttle.take("things", "k", per_minute(20))
        assert asyncio.get_running_loop().time() - started < 0.5
        assert log.lines == ["shared_counters_lost"]
        await slow.close()


async def test_a_server_that_is_not_there_at_the_start_is_no_reason_not_to_start(redis: RedisServer, log: Log) -> None:
    redis.stop()
    late = make_counters(redis.address, name="n", log=log)
    await late.open()
    assert not late.is_up()
    redis.start()
    await until(late.is_up)
    await late.close()


def test_without_the_package_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(StartError) as refused:
        make_counters("redis://localhost", name="n", log=log)
    assert "vestibule[redis]" in refused.value.action


def test_the_password_is_not_shown(log: Log) -> None:
    made = make_counters("valkey://:swordfish@cache.internal:6379/0", name="n", log=log)
    assert "swordfish" not in repr(made._client) + repr(made)


async def test_a_server_whose_clock_is_set_back_keeps_nobody_waiting_longer_than_a_period(
    counters: RedisCounters,
) -> None:
    want = Want("k", per_minute(1))
    await counters.ask([want])
    (key,) = await counted(counters)
    in_an_hour = int(await counters._client.get(key) or 0) + 3_600_000_000
    await counters._client.set(key, in_an_hour)
    answer = (await counters.ask([want]))[0]
    assert (answer.cells, answer.wait) == (0, 60)


async def test_a_server_that_may_not_write_is_as_good_as_none(counters: RedisCounters, log: Log) -> None:
    """A replica of Redis, or one that is full: it answers, and counts nothing."""
    await counters._client.config_set("maxmemory", "1")
    with pytest.raises(CountersUnavailable):
        await counters.ask([Want("k", per_minute(1))])
    await until(lambda: log.lines == ["shared_counters_lost"])
    await counters._client.config_set("maxmemory", "0")
    await until(counters.is_up)


async def test_a_server_that_lost_its_scripts_is_given_them_again(counters: RedisCounters) -> None:
    await counters._client.script_flush()
    assert (await counters.ask([Want("k", per_minute(1))]))[0].cells == 1
    assert counters.is_up()
