"""Counts that replicas share, in Redis or Valkey: one number a key, for one period at most.

    up ── an error, or no answer in time ──▶ down ── a probe, every second, is answered ──▶ up

While it is down nobody waits for it. Nothing but counts is here: losing it, or an older copy of it coming back, never
makes a used code or a revoked token good again. The time is the server's, so that replicas need not agree; a server
whose clock is set forward forgets its counts, one whose clock is set back keeps nobody waiting longer than a period.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vestibule.errors import CountersUnavailable, StartError
from vestibule.model import Rate
from vestibule.ports import Given, Want

if TYPE_CHECKING:
    from redis.asyncio import Redis

DEADLINE = 0.1  # seconds, for an answer
PROBE_DEADLINE = 2.0  # seconds; a first connection takes longer, with TLS
PROBE_INTERVAL = 1.0  # seconds
CONNECTIONS = 8

# GCRA, as in policy/gcra.py, in microseconds. string.format: Lua writes large numbers with 14 digits only.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, period, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free_at = tonumber(redis.call('GET', KEYS[1]) or now)
free_at = math.min(math.max(free_at, now), now + period)
local given = math.min(wanted, math.floor((now + period - free_at) / interval + 0.000001))
free_at = math.max(free_at + given * interval, now)
if given ~= 0 then
  local lifetime = math.ceil((free_at - now) / 1000)
  if lifetime > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', lifetime)
  else
    redis.call('DEL', KEYS[1])
  end
end
local left = now + period - free_at
local wait = 0
if given == 0 and wanted > 0 then wait = math.max(0, interval - left) end
return {given, math.floor(left / interval + 0.000001), math.ceil(free_at - now), math.ceil(wait)}
"""
_DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # what EVALSHA knows a script by

_PROBE = Want("probe", Rate(1_000_000, timedelta(seconds=1)))  # writes, as a server that is full would refuse
_SCHEMES = {"valkey": "redis", "valkeys": "rediss"}


class RedisCounters:
    """Implements `ports.SharedCounters`."""

    def __init__(self, client: "Redis", prefix: str, log: Callable[..., None]) -> None:
        self._client = client
        self._prefix = prefix
        self._log = log
        self._is_up = False
        self._probe: asyncio.Task[None] | None = None

    def is_up(self) -> bool:
        return self._is_up

    async def open(self) -> None:
        """Look whether it is there; when it is not, go on without it and keep looking."""
        if why := await self._why_not():
            self._lost(why)

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        with suppress(Exception):  # it goes either way
            await self._client.aclose()

    async def ask(self, wants: Sequence[Want]) -> Sequence[Given]:
        from redis.exceptions import NoScriptError, RedisError

        if not self._is_up:
            raise CountersUnavailable("The shared counters are down.")
        try:
            async with asyncio.timeout(DEADLINE):
                try:
                    answers = await self._evaluate(wants)
                except NoScriptError:  # a server that was restarted, or another one behind the same name
                    await self._client.script_load(SCRIPT)
                    answers = await self._evaluate(wants)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(str(error) or "no answer in time")
            raise CountersUnavailable("The shared counters do not answer.", detail=str(error)) from error
        return [Given(given, left, reset / 1e6, wait / 1e6) for given, left, reset, wait in answers]

    async def _evaluate(self, wants: Sequence[Want]) -> Sequence[Sequence[int]]:
        pipeline = self._client.pipeline(transaction=False)
        for want in wants:
            period = want.rate.period.total_seconds() * 1e6
            interval = f"{period / want.rate.count:.6f}"
            pipeline.evalsha(_DIGEST, 1, f"{self._prefix}{want.key}", interval, f"{period:.0f}", str(want.cells))
        answers: Sequence[Any] = await pipeline.execute()
        return answers

    def _lost(self, why: str) -> None:
        self._is_up = False
        if self._probe is None:
            self._probe = asyncio.create_task(self._look_for_it(why))

    async def _look_for_it(self, why: str) -> None:
        """At once, for it may have been one slow answer; then every second. One line when it is gone, one when back."""
        if await self._why_not():
            self._log("shared_counters_lost", level="warning", reason=why[:200])
            await asyncio.sleep(PROBE_INTERVAL)
            while await self._why_not():  # noqa: ASYNC110 - nothing tells us when a server is back
                await asyncio.sleep(PROBE_INTERVAL)
            self._log("shared_counters_back")
        self._probe = None

    async def _why_not(self) -> str:
        """Empty when it is there, and answers as quickly as a caller would need it."""
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(PROBE_DEADLINE):
                await self._client.script_load(SCRIPT)
            async with asyncio.timeout(DEADLINE):  # there is a connection now
                await self._evaluate([_PROBE])
        except (RedisError, OSError, TimeoutError) as error:
            return str(error) or "no answer in time"
        self._is_up = True
        return ""


def make_counters(address: str, *, name: str, log: Callable[..., None], ca_file: str | None = None) -> RedisCounters:
    """`name`: what tells this deployment from others on the same server: the issuer. Raises `StartError`.

    `ca_file`: more certificate authorities, for rediss; the certificate is always verified.
    """
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as NoConnection
    except ImportError as error:
        raise StartError(
            "shared names a Redis server, and the package for it is not installed.",
            action="Run: pip install 'vestibule[redis]'",
        ) from error
    scheme, _, rest = address.partition("://")
    scheme = _SCHEMES.get(scheme, scheme)
    tls = {"ssl_ca_certs": ca_file} if scheme == "rediss" and ca_file is not None else {}
    try:
        pool = BlockingConnectionPool.from_url(
            f"{scheme}://{rest}",
            max_connections=CONNECTIONS,
            timeout=DEADLINE,
            socket_connect_timeout=PROBE_DEADLINE,
            socket_timeout=PROBE_DEADLINE,
            retry=Retry(NoBackoff(), 1, (NoConnection,)),  # a connection that the server has closed meanwhile
            **tls,
        )
    except ValueError as error:
        raise StartError("The address in shared cannot be read.", action="Write redis://host:6379/0.") from error
    prefix = f"vestibule:{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}:"
    return RedisCounters(Redis.from_pool(pool), prefix, log)
