"""grant_type=authorization_code (OAuth 2.1 §4.1.3).

Everything is proven before the code is taken, so that a request that proves nothing spends nothing. The taking is
atomic: of any number of requests one gets the tokens. A second, fully proven redemption means the code was stolen from
somebody who had all of it, and ends the grant; one that proves less is an eavesdropper with half of it, and does not.
"""

from vestibule.authorization_server.issue import token_reply
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import REFRESH_PREFIX, AuthorizationServer
from vestibule.errors import InvalidGrant, InvalidTarget
from vestibule.model import AuthorizationCode, Client, RefreshToken, digest
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.pkce import proves
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.token_request import require


async def redeem_authorization_code(
    form: Parameters, client: Client, server: AuthorizationServer, context: Context
) -> JsonReply:
    code = await server.store.codes.get(digest(require(form, "code")))
    if code is None:
        raise InvalidGrant("The code is not known, or has expired.", action="Start again at /authorize.")
    check_proofs(form, client, code)
    now = server.clock()
    if await server.store.codes.redeem(code.digest, now=now) is None:
        await _answer_replay(code, server, context)
    grant = await server.store.grants.get(code.grant_id)
    if grant is None or grant.revoked_at is not None:
        raise InvalidGrant("The grant behind this code has ended.", action="Start again at /authorize.")
    refresh_token = server.token(REFRESH_PREFIX)
    await server.store.refresh_tokens.add(
        RefreshToken(
            digest=digest(refresh_token),
            grant_id=grant.grant_id,
            client_id=client.client_id,
            expires_at=now + server.settings.lifetimes.refresh_token,
        )
    )
    await server.record(
        context,
        "code.redeem",
        "allowed",
        actor=grant.identity.user,
        client_id=client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
    )
    return token_reply(grant, code.scopes, refresh_token, server)


def check_proofs(form: Parameters, client: Client, code: AuthorizationCode) -> None:
    """What a redemption must prove. Raises `InvalidGrant` or `InvalidTarget`; spends nothing."""
    if code.client_id != client.client_id:
        raise InvalidGrant("The code was given to another client.")
    if code.redirect_uri_given and not form.has("redirect_uri"):
        raise InvalidGrant("The redirect_uri is missing: it was in the authorization request.")
    if form.has("redirect_uri") and form.get("redirect_uri") != code.redirect_uri:
        raise InvalidGrant("The redirect_uri is not the one of the authorization request.")
    if not proves(require(form, "code_verifier"), code.code_challenge):
        raise InvalidGrant("The code_verifier does not match the code_challenge.")
    for resource in form.resources:
        if not is_same_resource(resource, code.resource):
            raise InvalidTarget("The code is for another resource.", action=f"It is for {code.resource}.")


async def _answer_replay(code: AuthorizationCode, server: AuthorizationServer, context: Context) -> None:
    known = await server.store.codes.get(code.digest)
    if known is not None and known.redeemed_at is not None:
        await server.record(context, "code.reuse", "denied", client_id=code.client_id, target=code.grant_id)
        await server.revoke_grant(code.grant_id, context, reason="code reused")
        raise InvalidGrant(
            "The code has been used already; what it gave has been revoked.", action="Start again at /authorize."
        )
    raise InvalidGrant("The code is not known, or has expired.", action="Start again at /authorize.")
