"""Tools and a prompt that need several rounds (SEP-2322): they answer `input_required`, and are called again."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)


def elicit(message: str, name: str, kind: str = "string") -> ElicitRequest:
    schema: dict[str, Any] = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(
        method="elicitation/create",
        params=ElicitRequestFormParams(mode="form", message=message, requested_schema=schema),
    )


def sample(text: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(
        method="sampling/createMessage", params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def roots() -> ListRootsRequest:
    return ListRootsRequest(method="roots/list")


def answers(ctx: Context) -> dict[str, Any]:
    """The client's answers as plain JSON values."""
    return {
        key: value.model_dump(by_alias=True, mode="json") if hasattr(value, "model_dump") else value
        for key, value in (ctx.input_responses or {}).items()
    }


def accepted(ctx: Context, key: str, name: str, kind: type = str) -> Any:
    """The value that was given, or None when there is none of the right kind."""
    value = (answers(ctx).get(key) or {}).get("content") or {}
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, kind) else None


def add_round_tools(server: MCPServer) -> None:
    @server.tool()
    def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Asks for a name."""
        name = accepted(ctx, "user_name", "name")
        if name is None:
            return InputRequiredResult(input_requests={"user_name": elicit("What is your name?", "name")})
        return f"Hello, {name}!"

    @server.tool()
    def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
        """Asks the client's model."""
        given = answers(ctx).get("capital_question")
        if given is None:
            question = sample("What is the capital of France?", 100)
            return InputRequiredResult(input_requests={"capital_question": question})
        return f"The model says: {given}"

    @server.tool()
    def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
        """Asks for the client's roots."""
        given = answers(ctx).get("client_roots")
        if given is None:
            return InputRequiredResult(input_requests={"client_roots": roots()})
        return f"Roots: {given}"

    @server.tool()
    def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
        """Keeps a state with the client."""
        if accepted(ctx, "confirm", "ok", bool) is None or ctx.request_state != "asked":
            return InputRequiredResult(
                input_requests={"confirm": elicit("Please confirm", "ok", "boolean")}, request_state="asked"
            )
        return "state-ok"

    @server.tool()
    def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
        """Keeps a state that must come back as it was given."""
        if ctx.request_state != "untouched":
            return InputRequiredResult(
                input_requests={"confirm": elicit("Please confirm", "ok", "boolean")}, request_state="untouched"
            )
        return "state-ok"

    @server.tool()
    def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
        """Asks three things at once."""
        given = answers(ctx)
        if not {"user_name", "greeting", "client_roots"} <= given.keys():
            return InputRequiredResult(
                input_requests={
                    "user_name": elicit("What is your name?", "name"),
                    "greeting": sample("Generate a greeting", 50),
                    "client_roots": roots(),
                },
                request_state="three questions",
            )
        return f"All answered: {given}"

    @server.tool()
    def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
        """Asks one thing after the other."""
        name = accepted(ctx, "step1", "name")
        color = accepted(ctx, "step2", "color")
        state = ctx.request_state or ""
        if state.startswith("name:") and color is not None:
            return f"{state.removeprefix('name:')} likes {color}."
        if name is not None:
            return InputRequiredResult(
                input_requests={"step2": elicit("Step 2: What is your favorite color?", "color")},
                request_state=f"name:{name}",
            )
        return InputRequiredResult(
            input_requests={"step1": elicit("Step 1: What is your name?", "name")}, request_state="first"
        )

    @server.tool()
    def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
        """Asks only what the client can answer."""
        can = ctx.client_capabilities
        requests: dict[str, Any] = {}
        if can is not None and can.sampling is not None:
            requests["greeting"] = sample("Generate a greeting", 50)
        if can is not None and can.elicitation is not None:
            requests["user_name"] = elicit("What is your name?", "name")
        if not requests or answers(ctx):
            return "nothing to ask"
        return InputRequiredResult(input_requests=requests)

    @server.prompt()
    def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
        """A prompt that asks first."""
        context = accepted(ctx, "user_context", "context")
        if context is None:
            question = elicit("What context should the prompt use?", "context")
            return InputRequiredResult(input_requests={"user_context": question})
        return f"Use this context: {context}"
