"""The sample resources: a text, notes by name, a picture."""

from mcp.server import MCPServer

from vestibule.servers.demo.picture import bar_chart

NOTES = {
    "vestibule": "A vestibule is the small room between the outer door and the house.",
    "tokens": "A client's token opens the outer door and stops there; another credential opens the inner one.",
    "eras": "The wire of 2026-07-28 has no sessions; the wires before it begin with a handshake.",
}


def add_notes(server: MCPServer) -> None:
    @server.resource("demo://about", title="About this server", mime_type="text/plain")
    def about() -> str:
        """What this server is."""
        return "A sample MCP server. It knows nothing of sign-in; the gateway before it does."

    @server.resource("notes://{name}", title="Notes", mime_type="text/plain")
    def note(name: str) -> str:
        """A note by its name."""
        if name not in NOTES:
            raise ValueError(f"There is no note {name!r}. There are: {', '.join(NOTES)}.")
        return NOTES[name]

    @server.resource("demo://picture", title="A picture", mime_type="image/png")
    def picture() -> bytes:
        """A small bar chart."""
        return bar_chart([3, 1, 4, 1, 5, 9, 2, 6])
