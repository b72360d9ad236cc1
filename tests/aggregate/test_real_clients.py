"""The Python SDK's client before several servers, one of them broken, in both eras."""

import asyncio
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult

from tests.aggregate.conftest import Together

pytestmark = pytest.mark.slow

DEMO = {"greet", "count_down", "plan_trip", "weigh_words", "draw_bars", "what_arrived"}
WIKI = {"greet", "find_page", "write_page", "name_page", "keep_state", "wait"}
ALL = {f"demo_{name}" for name in DEMO} | {f"wiki_{name}" for name in WIKI}
BOTH = pytest.mark.parametrize("mode", ["auto", "legacy"])


def text_of(result: Any) -> str:
    return str((result.content if hasattr(result, "content") else result.contents)[0].text)


async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
    given = {"destination": "Oslo", "days": 2, "title": "Doors", "ok": True}
    assert hasattr(params, "requested_schema")
    asked = params.requested_schema["properties"]
    return ElicitResult(action="accept", content={key: value for key, value in given.items() if key in asked})


@BOTH
async def test_tools_of_all_are_listed_and_called_under_their_names(together: Together, mode: str) -> None:
    async with together.client(mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == ALL
        assert "front door" in text_of(await client.call_tool("demo_greet", {"name": "Ada"}))
        assert text_of(await client.call_tool("wiki_greet", {"name": "Ada"})) == "The wiki greets Ada."


@BOTH
async def test_prompts_and_their_completions(together: Together, mode: str) -> None:
    async with together.client(mode) as client:
        assert {one.name for one in (await client.list_prompts()).prompts} == {"demo_explain", "wiki_explain"}
        got = await client.get_prompt("wiki_explain", {"topic": "doors"})
        assert got.messages[0].content.model_dump()["text"] == "Explain doors with the wiki."
        from mcp.types import PromptReference

        reference = PromptReference(type="ref/prompt", name="demo_explain")
        found = await client.complete(reference, {"name": "note", "value": "to"})
        assert found.completion.values == ["tokens"]


@BOTH
async def test_a_client_reads_what_it_is_given(together: Together, mode: str) -> None:
    async with together.client(mode) as client:
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
        assert {"demo+demo://about", "wiki+wiki://pages/home"} <= listed
        templates = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        assert templates == {"demo+notes://{name}", "wiki+wiki://pages/{name}"}
        _, link, embedded = (await client.call_tool("wiki_find_page", {})).content
        assert str(link.uri) == "wiki+wiki://pages/home"
        page = await client.read_resource(str(link.uri))
        assert page.contents[0].text == "The home page."
        assert str(page.contents[0].uri) == "wiki+wiki://pages/home"
        inside = await client.read_resource(str(embedded.resource.uri))
        assert inside.contents[0].text == "The page inside."


@BOTH
async def test_what_a_server_asks_in_the_middle_is_answered_to_it(together: Together, mode: str) -> None:
    async with together.client(mode, elicitation_callback=answer) as client:
        assert text_of(await client.call_tool("wiki_name_page", {})) == "named Doors"
        assert "2 days in Oslo" in text_of(await client.call_tool("demo_plan_trip", {}))


async def test_the_state_of_a_call_comes_back_as_it_was(together: Together) -> None:
    async with together.client(elicitation_callback=answer) as client:
        assert text_of(await client.call_tool("wiki_keep_state", {})) == "state: the wiki's"


@BOTH
async def test_progress_is_reported(together: Together, mode: str) -> None:
    reported: list[float] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    async with together.client(mode) as client:
        await client.call_tool("demo_count_down", {"seconds": 1}, progress_callback=report)
    assert reported == [0, 1]


@BOTH
async def test_what_nobody_has(together: Together, mode: str) -> None:
    async with together.client(mode) as client:
        for name in ("greet", "wiki_nothing", "nobody_greet", "wiki_", "_greet"):
            try:
                result = await client.call_tool(name, {"name": "Ada"})
            except MCPError:
                continue
            assert result.is_error


@BOTH
async def test_the_servers_speak_under_headings(together: Together, mode: str) -> None:
    async with together.client(mode) as client:
        instructions = client.instructions or ""
    assert "# The wiki\nIts tools and prompts begin with `wiki_`.\n\nAsk the wiki first." in instructions
    assert "# demo\n" in instructions


async def test_changes_of_all_on_one_stream(together: Together) -> None:
    async with together.client() as client:
        uris = ["wiki+wiki://pages/home", "demo+demo://about"]
        async with client.listen(tools_list_changed=True, resource_subscriptions=uris) as listening:
            assert set(listening.honored.resource_subscriptions or ()) == set(uris)
            await client.call_tool("wiki_write_page", {})
            async with asyncio.timeout(5):
                seen = [await anext(listening), await anext(listening)]
    assert [type(one).__name__ for one in seen] == ["ToolsListChanged", "ResourceUpdated"]
    assert seen[1].uri == "wiki+wiki://pages/home"


async def test_changes_of_all_on_the_stream_of_a_session(together: Together) -> None:
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    async with together.client("legacy", message_handler=hear) as client:
        await client.subscribe_resource("wiki+wiki://pages/home")
        await asyncio.sleep(0.3)
        await client.call_tool("wiki_write_page", {})
        async with asyncio.timeout(5):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
    assert str(heard[1].params.uri) == "wiki+wiki://pages/home"
