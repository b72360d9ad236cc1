"""The sample resources: a text, a picture, a tally that changes, and notes by name."""

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from vestibule.servers.demo.countdown import Countdowns
from vestibule.servers.demo.picture import bar_chart

NOTES = {
    "vestibule": "A vestibule is the small room between the outer door and the house.",
    "tokens": "A client's token opens the outer door and stops there; another credential opens the inner one.",
    "eras": "The wire of 2026-07-28 has no sessions; the wires before it begin with a handshake.",
}
NOTE_TEMPLATE = "notes://{name}"


def add_resources(server: MCPServer, countdowns: Countdowns) -> None:
    server.resource("demo://about", title="About this server", mime_type="text/plain")(about)
    server.resource("demo://picture", title="A picture", mime_type="image/png")(picture)
    server.resource("demo://countdowns", title="Countdowns", mime_type="application/json")(countdowns.tally)
    server.resource(NOTE_TEMPLATE, title="Notes", mime_type="text/plain")(note)


def about() -> str:
    """What this server is."""
    return "A sample MCP server. It knows nothing of sign-in; the gateway before it does."


def picture() -> bytes:
    """A small bar chart, as a PNG."""
    return bar_chart([3, 1, 4, 1, 5, 9, 2, 6])


def note(name: str) -> str:
    """A note by its name: vestibule, tokens or eras."""
    if name not in NOTES:
        raise ResourceNotFoundError(no_such_note(name))
    return NOTES[name]


def no_such_note(name: str) -> str:
    return f"There is no note {name!r}. There are: {', '.join(NOTES)}."
