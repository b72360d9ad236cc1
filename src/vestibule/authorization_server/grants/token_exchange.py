"""grant_type=urn:ietf:params:oauth:grant-type:token-exchange (RFC 8693), for our own access tokens.

Two uses. A client narrows a token of its own: fewer scopes, to hand to something it trusts less. And a service that
the operator has named turns a token that it was shown into one of its own, for the same person at the same resource,
with itself as the actor. Nothing ever grows: not the scopes, not the audience, not the lifetime, and what ends the
subject token's grant ends what came from it.
"""

from dataclasses import replace

from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.issue import Issue, issue
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import AccessDenied, InvalidGrant, InvalidRequest, InvalidTarget, Refusal, Unavailable
from vestibule.model import AccessToken, ClientOrigin, Grant, Identity
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.scope import narrowed, permitted, read_scope
from vestibule.protocol.token_request import require

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind
MAX_ACTORS = 4  # a chain that is longer is a loop


async def exchange_token(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    _check_types(call)
    subject = await _read(require(call.form, "subject_token"), "subject_token", server)
    actors = await _actors(call, subject, server)
    _check_key(call, subject)
    for target in (*call.form.resources, *filter(None, [call.form.get("audience")])):
        if not is_same_resource(target, subject.resource):
            raise InvalidTarget("An exchange keeps the resource.", action=f"It is {subject.resource}.")
    server.check_client_serves(call.client, subject.tenant)
    scopes = narrowed(read_scope(call.form.get("scope")), subject.scopes)
    grant = await _grant(subject, server)
    scopes = permitted(scopes, grant.identity.roles, server.settings.permissions)
    end = min(server.clock() + server.lifetimes_for(call.client).access_token, server.moment(subject.expires_at))
    await call.admit()
    await server.record(
        call.context,
        "token.exchange",
        "allowed",
        actor=subject.user,
        client_id=call.client.client_id,
        tenant=subject.tenant,
        target=subject.grant_id,
        facts={"scope": " ".join(scopes), "from": subject.client_id},
    )
    reply = issue(
        Issue(
            grant=grant,
            client_id=call.client.client_id,
            scopes=scopes,
            expires_at=end,
            key_thumbprint=call.key_thumbprint,
            actors=actors,
        ),
        server,
    )
    return JsonReply({**reply.body, "issued_token_type": ACCESS_TOKEN})


def _check_types(call: TokenCall) -> None:
    if require(call.form, "subject_token_type") != ACCESS_TOKEN:
        raise InvalidRequest("The subject_token is an access token of this server.", action=f"Its type: {ACCESS_TOKEN}")
    if call.form.get("requested_token_type") not in ("", ACCESS_TOKEN):
        raise InvalidRequest("Only access tokens are given here.", action=f"requested_token_type={ACCESS_TOKEN}")
    if call.form.has("actor_token") != call.form.has("actor_token_type"):
        raise InvalidRequest("actor_token and actor_token_type stand together (RFC 8693 §2.1).")
    if call.form.get("actor_token_type") not in ("", ACCESS_TOKEN):
        raise InvalidRequest("The actor_token is an access token of this server.", action=f"Its type: {ACCESS_TOKEN}")


async def _read(token: str, name: str, server: AuthorizationServer) -> AccessToken:
    try:
        return server.tokens.read(token, server.clock().timestamp())
    except Unavailable:
        raise
    except Refusal as error:
        # RFC 8693 §2.2.2: a token that is not acceptable makes the request invalid.
        raise InvalidRequest(f"The {name} is not acceptable.", action=error.message, detail=error.detail) from error


async def _actors(call: TokenCall, subject: AccessToken, server: AuthorizationServer) -> tuple[str, ...]:
    """Who acts for the subject in the new token. Raises unless this client may do that."""
    actor = ""
    if call.form.has("actor_token"):
        shown = await _read(call.form.get("actor_token"), "actor_token", server)
        if shown.client_id != call.client.client_id:
            raise InvalidRequest("The actor_token is another client's.")
        if shown.tenant != subject.tenant:
            raise AccessDenied("Who acts for somebody is of the same organisation.", detail=f"not of {subject.tenant}")
        actor = shown.user
    if len(subject.actors) >= MAX_ACTORS:
        raise AccessDenied(f"A token passes through at most {MAX_ACTORS} actors.")
    if subject.client_id == call.client.client_id:
        return (actor, *subject.actors) if actor and actor != subject.user else subject.actors
    is_named = call.client.origin is ClientOrigin.CONFIGURED and subject.client_id in call.client.acts_for
    if not (is_named and call.client.is_confidential):
        raise AccessDenied("This client may not act on another client's token.", action="The operator names who may.")
    return (actor or f"client:{call.client.client_id}", *subject.actors)


def _check_key(call: TokenCall, subject: AccessToken) -> None:
    # A token that is bound to a key is worth nothing to who has only the token (RFC 9449 §6).
    if subject.key_thumbprint and call.key_thumbprint != subject.key_thumbprint:
        raise InvalidGrant("The subject_token is for the holder of a key.", action="Send a DPoP proof of that key.")


async def _grant(subject: AccessToken, server: AuthorizationServer) -> Grant:
    """The subject token's grant as the new token needs it; alive as far as the store knows."""
    stored = await server.store.grants.get(subject.grant_id)
    if stored is not None:
        if stored.revoked_at is not None:
            raise InvalidGrant("The grant behind the subject_token has ended.")
        await server.check_welcome(stored.tenant, stored.identity.user)
        return replace(stored, resource=subject.resource)
    provider, _, _ = subject.user.partition(":")
    await server.check_welcome(subject.tenant, subject.user)
    return Grant(
        grant_id=subject.grant_id,
        tenant=subject.tenant,
        identity=Identity(subject.identity_issuer, subject.subject, provider, roles=frozenset(subject.roles)),
        client_id=subject.client_id,
        scopes=subject.scopes,
        resource=subject.resource,
        created_at=server.clock(),
    )
