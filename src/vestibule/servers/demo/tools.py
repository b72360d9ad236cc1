"""The sample tools: one for each thing that a client should be able to do."""

from collections import Counter
from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from vestibule.servers.demo.picture import bar_chart

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
MAX_SECONDS = 60


class WordWeights(BaseModel):
    """How often each word stands in a text."""

    words: int = Field(description="Words in all.")
    different: int = Field(description="Different words.")
    most_common: dict[str, int] = Field(description="The five most common ones, with their counts.")


class Arrived(BaseModel):
    """What reached the server with this call."""

    headers: dict[str, str] = Field(description="The HTTP headers, as this server received them.")
    carries_a_token: bool = Field(description="Whether an Authorization header was among them.")


class TripWishes(BaseModel):
    """What the person is asked in the middle of `plan_trip`."""

    destination: str = Field(description="Where to?")
    days: int = Field(default=3, ge=1, le=30, description="For how many days?")


async def ask_for_wishes() -> Elicit[TripWishes]:
    return Elicit("Where would you like to go, and for how long?", TripWishes)


def add_tools(server: MCPServer) -> None:
    @server.tool(title="Greet", annotations=_READS)
    def greet(name: str) -> str:
        """Say hello to somebody."""
        return f"Hello, {name}. You came through the front door."

    @server.tool(title="Count down", annotations=_READS)
    async def count_down(seconds: int, ctx: Context) -> str:
        """Count down to zero, reporting progress every second. Can be cancelled."""
        seconds = max(1, min(seconds, MAX_SECONDS))
        for passed in range(seconds):
            await ctx.report_progress(passed, seconds, f"{seconds - passed} to go")
            await anyio.sleep(1)
        await ctx.report_progress(seconds, seconds, "done")
        return f"Counted down from {seconds}."

    @server.tool(title="Plan a trip", annotations=_READS)
    def plan_trip(wishes: Annotated[ElicitationResult[TripWishes], Resolve(ask_for_wishes)]) -> str:
        """Plan a trip; asks where to and for how long."""
        if not isinstance(wishes, AcceptedElicitation):
            return "No trip then."
        days = [f"Day {day}: {_ACTIVITIES[day % len(_ACTIVITIES)]}" for day in range(1, wishes.data.days + 1)]
        return f"{wishes.data.days} days in {wishes.data.destination}.\n" + "\n".join(days)

    @server.tool(title="Weigh words", annotations=_READS)
    def weigh_words(text: str) -> WordWeights:
        """Count the words of a text."""
        words = Counter(word.strip(".,;:!?\"'()").lower() for word in text.split())
        words.pop("", None)
        return WordWeights(words=words.total(), different=len(words), most_common=dict(words.most_common(5)))

    @server.tool(title="Draw bars", annotations=_READS)
    def draw_bars(values: list[float]) -> Image:
        """Draw a bar chart of up to 20 numbers, as a PNG."""
        return Image(data=bar_chart(values[:20]), format="png")

    @server.tool(title="What arrived", annotations=_READS)
    def what_arrived(ctx: Context) -> Arrived:
        """Show which HTTP headers reached this server with the call: the token stopped at the door."""
        headers = {name.lower(): value for name, value in (ctx.headers or {}).items()}
        return Arrived(headers=headers, carries_a_token="authorization" in headers)


_ACTIVITIES = ("walk by the water", "find the oldest door in town", "eat something new", "visit a museum", "do nothing")
