"""Tools that do more than answer: log, report progress, ask the client in mid-call, change lists."""

from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve, Sample
from mcp.types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel, Field


class Reply(BaseModel):
    response: str = Field(description="What you answer")


class Defaults(BaseModel):
    """SEP-1034: a default for every primitive type."""

    name: str = Field(default="John Doe", description="Name")
    age: int = Field(default=30, description="Age")
    score: float = Field(default=95.5, description="Score")
    status: str = Field(default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = Field(default=True, description="Verified")


_LEVELS = [{"const": name.lower(), "title": f"{name} priority"} for name in ("Low", "Medium", "High")]
_KINDS = [{"const": name.lower(), "title": name} for name in ("Feature", "Bug", "Docs")]


class Choices(BaseModel):
    """SEP-1330: every way to write an enum."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["active", "inactive", "pending"]})  # noqa: N815
    titledSingle: str = Field(json_schema_extra={"oneOf": _LEVELS})  # type: ignore[dict-item]  # noqa: N815
    untitledMulti: list[str] = Field(  # noqa: N815
        json_schema_extra={"items": {"type": "string", "enum": ["read", "write", "execute"]}}
    )
    titledMulti: list[str] = Field(json_schema_extra={"items": {"anyOf": _KINDS}})  # type: ignore[dict-item]  # noqa: N815
    legacyEnum: str = Field(  # noqa: N815
        json_schema_extra={"enum": ["small", "large"], "enumNames": ["Small size", "Large size"]}
    )


def ask_to_sample() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="Say yes."))], max_tokens=20)


def ask_something() -> Elicit[Reply]:
    return Elicit("Something to say?", Reply)


def add_call_tools(server: MCPServer) -> None:
    @server.tool()
    async def test_tool_with_logging(ctx: Context) -> str:
        """Logs three times."""
        for step in ("begun", "under way", "done"):
            await ctx.info(f"Tool {step}")
            await anyio.sleep(0.05)
        return "logged"

    @server.tool()
    async def test_logging_tool(ctx: Context) -> str:
        """Logs once, if the request asks for logs."""
        await ctx.info("one line")
        return "logged"

    @server.tool()
    async def test_tool_with_progress(ctx: Context) -> str:
        """Reports progress three times."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100, f"{done} of 100")
            await anyio.sleep(0.05)
        return "progressed"

    @server.tool()
    async def test_sampling(prompt: str, ctx: Context) -> str:
        """Asks the client's model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        # On this call's own stream. Without the id it goes to the GET stream, which the suite's client opens beside its
        # first calls: where that comes later, the question is lost and the call waits for ever.
        result = await ctx.session.create_message(messages=[message], max_tokens=100, related_request_id=ctx.request_id)
        return f"LLM response: {result.content.text if isinstance(result.content, TextContent) else ''}"

    @server.tool()
    async def test_elicitation(message: str, ctx: Context) -> str:
        """Asks the person."""
        return await _elicit(ctx, message, Reply)

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Asks with a default for everything."""
        return await _elicit(ctx, "Your details?", Defaults)

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Asks with every kind of enum."""
        return await _elicit(ctx, "Your choices?", Choices)

    @server.tool()
    async def test_reconnection(ctx: Context) -> str:
        """Closes its stream in mid-call; the client comes back for the rest (SEP-1699)."""
        await ctx.info("before")
        await ctx.close_sse_stream()
        await anyio.sleep(0.2)
        await ctx.info("after")
        return "reconnected"

    @server.tool()
    def test_missing_capability(answer: Annotated[CreateMessageResult, Resolve(ask_to_sample)]) -> str:
        """Needs a client that can sample."""
        return str(answer.content)

    @server.tool()
    def test_streaming_elicitation(reply: Annotated[Reply, Resolve(ask_something)]) -> str:
        """Asks the person, in whatever way the era has."""
        return reply.response

    @server.tool()
    async def test_trigger_tool_change(ctx: Context) -> str:
        """Says that the list of tools has changed."""
        await ctx.notify_tools_changed()
        return "told"

    @server.tool()
    async def test_trigger_prompt_change(ctx: Context) -> str:
        """Says that the list of prompts has changed."""
        await ctx.notify_prompts_changed()
        return "told"


async def _elicit(ctx: Context, message: str, schema: type[BaseModel]) -> str:
    result = await ctx.elicit(message, schema)
    content = result.data.model_dump_json() if result.action == "accept" else "{}"
    return f"User response: action={result.action}, content={content}"
