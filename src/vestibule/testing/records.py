"""Records for tests, valid and each with its own identifiers. Every field can be said otherwise.

    grant = a_grant(client_id="other")

`NOW` is the moment that these records are made for: whatever lives, lives from there.
"""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from vestibule.model import (
    DEFAULT_TENANT,
    ApiKey,
    AuditEvent,
    AuthorizationCode,
    AuthorizationRequest,
    Block,
    BlockKind,
    Client,
    ClientOrigin,
    Consent,
    ConsentKey,
    DeviceRequest,
    Grant,
    Identity,
    KeptTokens,
    PushedRequest,
    RefreshToken,
    Revocation,
    RevocationKind,
    Session,
    SignIn,
    digest,
)

NOW = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)

_numbers = itertools.count(1)


def fresh(kind: str) -> str:
    """A name that nothing else has."""
    return f"{kind}-{next(_numbers)}"


def an_identity(**changes: Any) -> Identity:
    identity = Identity("https://id.example", fresh("subject"), "work", name="Ada Lovelace", email="ada@example.com")
    return replace(identity, **changes)


def a_client(**changes: Any) -> Client:
    client = Client(
        client_id=fresh("client"),
        origin=ClientOrigin.REGISTERED,
        redirect_uris=("http://127.0.0.1/callback", "https://app.example/callback?a=b"),
        name="An assistant",
        auth_method="client_secret_basic",
        secret_digest=digest(fresh("secret")),
        scopes=("tickets.read", "tickets.write"),
        client_uri="https://app.example",
        logo_uri="https://app.example/logo.png",
        application_type="web",
        registered_at=NOW,
    )
    return replace(client, **changes)


def a_request(**changes: Any) -> AuthorizationRequest:
    request = AuthorizationRequest(
        request_id=fresh("request"),
        client_id="client",
        redirect_uri="http://127.0.0.1:51234/callback",
        redirect_uri_given=True,
        scopes=("tickets.read",),
        resource="https://mcp.example.com/tickets/mcp",
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        client_state="xyz",
        browser_digest=digest(fresh("browser")),
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
        prompt=frozenset({"consent", "login"}),
        login_hint="ada@example.com",
        max_age=3600,
    )
    return replace(request, **changes)


def a_pushed_request(**changes: Any) -> PushedRequest:
    request = PushedRequest(
        digest=digest(fresh("reference")),
        client_id="client",
        sealed_parameters=b"\x01sealed\x00parameters\xff",
        expires_at=NOW + timedelta(seconds=90),
    )
    return replace(request, **changes)


def a_device_request(**changes: Any) -> DeviceRequest:
    request = DeviceRequest(
        digest=digest(fresh("device")),
        user_code=fresh("CODE"),
        client_id="client",
        scopes=("tickets.read",),
        resource="https://mcp.example.com/tickets/mcp",
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
    )
    return replace(request, **changes)


def a_sign_in(**changes: Any) -> SignIn:
    sign_in = SignIn(
        provider="work",
        state_digest=digest(fresh("state")),
        browser_digest=digest(fresh("browser")),
        nonce=fresh("nonce"),
        sealed_verifier=b"\x01sealed\x00verifier\xff",
    )
    return replace(sign_in, **changes)


def a_consent(key: ConsentKey | None = None, **changes: Any) -> Consent:
    consent = Consent(key or a_consent_key(), scopes=frozenset({"tickets.read"}), approved=True, decided_at=NOW)
    return replace(consent, **changes)


def a_consent_key(**changes: Any) -> ConsentKey:
    key = ConsentKey(
        tenant=DEFAULT_TENANT,
        user=fresh("work:user"),
        client_id="client",
        redirect_uri="http://127.0.0.1/callback",
        resource="https://mcp.example.com/tickets/mcp",
    )
    return replace(key, **changes)


def a_session(**changes: Any) -> Session:
    session = Session(
        digest=digest(fresh("session")),
        identity=an_identity(),
        tenant=DEFAULT_TENANT,
        signed_in_at=NOW,
        expires_at=NOW + timedelta(hours=8),
    )
    return replace(session, **changes)


def a_grant(**changes: Any) -> Grant:
    grant = Grant(
        grant_id=fresh("grant"),
        tenant=DEFAULT_TENANT,
        identity=an_identity(),
        client_id="client",
        scopes=("tickets.read", "tickets.write"),
        resource="https://mcp.example.com/tickets/mcp",
        created_at=NOW,
    )
    return replace(grant, **changes)


def a_code(grant: Grant, **changes: Any) -> AuthorizationCode:
    code = AuthorizationCode(
        digest=digest(fresh("code")),
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        redirect_uri="http://127.0.0.1:51234/callback",
        redirect_uri_given=True,
        code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        scopes=grant.scopes,
        resource=grant.resource,
        expires_at=NOW + timedelta(seconds=60),
    )
    return replace(code, **changes)


def a_refresh_token(grant: Grant, **changes: Any) -> RefreshToken:
    token = RefreshToken(
        digest=digest(fresh("refresh")),
        grant_id=grant.grant_id,
        client_id=grant.client_id,
        expires_at=NOW + timedelta(days=30),
    )
    return replace(token, **changes)


def some_kept_tokens(**changes: Any) -> KeptTokens:
    kept = KeptTokens(
        tokens_id=fresh("tokens"),
        tenant=DEFAULT_TENANT,
        user=fresh("work:user"),
        sealed=b"\x01sealed\x00tokens\xff",
        kept_at=NOW,
    )
    return replace(kept, **changes)


def a_block(**changes: Any) -> Block:
    block = Block(BlockKind.USER, fresh("work:user"), DEFAULT_TENANT, blocked_at=NOW, reason="left the company")
    return replace(block, **changes)


def an_api_key(**changes: Any) -> ApiKey:
    number = fresh("key")
    key = ApiKey(
        key_id=f"ak_{number}",
        digest=digest(f"vsk_{number}"),
        tenant=DEFAULT_TENANT,
        name=number,
        scopes=("tickets.read", "tickets.write"),
        created_at=NOW,
        created_by="work:ada",
        upstreams=("tickets",),
        expires_at=NOW + timedelta(days=365),
    )
    return replace(key, **changes)


def a_revocation(**changes: Any) -> Revocation:
    revocation = Revocation(
        RevocationKind.TOKEN, fresh("token"), revoked_at=NOW, expires_at=NOW + timedelta(minutes=11)
    )
    return replace(revocation, **changes)


def an_audit_event(**changes: Any) -> AuditEvent:
    event = AuditEvent(
        at=NOW,
        action="code.redeem",
        outcome="allowed",
        request_id=fresh("request"),
        actor="work:ada",
        client_id="client",
        tenant=DEFAULT_TENANT,
        target="grant",
        reason="none",
        address="127.0.0.1",
        facts={"scope": "tickets.read"},
    )
    return structs.replace(event, **changes)
