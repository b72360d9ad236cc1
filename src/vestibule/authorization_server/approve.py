"""From an approved request to what it was for, with somebody whose identity is known: a code, a device's grant, a page.

The person gets the scopes that their roles allow; the client is told in the token's answer which those are.
"""

from dataclasses import replace
from datetime import timedelta

from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.replies import Context, Redirect
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import AccessDenied, OAuthError, PageError
from vestibule.model import AuthorizationRequest, Grant, Purpose, RequestState, Session
from vestibule.protocol.authorize import code_response, error_response
from vestibule.protocol.scope import permitted

_START_AGAIN = "Go back to the application and start again."


async def approve_for_session(
    request: AuthorizationRequest, session: Session, server: AuthorizationServer, context: Context
) -> Redirect:
    """The person is signed in and has approved this very question before, or just now."""
    server.check_still_of(session.tenant, session.identity)
    await server.check_welcome(session.tenant, session.identity.user)
    return await give(replace(request, state=RequestState.FINISHED), session, server, context)


async def give(
    request: AuthorizationRequest, session: Session, server: AuthorizationServer, context: Context
) -> Redirect:
    """Make the grant and whatever leads to it, and send the browser on."""
    if request.purpose is Purpose.ACCOUNT:
        return Redirect(f"{server.settings.issuer}/me")
    await server.remember_client(request.client_id, context)
    client = await server.clients.for_token(request.client_id)
    server.check_client_serves(client, session.tenant)
    longest = (server.lifetimes_for(client) if client is not None else server.settings.lifetimes).grant
    grant = _grant(request, session, longest, server)
    if request.purpose is Purpose.DEVICE:
        return await _give_to_device(request, grant, session, server, context)
    code = await server.issue_code(grant, request)
    await _check_still_signed_in(grant, session, server, context)
    await _record(grant, "code.issue", server, context)
    return Redirect(
        code_response(request.redirect_uri, code=code, state=request.client_state, issuer=server.settings.issuer)
    )


def refusal(request: AuthorizationRequest, error: OAuthError, server: AuthorizationServer) -> Redirect:
    """Where an error of this request goes: to the client, or to a page of ours where there is no way back."""
    if request.purpose is not Purpose.CLIENT:
        raise PageError(error.message, action=error.action or _START_AGAIN, status=403, error=error.error)
    url = error_response(request.redirect_uri, error, state=request.client_state, issuer=server.settings.issuer)
    return Redirect(url)


async def _give_to_device(
    request: AuthorizationRequest, grant: Grant, session: Session, server: AuthorizationServer, context: Context
) -> Redirect:
    await server.store.grants.add(grant)
    await _check_still_signed_in(grant, session, server, context)
    approved = request.device_digest is not None and await server.store.device_requests.approve(
        request.device_digest, grant.grant_id, now=server.clock()
    )
    if not approved:
        raise PageError("The device's code has expired, or has been answered already.", action="Begin on the device.")
    await _record(grant, "device.approve", server, context)
    return Redirect(f"{server.settings.issuer}/device?done=1")


async def _check_still_signed_in(grant: Grant, session: Session, server: AuthorizationServer, context: Context) -> None:
    """Everything of this person may have been ended between the look at the session and the writing of the grant."""
    if await server.store.sessions.get(session.digest, now=server.clock()) is None:
        await revoke_grant(grant.grant_id, server, context, reason="signed out meanwhile")
        raise AccessDenied("This person has been signed out meanwhile.", action="Sign in again.")


def _grant(
    request: AuthorizationRequest, session: Session, longest: timedelta | None, server: AuthorizationServer
) -> Grant:
    now, identity = server.clock(), session.identity
    return Grant(
        grant_id=server.token(size=16),
        tenant=session.tenant,
        identity=identity,
        client_id=request.client_id,
        scopes=permitted(request.scopes, identity.roles, server.settings.permissions),
        resource=request.resource,
        created_at=now,
        expires_at=None if longest is None else now + longest,
        last_used_at=now,
        tokens_id=session.tokens_id,
    )


async def _record(grant: Grant, action: str, server: AuthorizationServer, context: Context) -> None:
    await server.record(
        context,
        action,
        "allowed",
        actor=grant.identity.user,
        client_id=grant.client_id,
        tenant=grant.tenant,
        target=grant.grant_id,
        facts={"resource": grant.resource, "scope": " ".join(grant.scopes)},
    )
