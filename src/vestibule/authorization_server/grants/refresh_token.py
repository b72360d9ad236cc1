"""grant_type=refresh_token (OAuth 2.1 §4.3), with rotation at each use.

`protocol.refresh` tells when a spent token is answered again with the same successor, and when it ends its family. The
identity provider is not asked: its tokens may end long before ours, and then the person is asked when they are needed.
"""

from datetime import timedelta
from typing import NoReturn

from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.grants.authorization_code import live_grant, record_theft
from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.issue import new_link, token_reply
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import REFRESH_PREFIX, AuthorizationServer
from vestibule.errors import InvalidDpopProof, InvalidGrant, InvalidTarget
from vestibule.model import Grant, Rate, RefreshToken, digest
from vestibule.protocol.refresh import Replay, judge_replay
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.scope import narrowed, permitted, read_scope
from vestibule.protocol.token_request import require

SUCCESSOR_PURPOSE = "refresh-successor"

# Of one spent token: each costs a row of the trail and gives an access token. Fifty processes that share a token store
# and all want the successor get it.
ANSWERS = Rate(100, timedelta(minutes=1))

_SIGN_IN = "Start again at /authorize."


async def redeem_refresh_token(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    token, grant = await _find(call, server)
    for resource in call.form.resources:
        if not is_same_resource(resource, grant.resource):
            raise InvalidTarget("The grant is for another resource.", action=f"It is for {grant.resource}.")
    scopes = narrowed(read_scope(call.form.get("scope")), grant.scopes)
    scopes = permitted(scopes, grant.identity.roles, server.settings.permissions)  # the file may say less by now
    if token.spent_at is None:  # what a spent one gives has been counted; or its family ends, at the limit too
        await call.admit()
    successor = await _rotate(token, grant, call, server) or await _answer_again(token, call, server)
    await server.record(
        call.context,
        "token.refresh",
        "allowed",
        actor=grant.identity.user,
        client_id=call.client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
    )
    return token_reply(call, grant, scopes, successor, server)


async def _find(call: TokenCall, server: AuthorizationServer) -> tuple[RefreshToken, Grant]:
    presented = require(call.form, "refresh_token")
    token = await server.store.refresh_tokens.find(digest(presented)) if presented.startswith(REFRESH_PREFIX) else None
    if token is None:
        raise InvalidGrant("The refresh token is not known here.", action=_SIGN_IN)
    if token.client_id != call.client.client_id:
        # Not a reason to end the family: whoever holds a copy could then sign its owner out.
        raise InvalidGrant("The refresh token was given to another client.", action=_SIGN_IN)
    if token.key_thumbprint and token.key_thumbprint != call.key_thumbprint:
        if not call.key_thumbprint:
            raise InvalidDpopProof("The refresh token is for the holder of a key.", action="Send a DPoP proof.")
        raise InvalidGrant("The refresh token is for the holder of another key.", action=_SIGN_IN)
    if token.expires_at <= server.clock():
        raise InvalidGrant("The refresh token has expired.", action=_SIGN_IN)
    return token, await live_grant(token.grant_id, server, call.client)


async def _rotate(token: RefreshToken, grant: Grant, call: TokenCall, server: AuthorizationServer) -> str | None:
    """The successor, when this caller is the one to spend the token."""
    if token.spent_at is not None:
        return None
    successor = server.token(REFRESH_PREFIX)
    sealed = server.sealer.seal(SUCCESSOR_PURPOSE, successor.encode(), token.digest)
    link = new_link(successor, call, grant, server)
    won = await server.store.refresh_tokens.rotate(token.digest, link, sealed, now=server.clock())
    return successor if won else None


async def _answer_again(token: RefreshToken, call: TokenCall, server: AuthorizationServer) -> str:
    """The same successor once more, or the end of the family."""
    spent = await server.store.refresh_tokens.find(token.digest)
    if spent is None or spent.spent_at is None:
        raise InvalidGrant("The grant behind this refresh token has ended.", action=_SIGN_IN)
    successor = (
        await server.store.refresh_tokens.find(spent.successor_digest) if spent.successor_digest is not None else None
    )
    verdict = judge_replay(spent, successor, now=server.clock(), grace=server.settings.lifetimes.refresh_grace)
    if verdict is Replay.SAME_SUCCESSOR and spent.sealed_successor is not None:
        opened = server.sealer.open(SUCCESSOR_PURPOSE, spent.sealed_successor, spent.digest)
        if opened is not None:
            await server.throttle.take("answers to a spent refresh token", token.digest.hex(), ANSWERS)
            return opened.decode()
    return await _end_family(spent, call, server)


async def _end_family(spent: RefreshToken, call: TokenCall, server: AuthorizationServer) -> NoReturn:
    await record_theft("refresh.reuse", spent.grant_id, call, server)
    await revoke_grant(spent.grant_id, server, call.context, reason="refresh token reused")
    raise InvalidGrant(
        "The refresh token has been used already; everything that came from this sign-in has been revoked.",
        action=_SIGN_IN,
    )
