"""POST /introspect (RFC 7662): a resource server that the operator has named asks what a token says.

It learns about tokens for its own resources, and of every other token nothing but that it is not active: which of the
reasons it is, is nobody's business.
"""

from typing import Any

from vestibule.authorization_server.authenticate import Credentials, authenticate
from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import InvalidClient, Refusal, UnauthorizedClient, Unavailable
from vestibule.model import AccessToken
from vestibule.protocol.access_token import actor_claim
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.scope import write_scope
from vestibule.protocol.token_request import require

_NOT_ACTIVE = JsonReply({"active": False})


async def introspect(
    form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context
) -> JsonReply:
    """What a resource server is told of a token is not in the trail; who is refused to ask is."""
    work = _introspect(form, credentials, server, context)
    return await tell_refusal(work, server, context, "token.introspect", client_id=form.get("client_id"))


async def _introspect(
    form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context
) -> JsonReply:
    form.check_single()
    client = await authenticate(form, credentials, server, context, endpoint="/introspect")
    if not client.is_confidential:
        raise InvalidClient("Introspection needs a client that proves itself (RFC 7662 §2.1).")
    if not client.introspects:
        raise UnauthorizedClient("This client is not registered as a resource server.", action="See introspects.")
    token = require(form, "token")
    try:
        claims = server.tokens.read(token, server.clock().timestamp())
    except Unavailable:
        raise  # not known is not the same as not active
    except Refusal:
        return _NOT_ACTIVE
    if claims.resource not in client.introspects or client.tenant not in ("", claims.tenant):
        return _NOT_ACTIVE
    return JsonReply(_answer(claims))


def _answer(token: AccessToken) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "active": True,
        "scope": write_scope(token.scopes),
        "client_id": token.client_id,
        "token_type": "DPoP" if token.key_thumbprint else "Bearer",
        "exp": token.expires_at,
        "iat": token.issued_at,
        "sub": token.user,
        "aud": token.resource,
        "iss": token.issuer,
        "jti": token.token_id,
        "tenant": token.tenant,
        "identity": {"iss": token.identity_issuer, "sub": token.subject},
    }
    if token.roles:
        answer["roles"] = list(token.roles)
    if token.key_thumbprint:
        answer["cnf"] = {"jkt": token.key_thumbprint}
    if token.actors:
        answer["act"] = actor_claim(token.actors)
    return answer
