"""What the sample server offers. It is put together here; tools, resources and prompts have files of their own."""

from mcp.server import MCPServer

from vestibule import __version__
from vestibule.servers.demo.countdown import Countdowns
from vestibule.servers.demo.prompts import add_prompts
from vestibule.servers.demo.resources import add_resources
from vestibule.servers.demo.tools import add_tools

INSTRUCTIONS = """\
A sample server to try a client with.
Tools: `greet` answers at once; `count_down` reports progress and can be cancelled; `plan_trip` asks the person
something in the middle; `weigh_words` answers with structured data; `draw_bars` answers with a picture; `what_arrived`
shows which headers reached this server.
Resources: `demo://about` is a text, `demo://picture` a picture, `demo://countdowns` tells which countdowns run and
which were cancelled, `notes://{name}` is a note (`vestibule`, `tokens`, `eras`).
Prompt: `explain` asks for an explanation of a note; its arguments can be completed."""


def demo_server() -> MCPServer:
    """A server of its own: two of them share nothing."""
    server = MCPServer(
        "vestibule-demo",
        title="Vestibule demo",
        description="A sample MCP server to try a client with.",
        instructions=INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
    )
    countdowns = Countdowns()
    add_tools(server, countdowns)
    add_resources(server, countdowns)
    add_prompts(server)
    return server
