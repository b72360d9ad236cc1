"""HTTP+SSE with real parts: the SDKs' clients before servers of every transport, and an SDK's server behind us."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp.types import CreateMessageResult, ElicitResult, TextContent

from tests.parts.conformance import run_server_scenarios
from tests.parts.processes import free_port, running
from tests.parts.python_client import TokensInMemory, python_client
from tests.parts.typescript_client import typescript_client
from tests.support.house import Door, open_door
from tests.support.sse import sign_in_for_sse
from tests.test_real_clients import REDIRECT, developer, text_of

pytestmark = pytest.mark.slow

SERVER = [sys.executable, "-m", "tests.parts.fixture_server"]
ROOT = Path(__file__).parent.parent
KINDS = ("streamable-http", "stdio", "sse")


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """The same server by each transport, as the configuration has it."""
    log, ports = tmp_path_factory.mktemp("fixture"), (free_port(), free_port())
    with ExitStack() as stack:
        stack.enter_context(running([*SERVER, str(ports[0])], port=ports[0], log=log / "http"))
        stack.enter_context(running([*SERVER, str(ports[1]), "sse"], port=ports[1], log=log / "sse"))
        yield {
            "streamable-http": {"name": "main", "url": f"http://localhost:{ports[0]}/mcp"},
            "sse": {"name": "main", "url": f"http://localhost:{ports[1]}/sse"},
            "stdio": {"name": "main", "command": [*SERVER, "--stdio"], "working_directory": str(ROOT)},
        }


@pytest.fixture(params=KINDS)
async def door(
    tmp_path: Path, upstreams: dict[str, dict[str, Any]], request: pytest.FixtureRequest
) -> AsyncIterator[Door]:
    async with open_door(tmp_path, "", upstreams=[upstreams[request.param]]) as running_door:
        yield running_door


async def sample(context: Any, params: Any) -> CreateMessageResult:
    return CreateMessageResult(role="assistant", content=TextContent(type="text", text="yes"), model="none")


async def answer(context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="accept", content={"response": "well"})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client_by_sse(door: Door, mode: str) -> None:
    reported: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    storage = TokensInMemory()
    async with python_client(
        f"{door.url}/sse",
        REDIRECT,
        developer(door),
        storage=storage,
        mode=mode,
        sampling_callback=sample,
        elicitation_callback=answer,
    ) as client:
        assert "test_simple_text" in {tool.name for tool in (await client.list_tools()).tools}
        assert text_of(await client.call_tool("test_simple_text", {}))
        await client.call_tool("test_tool_with_progress", {}, progress_callback=report)
        assert reported == [0, 50, 100]
        assert "yes" in text_of(await client.call_tool("test_sampling", {"prompt": "?"}))
        assert "action=accept" in text_of(await client.call_tool("test_elicitation", {"message": "?"}))
        assert text_of(await client.call_tool("test_reconnection", {})) == "reconnected"
        assert storage.tokens is not None
        first = storage.tokens.access_token
        door.clock.advance(601)  # a 401 for the next message; the client refreshes, and the stream goes on
        assert text_of(await client.call_tool("test_simple_text", {}))
        assert storage.tokens.access_token != first


async def test_the_typescript_client_by_sse(door: Door) -> None:
    async with typescript_client(f"{door.url}/main/sse", REDIRECT) as client:
        url = (await client.ask("connect"))["authorize"]
        assert (await client.ask("finish", callback=await developer(door)(url)))["connected"]
        assert "test_simple_text" in (await client.ask("list"))["tools"]
        result = (await client.ask("call", name="test_simple_text", arguments={}))["result"]
        assert result["content"][0]["type"] == "text"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_client_before_an_sse_server(
    tmp_path: Path, upstreams: dict[str, dict[str, Any]], mode: str
) -> None:
    async with (
        open_door(tmp_path, "", upstreams=[upstreams["sse"]]) as door,
        python_client(
            door.mcp, REDIRECT, developer(door), mode=mode, sampling_callback=sample, elicitation_callback=answer
        ) as client,
    ):
        assert "yes" in text_of(await client.call_tool("test_sampling", {"prompt": "?"}))
        assert "action=accept" in text_of(await client.call_tool("test_elicitation", {"message": "?"}))
        assert client.protocol_version == "2025-11-25"


DIFFERENT = {
    "server-sse-polling",  # HTTP+SSE has no answers that are broken off and taken up again (SEP-1699)
    "server-sse-multiple-streams",  # what is answered at once is a document, and no stream that the suite could look at
}


async def test_an_sse_server_conforms_like_the_same_one_directly(
    tmp_path: Path, upstreams: dict[str, dict[str, Any]]
) -> None:
    direct = await run_server_scenarios(upstreams["streamable-http"]["url"], requirements="2025-11-25")
    async with open_door(tmp_path, "", upstreams=[upstreams["sse"]]) as door:
        token = (await door.sign_in()).access_token
        localhost = door.mcp.replace("127.0.0.1", "localhost")
        through = await run_server_scenarios(localhost, requirements="2025-11-25", token=token)
    different = {name for name in direct.checks if direct.checks[name] != through.checks.get(name)}
    assert through.passed() == 80, through.output  # of 84
    assert different == DIFFERENT, {name: (direct.checks[name], through.checks.get(name)) for name in different}


async def test_what_an_sse_client_of_ours_gets_conforms(tmp_path: Path, upstreams: dict[str, dict[str, Any]]) -> None:
    """The suite speaks no HTTP+SSE: another gateway is the client, and what it gets is what the suite is shown."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "outer").mkdir()
    async with open_door(tmp_path / "inner", "", upstreams=[upstreams["streamable-http"]]) as inner:
        token = (await sign_in_for_sse(inner)).access_token
        credential = {"kind": "static", "value": "env:INNER"}
        behind = [{"name": "main", "url": f"{inner.url}/sse", "credential": credential}]
        environ = {"INNER": f"Bearer {token}"}
        async with open_door(tmp_path / "outer", "", upstreams=behind, environ=environ) as outer:
            token = (await outer.sign_in()).access_token
            localhost = outer.mcp.replace("127.0.0.1", "localhost")
            report = await run_server_scenarios(localhost, requirements="2025-11-25", token=token)
    assert set(report.failed()) == {"server-sse-polling"}, report.output
    assert report.passed() == 80, report.output
