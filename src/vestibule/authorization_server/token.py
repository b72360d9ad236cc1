"""POST /token: the form's client, then the grant that it names."""

from collections.abc import Awaitable, Callable, Mapping

from vestibule.authorization_server.grants.authorization_code import redeem_authorization_code
from vestibule.authorization_server.grants.refresh_token import redeem_refresh_token
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import OAuthError, UnauthorizedClient, UnsupportedGrantType
from vestibule.model import Client
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.token_request import check_client, read_client_credentials, require

GrantHandler = Callable[[Parameters, Client, AuthorizationServer, Context], Awaitable[JsonReply]]

GRANTS: Mapping[str, GrantHandler] = {
    "authorization_code": redeem_authorization_code,
    "refresh_token": redeem_refresh_token,
}


async def token(
    form: Parameters, authorization: str | None, server: AuthorizationServer, context: Context
) -> JsonReply:
    client_id = ""
    try:
        form.check_single()  # 400 invalid_request
        grant_type = require(form, "grant_type")
        if grant_type not in GRANTS:
            raise UnsupportedGrantType("This grant type is not supported.", action=f"Supported: {', '.join(GRANTS)}.")
        client = await authenticate(form, authorization, server)  # 401 invalid_client
        client_id = client.client_id
        if grant_type not in client.grant_types:
            raise UnauthorizedClient(f"This client is not registered for the grant type {grant_type}.")
        return await GRANTS[grant_type](form, client, server, context)  # 400 invalid_grant, invalid_scope, …
    except OAuthError as error:
        await server.record(
            context, "token.issue", "denied", client_id=client_id, reason=f"{error.error}: {error.detail}".strip(": ")
        )
        raise


async def authenticate(form: Parameters, authorization: str | None, server: AuthorizationServer) -> Client:
    """Who asks, proven. Raises `InvalidClient`."""
    presented = read_client_credentials(form, authorization)
    return check_client(presented, await server.clients.for_token(presented.client_id))
