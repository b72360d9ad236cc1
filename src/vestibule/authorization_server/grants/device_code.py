"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 §3.4): has somebody agreed yet?"""

from vestibule.authorization_server.grants.authorization_code import live_grant
from vestibule.authorization_server.grants.call import TokenCall
from vestibule.authorization_server.issue import begin_family, token_reply
from vestibule.authorization_server.replies import JsonReply
from vestibule.authorization_server.server import DEVICE_CODE_PREFIX, AuthorizationServer
from vestibule.errors import AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant, InvalidTarget, SlowDown
from vestibule.model import DeviceRequest, DeviceState, digest
from vestibule.protocol.resource import is_same_resource
from vestibule.protocol.token_request import require


async def redeem_device_code(call: TokenCall, server: AuthorizationServer) -> JsonReply:
    request = await _poll(call, server)
    match request.state:
        case DeviceState.PENDING:
            raise AuthorizationPending("Nobody has answered yet.", action="Ask again after the interval.")
        case DeviceState.REFUSED:
            raise AccessDenied("The person refused.")
        case DeviceState.REDEEMED:
            raise InvalidGrant("The device code has been used already.", action="Ask for a new one.")
    await call.admit()
    if await server.store.device_requests.redeem(request.digest, now=server.clock()) is None:
        raise InvalidGrant("The device code has been used already, or its grant has ended.")
    grant = await live_grant(request.grant_id, server, call.client)
    refresh_token = await begin_family(call, grant, server)
    await server.record(
        call.context,
        "device.redeem",
        "allowed",
        actor=grant.identity.user,
        client_id=call.client.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
    )
    return token_reply(call, grant, grant.scopes, refresh_token, server)


async def _poll(call: TokenCall, server: AuthorizationServer) -> DeviceRequest:
    presented = require(call.form, "device_code")
    polled = None
    if presented.startswith(DEVICE_CODE_PREFIX):
        polled = await server.store.device_requests.poll(digest(presented), now=server.clock())
    if polled is None or polled[0].client_id != call.client.client_id:
        raise InvalidGrant("The device code is not known, or is another client's.", action="Ask for a new one.")
    request, too_soon = polled
    for resource in call.form.resources:
        if not is_same_resource(resource, request.resource):
            raise InvalidTarget("The device code is for another resource.", action=f"It is for {request.resource}.")
    if request.expires_at <= server.clock():
        raise ExpiredToken("The device code has expired.", action="Ask for a new one.")
    if too_soon:
        raise SlowDown(f"The device asks too often: once in {request.interval} seconds is enough.")
    return request
