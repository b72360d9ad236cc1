"""What the sample server offers, asked by the real client over each wire in each era."""

import base64
import json
from typing import Any

import anyio
import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    BlobResourceContents,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ImageContent,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from tests.servers.sample_server import VERSION, Way, connected, until
from vestibule.servers.demo.picture import bar_chart

HTTP: list[Way] = ["http modern", "http legacy"]
STDIO: list[Way] = ["stdio modern", "stdio legacy"]
HANDSHAKES = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.fixture(params=HTTP)
async def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def text_of(result: Any) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("way", [*HTTP, *STDIO])
async def test_each_wire_and_era_is_spoken(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        assert client.protocol_version == VERSION[way.partition(" ")[2]]
        assert text_of(await client.call_tool("greet", {"name": "Ada"})) == (
            "Hello, Ada. You came through the front door."
        )


@pytest.mark.parametrize("version", HANDSHAKES)
async def test_older_handshakes_are_answered_in_kind_and_with_a_session(version: str, demo_url: str) -> None:
    async with httpx2.AsyncClient(trust_env=False, headers={"Accept": "application/json, text/event-stream"}) as http:
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}
        opened = await http.post(demo_url, json=rpc(1, "initialize", hello))
        assert sse(opened)["result"]["protocolVersion"] == version
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": version}
        await http.post(demo_url, json=rpc(None, "notifications/initialized", {}), headers=session)
        call = rpc(2, "tools/call", {"name": "greet", "arguments": {"name": "Ada"}})
        greeted = sse(await http.post(demo_url, json=call, headers=session))
        assert greeted["result"]["content"][0]["text"].startswith("Hello, Ada")
        assert (await http.delete(demo_url, headers=session)).status_code == 200
        assert (await http.post(demo_url, json=call, headers=session)).status_code == 404


def rpc(number: int | None, method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params} | ({} if number is None else {"id": number})


def sse(answer: httpx2.Response) -> dict[str, Any]:
    (data,) = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    message: dict[str, Any] = json.loads(data)
    return message


async def test_every_tool_says_what_it_is_and_that_it_only_reads(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"greet", "count_down", "plan_trip", "weigh_words", "draw_bars", "what_arrived"}
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert all("description" in argument for argument in tool.input_schema["properties"].values())
    assert {name for name, tool in tools.items() if tool.output_schema} == {"weigh_words", "what_arrived"}
    assert not tools["plan_trip"].input_schema["properties"]  # the person is asked, not the model


async def test_words_are_weighed_into_structured_output(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        result = await client.call_tool("weigh_words", {"text": "The door, the DOOR; the “room”!"})
    assert result.structured_content == {
        "words": 6,
        "different": 3,
        "most_common": {"the": 3, "door": 2, "“room”": 1},
    }
    assert json.loads(text_of(result)) == result.structured_content


async def test_bars_are_drawn_as_a_picture(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        (content,) = (await client.call_tool("draw_bars", {"values": [1, -2, 3.5]})).content
    assert isinstance(content, ImageContent)
    assert content.mime_type == "image/png"
    assert base64.b64decode(content.data) == bar_chart([1, -2, 3.5])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("count_down", {"seconds": 0}),
        ("count_down", {"seconds": 61}),
        ("draw_bars", {"values": []}),
        ("draw_bars", {"values": [1] * 21}),
        ("draw_bars", {"values": ["inf"]}),
        ("greet", {}),
    ],
)
async def test_arguments_out_of_bounds_are_refused_as_the_tools_answer(
    tool: str, arguments: dict[str, Any], demo_url: str
) -> None:
    async with connected("http modern", demo_url) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert "validation error" in text_of(result)


async def test_a_tool_that_does_not_exist_is_an_error_to_read(demo_url: str) -> None:
    async with connected("http modern", demo_url) as client:
        result = await client.call_tool("no_such_tool")
    assert result.is_error
    assert "no_such_tool" in text_of(result)


async def test_what_arrived_shows_every_header_and_a_token_if_there_is_one(way: Way, demo_url: str) -> None:
    sent = [("Authorization", "Bearer secret"), ("X-Twice", "one"), ("X-Twice", "two")]
    async with connected(way, demo_url, headers=sent) as client:
        arrived = (await client.call_tool("what_arrived")).structured_content
    assert arrived is not None
    assert arrived["carries_a_token"] is True
    assert arrived["headers"]["authorization"] == "Bearer secret"
    assert arrived["headers"]["x-twice"] == "one, two"
    assert arrived["protocol_version"] == VERSION[way.partition(" ")[2]]
    assert arrived["client"].startswith("mcp ")


@pytest.mark.parametrize(("header", "token"), [("X-Forwarded-Access-Token", "Bearer x"), ("X-Request-Id", "1")])
async def test_a_token_in_another_header_is_told_too(header: str, token: str, demo_url: str) -> None:
    async with connected("http modern", demo_url, headers={header: token}) as client:
        arrived = (await client.call_tool("what_arrived")).structured_content
    assert arrived is not None
    assert arrived["carries_a_token"] is token.startswith("Bearer")


async def test_over_stdio_no_headers_arrive() -> None:
    async with connected("stdio modern", "") as client:
        arrived = (await client.call_tool("what_arrived")).structured_content
    assert arrived is not None
    assert (arrived["headers"], arrived["carries_a_token"]) == ({}, False)


@pytest.mark.parametrize("way", [*HTTP, *STDIO])
async def test_a_countdown_reports_its_progress(way: Way, demo_url: str) -> None:
    reported: list[tuple[float, float | None, str | None]] = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        reported.append((progress, total, message))

    async with connected(way, demo_url) as client:
        result = await client.call_tool("count_down", {"seconds": 1}, progress_callback=report)
    assert text_of(result) == "Counted down from 1."
    assert reported == [(0, 1, "1 to go"), (1, 1, "done")]


