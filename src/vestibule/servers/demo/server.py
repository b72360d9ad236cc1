"""What the sample server offers. It is put together here; tools and notes have files of their own."""

from mcp.server import MCPServer

from vestibule.servers.demo.notes import add_notes
from vestibule.servers.demo.prompts import add_prompts
from vestibule.servers.demo.tools import add_tools

INSTRUCTIONS = """A sample server to try a client with. `greet` answers at once, `count_down` reports progress,
`plan_trip` asks you something in the middle, `weigh_words` answers with structured data, `draw_bars` with a picture,
and `what_arrived` shows which headers reached this server: no token is among them."""


def demo_server() -> MCPServer:
    server = MCPServer("vestibule-demo", title="Vestibule demo", instructions=INSTRUCTIONS, log_level="WARNING")
    add_tools(server)
    add_notes(server)
    add_prompts(server)
    return server
