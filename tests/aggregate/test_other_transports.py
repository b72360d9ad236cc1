"""Members that are not spoken to by HTTP: to an aggregate they are pools like the others."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.aggregate.conftest import Together
from tests.aggregate.test_real_clients import BOTH, answer, text_of
from tests.support.house import open_door

pytestmark = pytest.mark.slow


@pytest.fixture
async def mixed(tmp_path: Path, wiki_url: str) -> AsyncIterator[Together]:
    """A command beside an HTTP server."""
    upstreams = [
        {"name": "desk", "command": [sys.executable, "-m", "vestibule", "server", "demo", "--stdio"]},
        {"name": "wiki", "url": wiki_url},
    ]
    async with open_door(tmp_path, "", upstreams=upstreams, aggregate={"enabled": True, "deadline": "20s"}) as door:
        yield Together(door)


@BOTH
async def test_a_command_beside_a_server(mixed: Together, mode: str) -> None:
    reported: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async with mixed.client(mode, elicitation_callback=answer) as client:
        found = {tool.name for tool in (await client.list_tools()).tools}
        assert {"desk_greet", "wiki_greet", "desk_plan_trip"} <= found
        assert "front door" in text_of(await client.call_tool("desk_greet", {"name": "Ada"}))
        assert text_of(await client.call_tool("wiki_greet", {"name": "Ada"})) == "The wiki greets Ada."
        assert "2 days in Oslo" in text_of(await client.call_tool("desk_plan_trip", {}))
        await client.call_tool("desk_count_down", {"seconds": 1}, progress_callback=report)
        assert reported == [0, 1]
        assert "front door" not in text_of(await client.read_resource("desk+notes://tokens"))
