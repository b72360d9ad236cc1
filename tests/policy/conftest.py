"""Callers, rates, and counters on a real Redis."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.parts.redis import RedisServer
from vestibule.model import Principal, Rate
from vestibule.stores.redis import RedisCounters, make_counters


def per_minute(count: int) -> Rate:
    return Rate(count, timedelta(minutes=1))


def somebody(user: str = "ada", *, tenant: str = "acme", client: str = "desk") -> Principal:
    return Principal(
        issuer="https://mcp.example.com",
        subject=user,
        user=f"work:{user}",
        tenant=tenant,
        client_id=client,
        scopes=frozenset({"mcp"}),
        resource="https://mcp.example.com/mcp",
        grant_id="g",
        token_id="t",
        expires_at=datetime.now(UTC),
    )


@dataclass
class Log:
    lines: list[str] = field(default_factory=list)

    def __call__(self, event: str, **facts: Any) -> None:
        self.lines.append(event)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def counters(redis: RedisServer, log: Log) -> AsyncIterator[RedisCounters]:
    running = make_counters(redis.address, name="https://mcp.example.com", log=log)
    await running.open()
    yield running
    await running.close()