@pytest.mark.parametrize("way", [*HTTP, *STDIO])
async def test_a_cancelled_countdown_stops_at_the_server(way: Way, demo_url: str) -> None:
    started = anyio.Event()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        started.set()

    async with connected(way, demo_url) as client, anyio.create_task_group() as calls:
        before = await tally(client)
        calls.start_soon(lambda: client.call_tool("count_down", {"seconds": 60}, progress_callback=report))
        with anyio.fail_after(8):
            await started.wait()
        assert await tally(client) == before | {"running": before["running"] + 1}
        calls.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await until(lambda: is_tally(client, before | {"cancelled": before["cancelled"] + 1}))


async def tally(client: Client) -> dict[str, int]:
    (content,) = (await client.read_resource("demo://countdowns", cache_mode="bypass")).contents
    assert isinstance(content, TextResourceContents)
    counted: dict[str, int] = json.loads(content.text)
    return counted


async def is_tally(client: Client, wanted: dict[str, int]) -> bool:
    return await tally(client) == wanted


class Person:
    """Somebody at the client who answers what the server asks."""

    def __init__(self, answer: ElicitResult) -> None:
        self.answer = answer
        self.asked: list[ElicitRequestParams] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params)
        return self.answer


@pytest.mark.parametrize("way", [*HTTP, *STDIO])
async def test_a_trip_is_planned_from_what_the_person_answers(way: Way, demo_url: str) -> None:
    person = Person(ElicitResult(action="accept", content={"destination": "Oslo", "days": 2}))
    async with connected(way, demo_url, elicitation_callback=person) as client:
        result = await client.call_tool("plan_trip")
    assert text_of(result) == ("2 days in Oslo.\nDay 1: find the oldest door in town\nDay 2: walk by the water")
    (asked,) = person.asked  # once, though the modern era calls the tool again with the answer
    assert isinstance(asked, ElicitRequestFormParams)
    assert asked.message == "Where would you like to go, and for how long?"
    assert asked.requested_schema["required"] == ["destination"]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_person_may_say_no(way: Way, action: Any, demo_url: str) -> None:
    async with connected(way, demo_url, elicitation_callback=Person(ElicitResult(action=action))) as client:
        result = await client.call_tool("plan_trip")
    assert (text_of(result), result.is_error) == ("No trip then.", False)


async def test_an_answer_that_does_not_fit_is_refused(way: Way, demo_url: str) -> None:
    person = Person(ElicitResult(action="accept", content={"destination": "Oslo", "days": 31}))
    async with connected(way, demo_url, elicitation_callback=person) as client:
        result = await client.call_tool("plan_trip")
    assert result.is_error
    assert "does not match the requested schema" in text_of(result)


async def test_a_client_that_cannot_ask_is_told_so(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool("plan_trip")
    assert refused.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY


async def test_resources_are_listed_with_their_types(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        listed = {resource.uri: resource.mime_type for resource in (await client.list_resources()).resources}
        (template,) = (await client.list_resource_templates()).resource_templates
    assert listed == {
        "demo://about": "text/plain",
        "demo://picture": "image/png",
        "demo://countdowns": "application/json",
    }
    assert template.uri_template == "notes://{name}"


@pytest.mark.parametrize(("uri", "words"), [("demo://about", "A sample MCP server"), ("notes://tokens", "outer door")])
async def test_texts_and_notes_are_read(way: Way, uri: str, words: str, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert words in content.text


async def test_a_picture_is_read(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        (content,) = (await client.read_resource("demo://picture")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == "image/png"
    assert base64.b64decode(content.blob).startswith(b"\x89PNG\r\n\x1a\n")


async def test_a_note_that_does_not_exist_names_those_that_do(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        with pytest.raises(MCPError, match=r"no note 'nothing'.*vestibule, tokens, eras") as of_resource:
            await client.read_resource("notes://nothing")
        with pytest.raises(MCPError, match=r"no note 'nothing'.*vestibule, tokens, eras") as of_prompt:
            await client.get_prompt("explain", {"note": "nothing"})
    assert of_resource.value.code == of_prompt.value.code == INVALID_PARAMS


async def test_the_prompt_takes_its_arguments(way: Way, demo_url: str) -> None:
    async with connected(way, demo_url) as client:
        (prompt,) = (await client.list_prompts()).prompts
        (message,) = (await client.get_prompt("explain", {"note": "tokens", "tone": "playful"})).messages
    assert [(argument.name, argument.required) for argument in prompt.arguments or ()] == [
        ("note", True),
        ("tone", False),
    ]
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    assert message.content.text.startswith("Explain this in a playful tone, in two sentences: A client's token")


@pytest.mark.parametrize(
    ("ref", "name", "typed", "offered"),
    [
        (PromptReference(name="explain"), "note", "", ["vestibule", "tokens", "eras"]),
        (PromptReference(name="explain"), "tone", "F", ["friendly", "formal"]),
        (PromptReference(name="explain"), "name", "", []),
        (PromptReference(name="other"), "note", "", []),
        (ResourceTemplateReference(uri="notes://{name}"), "name", "to", ["tokens"]),
    ],
)
async def test_arguments_are_completed(
    way: Way, ref: Any, name: str, typed: str, offered: list[str], demo_url: str
) -> None:
    async with connected(way, demo_url) as client:
        completion = (await client.complete(ref, {"name": name, "value": typed})).completion
    assert (completion.values, completion.total) == (offered, len(offered))
