"""grant_type=refresh_token (OAuth 2.1 §4.3), with rotation at each use.

`protocol.refresh` tells when a spent token is answered again with the same successor, and when it ends its family.
"""

from typing import NoReturn

from vestibule.authorization_server.issue import token_reply
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import REFRESH_PREFIX, AuthorizationServer
from vestibule.errors import InvalidGrant, InvalidTarget
from vestibule.model import Client, Grant, RefreshToken, digest
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.refresh import Replay, judge_replay
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.scope import narrowed, read_scope
from vestibule.protocol.token_request import require

SUCCESSOR_PURPOSE = "refresh-successor"

_SIGN_IN = "Start again at /authorize."


async def redeem_refresh_token(
    form: Parameters, client: Client, server: AuthorizationServer, context: Context
) -> JsonReply:
    token, grant = await _find(require(form, "refresh_token"), client, server)
    for resource in form.resources:
        if not is_same_resource(resource, grant.resource):
            raise InvalidTarget("The grant is for another resource.", action=f"It is for {grant.resource}.")
    scopes = narrowed(read_scope(form.get("scope")), grant.scopes)
    successor = await _rotate(token, server) or await _answer_again(token, server, context)
    await server.record(
        context,
        "token.refresh",
        "allowed",
        actor=grant.identity.user,
        client_id=client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
    )
    return token_reply(grant, scopes, successor, server)


async def _find(presented: str, client: Client, server: AuthorizationServer) -> tuple[RefreshToken, Grant]:
    token = await server.store.refresh_tokens.find(digest(presented)) if presented.startswith(REFRESH_PREFIX) else None
    if token is None:
        raise InvalidGrant("The refresh token is not known here.", action=_SIGN_IN)
    if token.client_id != client.client_id:
        # Not a reason to end the family: whoever holds a copy could then sign its owner out.
        raise InvalidGrant("The refresh token was given to another client.", action=_SIGN_IN)
    if token.expires_at <= server.clock():
        raise InvalidGrant("The refresh token has expired.", action=_SIGN_IN)
    grant = await server.store.grants.get(token.grant_id)
    if grant is None or grant.revoked_at is not None:
        raise InvalidGrant("The grant behind this refresh token has ended.", action=_SIGN_IN)
    return token, grant


async def _rotate(token: RefreshToken, server: AuthorizationServer) -> str | None:
    """The successor, when this caller is the one to spend the token."""
    if token.spent_at is not None:
        return None
    now = server.clock()
    successor = server.token(REFRESH_PREFIX)
    link = RefreshToken(
        digest=digest(successor),
        grant_id=token.grant_id,
        client_id=token.client_id,
        expires_at=now + server.settings.lifetimes.refresh_token,
    )
    sealed = server.sealer.seal(SUCCESSOR_PURPOSE, successor.encode(), token.digest)
    return successor if await server.store.refresh_tokens.rotate(token.digest, link, sealed, now=now) else None


async def _answer_again(token: RefreshToken, server: AuthorizationServer, context: Context) -> str:
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
            return opened.decode()
    return await _end_family(spent, server, context)


async def _end_family(spent: RefreshToken, server: AuthorizationServer, context: Context) -> NoReturn:
    await server.record(context, "refresh_reuse", "denied", client_id=spent.client_id, target=spent.grant_id)
    await server.revoke_grant(spent.grant_id, context, reason="refresh token reused")
    raise InvalidGrant(
        "The refresh token has been used already; everything that came from this sign-in has been revoked.",
        action=_SIGN_IN,
    )
