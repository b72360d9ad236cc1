"""The same server behind the SDK's own seam. It verifies the same tokens; its challenges name no scopes.

RESOURCE=http://localhost:3000/mcp ISSUER=http://localhost:8080 uvicorn mcp_sdk_seam:app --port 3000
"""

import os

from mcp.server.mcpserver import MCPServer

from vestibule import current_principal, mcp_auth, require_scopes

mcp = MCPServer(
    "Tickets",
    **mcp_auth(resource=os.environ["RESOURCE"], issuers=[os.environ["ISSUER"]], scopes=["tickets.read"]),
)


@mcp.tool()
def who_am_i() -> str:
    """Who is calling."""
    return current_principal().subject


@mcp.tool()
@require_scopes("tickets.write")
async def close_ticket(number: int) -> str:
    """Close a ticket."""
    return f"{current_principal().subject} closed {number}"


app = mcp.streamable_http_app()
