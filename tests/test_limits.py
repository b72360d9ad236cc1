"""The operator's limits as the running parts take them."""

from pathlib import Path
from typing import Any

import pytest

from tests.policy.conftest import per_minute, somebody
from tests.support.house import open_door
from vestibule.errors import Allowance
from vestibule.policy.limits import UNLIMITED
from vestibule.testing.recording_upstream import RecordingUpstream

HERE = "192.0.2.7"


async def told(tmp_path: Path, upstream: str, limits: dict[str, Any]) -> Allowance | None:
    """The first call's allowance; None where nothing is limited."""
    async with open_door(tmp_path, upstream, limits=limits) as door:
        calls = door.house.limits.calls
        return calls.take(somebody(), HERE, "main") if calls is not None else None


@pytest.mark.parametrize(
    ("limits", "name", "count"),
    [
        ({"mcp": "9/minute"}, "mcp-principal", 9),
        ({"default": "9/minute"}, "mcp-principal", 9),
        ({"default": "9/minute", "mcp": "7/minute", "per": ["address"]}, "mcp-address", 7),
        ({"mcp": {"tenant": "9/minute", "client": "4/minute"}}, "mcp-client", 4),
        ({"mcp": "9/minute", "upstreams": {"main": "2/minute"}}, "main-principal", 2),
    ],
)
async def test_a_call_is_limited_as_the_file_says(
    tmp_path: Path, upstream: RecordingUpstream, limits: dict[str, Any], name: str, count: int
) -> None:
    rate = per_minute(count)
    found = await told(tmp_path, upstream.url, limits)
    assert found == Allowance(name, count, 60, count - 1, -(-60 // rate.count))


async def test_without_a_rate_for_calls_they_are_not_limited(tmp_path: Path, upstream: RecordingUpstream) -> None:
    assert await told(tmp_path, upstream.url, {"oauth": "9/minute"}) is None


async def test_an_upstream_that_no_rate_is_about_has_no_limit(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, limits={"upstreams": {"main": "2/minute"}}) as door:
        calls = door.house.limits.calls
        assert calls is not None
        assert {calls.take(somebody(), HERE, "another") for _ in range(100)} == {UNLIMITED}
