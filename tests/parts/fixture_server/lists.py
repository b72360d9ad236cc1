"""Resources, prompts, completion, and the tools whose schemas matter."""

import json
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.lowlevel import Server
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    EmptyResult,
    PromptReference,
    ResourceTemplateReference,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from pydantic import Field

from tests.parts.fixture_server.content import image, text_resource
from vestibule.servers.demo.picture import bar_chart

SCHEMA_2020_12: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def contact(name: str = "") -> str:
    """A tool whose schema uses the whole vocabulary."""
    return name


def schema_tool() -> Tool:
    return Tool.from_function(contact, name="json_schema_2020_12_tool").model_copy(
        update={"parameters": SCHEMA_2020_12}
    )


def add_lists(server: MCPServer) -> None:
    @server.tool()
    def test_custom_headers(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
        """A parameter that stands in a header as well."""
        return region

    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Text."""
        return "A static text."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """A picture."""
        return bar_chart([1, 2, 3])

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def by_id(id: str) -> str:  # noqa: A002 - the template's own name
        """Data by its id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """Something to subscribe to."""
        return "watched"

    @server.prompt()
    def test_simple_prompt() -> str:
        """A prompt."""
        return "Say something."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803
        """A prompt with a resource inside."""
        return [UserMessage(text_resource(resourceUri, "embedded")), UserMessage("Read it.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A prompt with a picture."""
        return [UserMessage(image()), UserMessage("Look at it.")]

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK leaves it untyped
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        return Completion(values=[f"{argument.value}ris"], total=1, has_more=False)


def add_legacy_handlers(low: Server[Any]) -> None:
    """Subscriptions and log levels of the eras with sessions."""

    async def acknowledge(ctx: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    low.add_request_handler("resources/subscribe", SubscribeRequestParams, acknowledge)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, acknowledge)
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, acknowledge)
