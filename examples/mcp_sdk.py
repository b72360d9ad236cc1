"""An MCP server made with the official SDK, behind a sign-in.

RESOURCE=http://localhost:3000/mcp ISSUER=http://localhost:8080 uvicorn mcp_sdk:app --port 3000
"""

import os

from mcp.server.mcpserver import MCPServer

from vestibule import current_principal, protect, require_scopes

mcp = MCPServer("Tickets")
tickets = {1: "The printer is on fire."}


@mcp.tool()
def list_tickets() -> list[str]:
    """All open tickets."""
    return list(tickets.values())


@mcp.tool()
@require_scopes("tickets.write")
async def close_ticket(number: int) -> str:
    """Close a ticket."""
    return f"{current_principal().subject} closed: {tickets.pop(number, 'nothing')}"


app = protect(
    mcp.streamable_http_app(),
    resource=os.environ["RESOURCE"],
    issuers=[os.environ["ISSUER"]],
    scopes=["tickets.read"],
    tools=[close_ticket],
)
