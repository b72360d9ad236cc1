"""POST /register: dynamic client registration (RFC 7591)."""

from datetime import timedelta

from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import CLIENT_ID_PREFIX, CLIENT_SECRET_PREFIX, AuthorizationServer
from vestibule.errors import AccessDenied, TooManyRequests
from vestibule.model import Client, ClientOrigin, Rate, digest
from vestibule.protocol.caller import network_of
from vestibule.protocol.registration import read_registration, registration_response

MAX_BODY = 64 * 1024
ROOM = timedelta(hours=1)  # that a client has for its first sign-in, however full it is here


async def register(content_type: str, body: bytes, server: AuthorizationServer, context: Context) -> JsonReply:
    """The new client, with its secret if it has one: shown once, kept as a digest."""
    return await tell_refusal(_register(content_type, body, server, context), server, context, "client.register")


async def _register(content_type: str, body: bytes, server: AuthorizationServer, context: Context) -> JsonReply:
    if not server.settings.registration:
        raise AccessDenied("This server does not register clients.", action="Ask its operator for a client_id.")
    limits = server.settings.registration_limits
    per_hour = Rate(limits.per_hour, timedelta(hours=1))
    allowance = await server.throttle.take("registrations", network_of(context.address), per_hour)
    wanted = read_registration(content_type, body)  # 400 invalid_client_metadata, invalid_redirect_uri
    if await server.store.clients.count_unused() >= limits.unused and not await _make_room(server):
        raise TooManyRequests("Too many clients have registered and never signed anybody in.", retry_after=3600)
    secret = server.token(CLIENT_SECRET_PREFIX) if wanted.auth_method.startswith("client_secret") else ""
    now = server.clock()
    client = Client(
        client_id=server.token(CLIENT_ID_PREFIX, size=16),
        origin=ClientOrigin.REGISTERED,
        redirect_uris=wanted.redirect_uris,
        name=wanted.name,
        auth_method=wanted.auth_method,
        secret_digest=digest(secret) if secret else None,
        grant_types=wanted.grant_types,
        scopes=wanted.scopes,
        client_uri=wanted.client_uri,
        logo_uri=wanted.logo_uri,
        application_type=wanted.application_type,
        registered_at=now,
        issuer=server.settings.issuer,
        jwks=wanted.jwks,
        jwks_uri=wanted.jwks_uri,
        needs_pushed_requests=wanted.needs_pushed_requests,
        needs_dpop=wanted.needs_dpop,
    )
    await server.store.clients.add(client)
    await server.record(context, "client.register", "allowed", client_id=client.client_id, facts={"name": client.name})
    answer = registration_response(client, secret=secret, issued_at=int(now.timestamp()))
    return JsonReply(answer, status=201, allowance=allowance)


async def _make_room(server: AuthorizationServer) -> bool:
    """A flood must not keep others out: who has waited longest goes, and may register again."""
    return await server.store.clients.remove_oldest_unused(before=server.clock() - ROOM)
