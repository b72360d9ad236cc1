"""Requests as the gateway has them when they leave."""

from datetime import UTC, datetime

from vestibule.gateway.framing import NO_BODY
from vestibule.gateway.request import ProxiedRequest
from vestibule.model import Era, Principal


def request_of(tenant: str, *, method: bytes = b"GET", era: Era = Era.MODERN) -> ProxiedRequest:
    """Of somebody of that tenant; without a body."""
    request = ProxiedRequest(method, b"", [], NO_BODY, era=era)
    request.principal = Principal(
        issuer="https://door.example",
        subject="ann",
        user="ann",
        tenant=tenant,
        client_id="desk",
        scopes=frozenset({"mcp"}),
        resource="https://door.example/mcp",
        grant_id="grant",
        token_id="token",
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )
    return request
