"""Devices without a browser (RFC 8628): POST /device_authorization, and the page where a person types the code.

The person's part is the same consent, sign-in and session as for any other client; only its end differs: not a code for
a redirect URI, but a grant for the device that waits. What a remembered answer says does not count here: whoever sends
a victim the link must not find the door already open (RFC 8628 §5.4).
"""

import hashlib
from datetime import timedelta

from vestibule.authorization_server.authenticate import Credentials, authenticate
from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName, JsonReply, Redirect
from vestibule.authorization_server.server import DEVICE_CODE_PREFIX, AuthorizationServer
from vestibule.errors import PageError, TooManyRequests, UnauthorizedClient, UnknownUserCode
from vestibule.model import AuthorizationRequest, DeviceRequest, Purpose, Rate, digest
from vestibule.protocol.caller import network_of, site_of
from vestibule.protocol.device import make_user_code, read_user_code, show_user_code
from vestibule.protocol.parameters import Parameters
from vestibule.protocol.registration import DEVICE_CODE
from vestibule.protocol.resource import find_resource
from vestibule.protocol.scope import grantable, read_scope

CSRF_PURPOSE = "device-form"
# Of user codes, from one network and from one customer's. There is no limit for all together: it would be a way to keep
# everybody from typing theirs, and of 20^8 codes a thousand guessing networks hit one that waits in five hundred years.
TRIES = Rate(10, timedelta(minutes=1))
TRIES_OF_SITE = Rate(60, timedelta(minutes=1))
STARTS = Rate(60, timedelta(minutes=1))  # of one network


async def begin(form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context) -> JsonReply:
    """RFC 8628 §3.1, §3.2."""
    work = _begin(form, credentials, server, context)
    return await tell_refusal(work, server, context, "device.start", client_id=form.get("client_id"))


async def _begin(
    form: Parameters, credentials: Credentials, server: AuthorizationServer, context: Context
) -> JsonReply:
    form.check_single()
    client = await authenticate(form, credentials, server, context, endpoint="/device_authorization", at_start=True)
    if DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClient("This client is not registered for the device grant.")
    allowance = await server.throttle.take("device authorizations", network_of(context.address), STARTS)
    resource = find_resource(form.resources, server.settings.resources)
    scopes = grantable(read_scope(form.get("scope")), server.offered_scopes(resource), resource.upstream.scopes)
    now, device_code = server.clock(), server.token(DEVICE_CODE_PREFIX)
    request = DeviceRequest(
        digest=digest(device_code),
        user_code=make_user_code(server.entropy),
        client_id=client.client_id,
        scopes=scopes,
        resource=resource.identifier,
        created_at=now,
        expires_at=now + server.settings.lifetimes.device_request,
    )
    await server.store.device_requests.add(request)
    await server.record(
        context,
        "device.start",
        "allowed",
        client_id=client.client_id,
        target=request.resource,
        facts={"scope": " ".join(scopes)},
    )
    page, shown = f"{server.settings.issuer}/device", show_user_code(request.user_code)
    return JsonReply(
        {
            "device_code": device_code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={shown}",
            "expires_in": int(server.settings.lifetimes.device_request.total_seconds()),
            "interval": request.interval,
        },
        allowance=allowance,
    )


def form_tag(browser: Browser, server: AuthorizationServer) -> tuple[str, tuple[Cookie, ...]]:
    """The CSRF tag of the form on the page, and the cookie that it belongs to."""
    cookie = browser.csrf or server.token()
    return server.authenticator.tag(CSRF_PURPOSE, cookie.encode()), (Cookie(CookieName.CSRF, cookie, 24 * 3600),)


async def enter(form: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    """Somebody has typed a code: on to the question that belongs to it. Raises `PageError`."""
    return await tell_refusal(_enter(form, browser, server, context), server, context, "device.enter")


async def _enter(form: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    form.check_single()
    if not browser.csrf or not server.authenticator.verify(CSRF_PURPOSE, browser.csrf.encode(), form.get("csrf")):
        raise PageError(
            "This form did not come from our page in this browser, so nothing was done.",
            action="Open the page again and type the code.",
            status=403,
            error="access_denied",
        )
    request = await _find(form.get("user_code"), server, context)
    now, binding = server.clock(), browser.consent or server.token()
    asked = AuthorizationRequest(
        request_id=server.token(),
        client_id=request.client_id,
        redirect_uri="",
        redirect_uri_given=False,
        scopes=request.scopes,
        resource=request.resource,
        code_challenge="",
        client_state=None,
        browser_digest=digest(binding),
        created_at=now,
        expires_at=min(now + server.settings.lifetimes.request, request.expires_at),
        purpose=Purpose.DEVICE,
        device_digest=request.digest,
    )
    await server.store.requests.add(asked)
    cookie = Cookie(CookieName.CONSENT, binding, 24 * 3600)
    return Redirect(f"{server.settings.issuer}/consent?txn={asked.request_id}", (cookie,))


async def _find(typed: str, server: AuthorizationServer, context: Context) -> DeviceRequest:
    try:
        await server.throttle.take("user codes", network_of(context.address), TRIES)
        await server.throttle.take("user codes of a site", site_of(context.address), TRIES_OF_SITE)
    except TooManyRequests as error:
        raise PageError(
            "Too many codes have been typed.",
            action=f"Wait {error.retry_after} seconds.",
            status=429,
            retry_after=error.retry_after,
        ) from error
    code = read_user_code(typed)
    request = await server.store.device_requests.find(code, now=server.clock()) if code else None
    if request is None:
        shown = hashlib.sha256(typed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        raise UnknownUserCode(
            "This code is not one that a device is waiting with.",
            action="Look at the device again: its code has eight letters and lives ten minutes.",
            detail=f"code {shown}",
            status=404,
        )
    return request
