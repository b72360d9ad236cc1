"""The same server behind FastMCP's own seam.

RESOURCE=http://localhost:3000/mcp ISSUER=http://localhost:8080 uvicorn fastmcp_seam:app --port 3000
"""

import os

from fastmcp import FastMCP

from vestibule import current_principal, fastmcp_auth, require_scopes

mcp = FastMCP(
    "Tickets",
    auth=fastmcp_auth(resource=os.environ["RESOURCE"], issuers=[os.environ["ISSUER"]], scopes=["tickets.read"]),
)


@mcp.tool
def who_am_i() -> str:
    """Who is calling."""
    return current_principal().subject


@mcp.tool
@require_scopes("tickets.write")
def close_ticket(number: int) -> str:
    """Close a ticket."""
    return f"{current_principal().subject} closed {number}"


app = mcp.http_app()
