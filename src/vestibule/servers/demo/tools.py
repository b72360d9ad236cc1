"""The sample tools: one for each thing that a client should be able to do."""

from collections import Counter
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Image, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from vestibule.servers.demo.countdown import Countdowns
from vestibule.servers.demo.picture import bar_chart

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


def add_tools(server: MCPServer, countdowns: Countdowns) -> None:
    server.add_tool(greet, title="Greet", annotations=READS, structured_output=False)
    server.add_tool(countdowns.count_down, title="Count down", annotations=READS, structured_output=False)
    server.add_tool(plan_trip, title="Plan a trip", annotations=READS, structured_output=False)
    server.add_tool(weigh_words, title="Weigh words", annotations=READS)
    server.add_tool(draw_bars, title="Draw bars", annotations=READS, structured_output=False)
    server.add_tool(what_arrived, title="What arrived", annotations=READS)


def greet(name: Annotated[str, Field(description="Whom to greet.")]) -> str:
    """Say hello to somebody."""
    return f"Hello, {name}. You came through the front door."


class TripWishes(BaseModel):
    """What the person is asked in the middle of `plan_trip`."""

    destination: str = Field(min_length=1, description="Where to?")
    days: int = Field(default=3, ge=1, le=30, description="For how many days?")


async def ask_for_wishes() -> Elicit[TripWishes]:
    """The question. The SDK puts it as the era has it: an input_required result, or a request during the call."""
    return Elicit("Where would you like to go, and for how long?", TripWishes)


def plan_trip(wishes: Annotated[ElicitationResult[TripWishes], Resolve(ask_for_wishes)]) -> str:
    """Plan a trip. Asks the person where to and for how long; takes no arguments."""
    if not isinstance(wishes, AcceptedElicitation):
        return "No trip then."
    trip = wishes.data
    days = [f"Day {day}: {_ACTIVITIES[(day - 1) % len(_ACTIVITIES)]}" for day in range(1, trip.days + 1)]
    return "\n".join((f"{trip.days} {'day' if trip.days == 1 else 'days'} in {trip.destination}.", *days))


_ACTIVITIES = ("find the oldest door in town", "walk by the water", "eat something new", "visit a museum", "do nothing")


class WordWeights(BaseModel):
    """How often each word stands in a text."""

    words: int = Field(description="Words in all.")
    different: int = Field(description="Different words.")
    most_common: dict[str, int] = Field(description="The five most common ones, with their counts.")


def weigh_words(text: Annotated[str, Field(description="The text to count in.")]) -> WordWeights:
    """Count the words of a text: how many, how many different ones, which the most common."""
    words = Counter(word.strip(".,;:!?\"'()").lower() for word in text.split())
    words.pop("", None)
    return WordWeights(words=words.total(), different=len(words), most_common=dict(words.most_common(5)))


Height = Annotated[float, Field(allow_inf_nan=False)]


def draw_bars(
    values: Annotated[
        list[Height], Field(min_length=1, max_length=20, description="1 to 20 numbers; below zero counts as zero.")
    ],
) -> Image:
    """Draw a bar chart of a few numbers, as a PNG."""
    return Image(data=bar_chart(values), format="png")


class Arrived(BaseModel):
    """What reached the server with this call."""

    headers: dict[str, str] = Field(description="The HTTP headers as this server received them; none over stdio.")
    carries_a_token: bool = Field(
        description="Whether an Authorization header, or a bearer token in another one, was among them."
    )
    protocol_version: str | None = Field(description="The MCP revision that this call speaks.")
    client: str | None = Field(description="How the client names itself.")


def what_arrived(ctx: Context) -> Arrived:
    """Show what reached this server with the call: the HTTP headers, the MCP revision, the client's name.

    Behind a gateway it shows that the client's token stopped at the door.
    """
    headers: dict[str, str] = {}
    for name, value in (ctx.headers or {}).items():  # of a repeated header, each
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    said = ctx.session.client_params
    return Arrived(
        headers=headers,
        carries_a_token="authorization" in headers or any("bearer " in value.lower() for value in headers.values()),
        protocol_version=ctx.protocol_version,
        client=f"{said.client_info.name} {said.client_info.version}" if said is not None else None,
    )
