"""A second MCP server, whose names are those of the sample server and the fixture server where they can be.

`python -m tests.parts.wiki_server PORT`
"""

import asyncio
import sys
from typing import Annotated

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from mcp.types import (
    EmbeddedResource,
    EmptyResult,
    InputRequiredResult,
    ResourceLink,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

from tests.parts.fixture_server.rounds import accepted, elicit

PAGE = "wiki://pages/home"


class Title(BaseModel):
    title: str


async def ask_for_title() -> Elicit[Title]:
    return Elicit("Which title?", Title)


def wiki_server() -> MCPServer:
    server = MCPServer("wiki", version="1.0", log_level="WARNING", instructions="Ask the wiki first.")

    @server.tool(structured_output=False)
    def greet(name: str) -> str:
        """The same name as a tool of the sample server."""
        return f"The wiki greets {name}."

    @server.tool(structured_output=False)
    def find_page() -> list[TextContent | ResourceLink | EmbeddedResource]:
        """A link to a page, and another page."""
        inside = TextResourceContents(uri="wiki://pages/inside", text="inside", mime_type="text/plain")
        link = ResourceLink(type="resource_link", uri=PAGE, name="home")
        return [TextContent(type="text", text=f"See {PAGE}"), link, EmbeddedResource(type="resource", resource=inside)]

    @server.tool(structured_output=False)
    async def write_page(ctx: Context) -> str:
        """Tells whoever listens, in every era."""
        await ctx.notify_tools_changed()
        await ctx.notify_resource_updated(PAGE)
        if ctx.protocol_version != "2026-07-28":
            await ctx.session.send_tool_list_changed()
            await ctx.session.send_resource_updated(PAGE)
        return "written"

    @server.tool(structured_output=False)
    def name_page(wishes: Annotated[ElicitationResult[Title], Resolve(ask_for_title)]) -> str:
        """Asks the person in the middle."""
        return f"named {wishes.data.title}" if isinstance(wishes, AcceptedElicitation) else "not named"

    @server.tool()
    def keep_state(ctx: Context) -> str | InputRequiredResult:
        """Keeps a state with the client."""
        if accepted(ctx, "confirm", "ok", bool) is None:
            return InputRequiredResult(
                input_requests={"confirm": elicit("Sure?", "ok", "boolean")}, request_state="the wiki's"
            )
        return f"state: {ctx.request_state}"

    @server.tool(structured_output=False)
    async def wait(ctx: Context) -> str:
        """Half a minute, with progress."""
        for step in range(300):
            await ctx.report_progress(step, 300)
            await asyncio.sleep(0.1)
        return "done"

    @server.resource(PAGE, mime_type="text/plain")
    def home() -> str:
        return "The home page."

    @server.resource("wiki://pages/{name}", mime_type="text/plain")
    def page(name: str) -> str:
        return f"The page {name}."

    @server.prompt()
    def explain(topic: str) -> str:
        """The same name as a prompt of the sample server."""
        return f"Explain {topic} with the wiki."

    async def acknowledge(ctx: object, params: object) -> EmptyResult:
        return EmptyResult()

    server._lowlevel_server.add_request_handler("resources/subscribe", SubscribeRequestParams, acknowledge)
    return server


def main() -> None:
    config = uvicorn.Config(
        wiki_server().streamable_http_app(), port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=1
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
