"""A real client, through the gateway, to a real server on a pipe: in both eras, with questions and progress."""

import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ElicitRequestParams, ElicitResult

from tests.parts.python_client import python_client
from tests.support.house import REDIRECT, open_door
from tests.test_real_clients import TOOLS, developer, text_of


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("instances", ["per-principal", "shared"])
async def test_the_python_client(tmp_path: Path, mode: str, instances: str) -> None:
    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"destination": "Oslo", "days": 2})

    reported: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    command = [sys.executable, "-m", "vestibule", "server", "demo", "--stdio"]
    upstream = {"name": "main", "command": command, "instances": instances}
    async with (
        open_door(tmp_path, "", upstreams=[upstream]) as door,
        python_client(door.mcp, REDIRECT, developer(door), mode=mode, elicitation_callback=answer) as client,
    ):
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        assert "Ada" in text_of(await client.call_tool("greet", {"name": "Ada"}))
        await client.call_tool("count_down", {"seconds": 1}, progress_callback=report)
        assert reported == [0, 1]
        assert "front door" not in text_of(await client.read_resource("notes://tokens"))
        if (mode, instances) != ("legacy", "shared"):  # there a server has nobody whom it could ask
            assert "2 days in Oslo" in text_of(await client.call_tool("plan_trip", {}))


async def test_a_client_of_the_new_era_reaches_a_server_that_knows_only_the_old_one(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "parts" / "old_server.py"
    upstream = {"name": "main", "command": [sys.executable, "-S", str(program)]}
    async with (
        open_door(tmp_path, "", upstreams=[upstream]) as door,
        python_client(door.mcp, REDIRECT, developer(door), mode="auto") as client,
    ):
        assert text_of(await client.call_tool("hello", {})) == "hello"
