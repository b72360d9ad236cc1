"""A FastMCP server behind a sign-in.

RESOURCE=http://localhost:3000/mcp ISSUER=http://localhost:8080 uvicorn fastmcp_server:app --port 3000
"""

import os

from fastmcp import FastMCP

from vestibule import current_principal, protect, require_scopes

mcp = FastMCP("Tickets")
tickets = {1: "The printer is on fire."}


@mcp.tool
def list_tickets() -> list[str]:
    """All open tickets."""
    return list(tickets.values())


@mcp.tool
@require_scopes("tickets.write")
def close_ticket(number: int) -> str:
    """Close a ticket."""
    return f"{current_principal().subject} closed: {tickets.pop(number, 'nothing')}"


app = protect(
    mcp.http_app(),
    resource=os.environ["RESOURCE"],
    issuers=[os.environ["ISSUER"]],
    scopes=["tickets.read"],
    tools=[close_ticket],
)
