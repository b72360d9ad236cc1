"""POST /token: the form's client, the key it proves if it does, then the grant that it names."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from vestibule.authorization_server.authenticate import Credentials, authenticate
from vestibule.authorization_server.grants.authorization_code import redeem_authorization_code
from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.grants.client_credentials import give_to_client
from vestibule.authorization_server.grants.device_code import redeem_device_code
from vestibule.authorization_server.grants.jwt_bearer import (
    is_of_workload,
    redeem_assertion,
    redeem_workload_token,
)
from vestibule.authorization_server.grants.refresh_token import redeem_refresh_token
from vestibule.authorization_server.grants.token_exchange import exchange_token
from vestibule.authorization_server.refusals import REFUSALS_RECORDED, outcome_of
from vestibule.authorization_server.replies import Context, JsonReply
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.authorization_server.throttle import network_of
from vestibule.errors import (
    AuthorizationPending,
    InvalidDpopProof,
    OAuthError,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrantType,
    UseDpopNonce,
)
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.registration import CLIENT_CREDENTIALS, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE
from vestibule.protocol.token_request import require

GrantHandler = Callable[[TokenCall, AuthorizationServer], Awaitable[JsonReply]]

GRANTS: Mapping[str, GrantHandler] = {
    "authorization_code": redeem_authorization_code,
    "refresh_token": redeem_refresh_token,
    CLIENT_CREDENTIALS: give_to_client,
    DEVICE_CODE: redeem_device_code,
    TOKEN_EXCHANGE: exchange_token,
    JWT_BEARER: redeem_assertion,
}

_NOTHING_HAPPENED = (AuthorizationPending, SlowDown, UseDpopNonce)  # a step of the protocol, not a refusal


async def token(form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context) -> JsonReply:
    client_id = ""
    try:
        form.check_single()  # 400 invalid_request
        grant_type = require(form, "grant_type")
        if grant_type not in GRANTS:
            raise UnsupportedGrantType("This grant type is not supported.", action=f"Supported: {', '.join(GRANTS)}.")
        if grant_type == JWT_BEARER and is_of_workload(form, server):
            thumbprint = await proven_key(credentials, server, endpoint="/token")
            return await redeem_workload_token(form, server, context, key_thumbprint=thumbprint)
        client = await authenticate(form, credentials, server, context, endpoint="/token")  # 401 invalid_client
        client_id = client.client_id
        if grant_type not in client.grant_types:
            raise UnauthorizedClient(f"This client is not registered for the grant type {grant_type}.")
        thumbprint = await proven_key(credentials, server, endpoint="/token")  # 400 invalid_dpop_proof
        if client.needs_dpop and not thumbprint:
            raise InvalidDpopProof("This client is registered for tokens that are bound to a key: send a DPoP proof.")
        return await GRANTS[grant_type](TokenCall(form, client, context, thumbprint), server)  # 400 invalid_grant, …
    except _NOTHING_HAPPENED:
        raise
    except OAuthError as error:
        if server.throttle.allows("refusals in the trail", network_of(context.address), REFUSALS_RECORDED):
            reason = f"{error.error}: {error.detail}".strip(": ")
            await server.record(context, "token.issue", outcome_of(error), client_id=client_id, reason=reason)
        raise


async def proven_key(credentials: Credentials, server: AuthorizationServer, *, endpoint: str) -> str:
    """The thumbprint of the key that this request proves (RFC 9449 §5); empty when it has no proof.

    The proof counts once on all replicas: here there is time to ask the store. It is asked when the client is known,
    so that strangers do not fill it.
    """
    if not credentials.proofs:
        return ""
    url = f"{server.settings.issuer}{endpoint}"
    proof = server.proofs.check(credentials.proofs, method=credentials.method, url=url, remember=False)
    now = server.clock()
    until = datetime.fromtimestamp(proof.issued_at, UTC) + timedelta(minutes=5)
    if not await server.store.one_time.use("dpop", proof.digest, expires_at=until, now=now):
        raise InvalidDpopProof("The DPoP proof has been used already.", action="Make one for each request.")
    return proof.thumbprint
