"""POST /revoke (RFC 7009).

A refresh token ends its grant with all that hangs on it; an access token ends by itself. Another client's token, or no
token of ours: 200 and nothing revoked, as for a token that is already dead.
"""

from vestibule.authorization_server.authenticate import Credentials, authenticate
from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import CLOCK_MARGIN, REFRESH_PREFIX, AuthorizationServer
from vestibule.errors import Refusal
from vestibule.model import Client, Revocation, RevocationKind, digest
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.token_request import require


async def revoke(
    form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context
) -> JsonReply:
    """RFC 7009. What was revoked is told where it is revoked."""
    work = _revoke(form, credentials, server, context)
    return await tell_refusal(work, server, context, "token.revoke", client_id=form.get("client_id"))


async def _revoke(
    form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context
) -> JsonReply:
    form.check_single()
    client = await authenticate(form, credentials, server, context, endpoint="/revoke")
    token = require(form, "token")
    # The hint is a hint: what the token is, its own form tells (RFC 7009 §2.1).
    if token.startswith(REFRESH_PREFIX):
        await _revoke_refresh_token(token, client, server, context)
    else:
        await _revoke_access_token(token, client, server, context)
    return JsonReply({})


async def _revoke_refresh_token(token: str, client: Client, server: AuthorizationServer, context: Context) -> None:
    found = await server.store.refresh_tokens.find(digest(token))
    if found is None or found.client_id != client.client_id:
        return
    await revoke_grant(found.grant_id, server, context, reason="revoked by its client")


async def _revoke_access_token(token: str, client: Client, server: AuthorizationServer, context: Context) -> None:
    try:
        # Whether it is revoked already does not matter, nor that a blind replica could not know: it is from now on.
        claims = server.tokens.read(token, server.clock().timestamp(), even_revoked=True)
    except Refusal:
        return  # no token of ours, or a dead one
    if claims.client_id != client.client_id:
        return
    revocation = Revocation(
        kind=RevocationKind.TOKEN,
        value=claims.token_id,
        revoked_at=server.clock(),
        expires_at=server.moment(claims.expires_at) + CLOCK_MARGIN,
    )
    await server.store.revocations.announce(revocation)
    server.announce(revocation)
    await server.record(
        context,
        "token.revoke",
        "allowed",
        actor=claims.user,
        client_id=client.client_id,
        tenant=claims.tenant,
        target=claims.grant_id,
    )
