"""POST /token: the form's client, the key it proves if it does, then the grant that it names, as often as it may."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
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
from vestibule.authorization_server.server import CODE_PREFIX, REFRESH_PREFIX, AuthorizationServer
from vestibule.authorization_server.token_limits import Admission, count_refusal
from vestibule.errors import (
    AuthorizationPending,
    InvalidDpopProof,
    OAuthError,
    SlowDown,
    UnauthorizedClient,
    UnsupportedGrantType,
    UseDpopNonce,
)
from vestibule.model import DEFAULT_TENANT, AuthorizationCode, RefreshToken, TenantId, digest
from vestibule.protocol.caller import network_of
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
        admission = Admission(grant_type, context.address, server.settings.token_limits, server.throttle)
        if grant_type == JWT_BEARER and is_of_workload(form, server):
            thumbprint = await proven_key(credentials, server, endpoint="/token")
            reply = await redeem_workload_token(form, server, context, admission, key_thumbprint=thumbprint)
            return replace(reply, allowance=admission.allowance)
        client = await authenticate(form, credentials, server, context, endpoint="/token")  # 401 invalid_client
        client_id = client.client_id
        if grant_type not in client.grant_types:
            raise UnauthorizedClient(f"This client is not registered for the grant type {grant_type}.")
        thumbprint = await proven_key(credentials, server, endpoint="/token")  # 400 invalid_dpop_proof
        if client.needs_dpop and not thumbprint:
            raise InvalidDpopProof("This client is registered for tokens that are bound to a key: send a DPoP proof.")
        call = TokenCall(form, client, context, admission, thumbprint)
        reply = await GRANTS[grant_type](call, server)  # 400 invalid_grant, …; 429
        return replace(reply, allowance=admission.allowance)
    except _NOTHING_HAPPENED:
        raise
    except OAuthError as error:
        if await server.throttle.allows("refusals in the trail", network_of(context.address), REFUSALS_RECORDED):
            reason = f"{error.error}: {error.detail}".strip(": ")
            tenant, actor = await _whose(form, server)
            outcome = outcome_of(error)
            await server.record(
                context, "token.issue", outcome, actor=actor, client_id=client_id, tenant=tenant, reason=reason
            )
        limits = server.settings.token_limits
        await count_refusal(error, form, client_id, context.address, limits, server.throttle)  # 429
        raise


async def _whose(form: Parameters, server: AuthorizationServer) -> tuple[TenantId, str]:
    """In whose trail a refusal belongs: that of the tenant whose code or refresh token was shown, and of whom."""
    shown = form.get("refresh_token") or form.get("code")
    found: RefreshToken | AuthorizationCode | None = None
    if shown.startswith(REFRESH_PREFIX):
        found = await server.store.refresh_tokens.find(digest(shown))
    elif shown.startswith(CODE_PREFIX):
        found = await server.store.codes.get(digest(shown))
    grant = await server.store.grants.get(found.grant_id) if found is not None else None
    return (DEFAULT_TENANT, "") if grant is None else (grant.tenant, grant.identity.user)


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
