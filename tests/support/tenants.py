"""Two organisations behind one door, and people of theirs and of nobody's."""

from typing import Any

from tests.support.house import REDIRECT, Door, Flow, SignedIn, Visitor, response_parameters

ACME_SECRET = "kD2v8mQ0xT4nB7yR1wZ5pL9s"
GLOBEX_SECRET = "uH6c3gJ8eV1aN5tM0qX7fS2b"
ENVIRON = {"ACME_SECRET": ACME_SECRET, "GLOBEX_SECRET": GLOBEX_SECRET}
ADA, ADELE, BOB, NOBODY = "ada@acme.example", "adele@acme.example", "bob@globex.example", "mallory@evil.example"

TENANTS: dict[str, Any] = {
    "identity_providers": [{"kind": "development", "name": "development"}],
    "tenants": {"by": "email-domain", "domains": {"acme.example": "acme", "globex.example": "globex"}},
    "clients": [
        {"client_id": "acme-desk", "redirect_uris": [REDIRECT], "tenant": "acme"},
        {
            "client_id": "acme-robot",
            "client_secret": "env:ACME_SECRET",
            "grant_types": ["client_credentials"],
            "scopes": ["mcp"],
            "tenant": "acme",
        },
        {
            "client_id": "globex-robot",
            "client_secret": "env:GLOBEX_SECRET",
            "grant_types": ["client_credentials", "token_exchange"],
            "scopes": ["mcp"],
            "acts_for": ["acme-desk"],
            "introspects": ["main"],
            "tenant": "globex",
        },
    ],
}


async def ask_in(door: Door, login: str, client: dict[str, Any] | None = None) -> tuple[Flow, Visitor, dict[str, str]]:
    """All the way to the callback as this person: what the client is told."""
    flow, visitor = Flow(door, client or await door.register()), door.browser()
    answer = await visitor.decide(await visitor.ask(flow))
    if "/development/sign-in" in answer.headers.get("location", ""):
        answer = await visitor.sign_in_at(answer, login)
    assert answer.status_code in (302, 303), answer.text
    return flow, visitor, response_parameters(answer, flow.redirect_uri)


async def come_in(door: Door, login: str, client: dict[str, Any] | None = None) -> SignedIn:
    flow, visitor, told = await ask_in(door, login, client)
    flow.code = told["code"]
    answer = await flow.redeem()
    assert answer.status_code == 200, answer.text
    return SignedIn(door, flow, visitor, answer.json())
