"""grant_type=authorization_code (OAuth 2.1 §4.1.3).

Everything is proven before the code is taken, so that a request that proves nothing spends nothing. The taking is
atomic: of any number of requests one gets the tokens. A second, fully proven redemption means the code was stolen from
somebody who had all of it, and ends the grant; one that proves less is an eavesdropper with half of it, and does not.
"""

from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.issue import begin_family, token_reply
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import AccessDenied, InvalidGrant, InvalidTarget
from vestibule.model import DEFAULT_TENANT, AuthorizationCode, Client, Grant, digest
from vestibule.protocol.pkce import proves
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.token_request import require

_START_AGAIN = "Start again at /authorize."


async def redeem_authorization_code(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    code = await server.store.codes.get(digest(require(call.form, "code")))
    if code is None:
        raise InvalidGrant("The code is not known, or has expired.", action=_START_AGAIN)
    check_proofs(call, code)
    if code.redeemed_at is None and code.expires_at > server.clock():  # a replay ends the grant at the limit too
        await call.admit()
    if await server.store.codes.redeem(code.digest, now=server.clock()) is None:
        await _answer_replay(code, call, server)
    grant = await live_grant(code.grant_id, server, call.client)
    refresh_token = await begin_family(call, grant, server)
    await server.record(
        call.context,
        "code.redeem",
        "allowed",
        actor=grant.identity.user,
        client_id=call.client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
    )
    return token_reply(call, grant, code.scopes, refresh_token, server)


def check_proofs(call: TokenCall, code: AuthorizationCode) -> None:
    """What a redemption must prove. Raises `InvalidGrant` or `InvalidTarget`; spends nothing."""
    form = call.form
    if code.client_id != call.client.client_id:
        raise InvalidGrant("The code was given to another client.")
    if code.redirect_uri_given and not form.has("redirect_uri"):
        raise InvalidGrant("The redirect_uri is missing: it was in the authorization request.")
    if form.has("redirect_uri") and form.get("redirect_uri") != code.redirect_uri:
        raise InvalidGrant("The redirect_uri is not the one of the authorization request.")
    if not proves(require(form, "code_verifier"), code.code_challenge):
        raise InvalidGrant("The code_verifier does not match the code_challenge.")
    if code.key_thumbprint and call.key_thumbprint != code.key_thumbprint:
        raise InvalidGrant("The code is for the holder of another key (dpop_jkt).")
    for resource in form.resources:
        if not is_same_resource(resource, code.resource):
            raise InvalidTarget("The code is for another resource.", action=f"It is for {code.resource}.")


async def live_grant(grant_id: str, server: AuthorizationServer, client: Client) -> Grant:
    """The grant, if it still lives and its person is still welcome, to this client. Raises `InvalidGrant`."""
    grant = await server.store.grants.get(grant_id)
    if grant is None or grant.revoked_at is not None:
        raise InvalidGrant("The grant behind this has ended.", action=_START_AGAIN)
    if grant.expires_at is not None and grant.expires_at <= server.clock():
        raise InvalidGrant("The grant behind this has reached its end.", action=_START_AGAIN)
    try:
        server.check_client_serves(client, grant.tenant)
        server.check_still_of(grant.tenant, grant.identity)
        await server.check_welcome(grant.tenant, grant.identity.user)
    except AccessDenied as error:
        detail = f"{error.message} {error.detail}"
        raise InvalidGrant("The grant behind this may not be used.", action=error.action, detail=detail) from error
    return grant


async def record_theft(action: str, grant_id: str, call: TokenCall, server: AuthorizationServer) -> None:
    """Somebody has shown what only one may have had: in the trail of whose it was."""
    grant = await server.store.grants.get(grant_id)
    await server.record(
        call.context,
        action,
        "denied",
        actor=grant.identity.user if grant is not None else "",
        client_id=call.client.client_id,
        tenant=grant.tenant if grant is not None else DEFAULT_TENANT,
        target=grant_id,
    )


async def _answer_replay(code: AuthorizationCode, call: TokenCall, server: AuthorizationServer) -> None:
    known = await server.store.codes.get(code.digest)
    if known is not None and known.redeemed_at is not None:
        await record_theft("code.reuse", code.grant_id, call, server)
        await revoke_grant(code.grant_id, server, call.context, reason="code reused")
        raise InvalidGrant("The code has been used already; what it gave has been revoked.", action=_START_AGAIN)
    raise InvalidGrant("The code is not known, or has expired.", action=_START_AGAIN)
