"""From an approved request to a code, for somebody whose identity is known."""

from dataclasses import replace

from vestibule.authorization_server.replies import Context, Redirect
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.model import AuthorizationRequest, Grant, Identity, RequestState, Session
from vestibule.protocol.authorize import code_response


async def approve_for_session(
    request: AuthorizationRequest, session: Session, server: AuthorizationServer, context: Context
) -> Redirect:
    """The person is signed in and has approved this very question before, or just now."""
    return await give_code(
        replace(request, state=RequestState.FINISHED), session.identity, session.tenant, server, context
    )


async def give_code(
    request: AuthorizationRequest, identity: Identity, tenant: str, server: AuthorizationServer, context: Context
) -> Redirect:
    """Make the grant and its code, and send the browser to the client with `code`, `state` and `iss`."""
    grant = Grant(
        grant_id=server.token(size=16),
        tenant=tenant,
        identity=identity,
        client_id=request.client_id,
        scopes=request.scopes,
        resource=request.resource,
        created_at=server.clock(),
    )
    code = await server.issue_code(
        grant,
        redirect_uri=request.redirect_uri,
        redirect_uri_given=request.redirect_uri_given,
        challenge=request.code_challenge,
    )
    await server.record(
        context,
        "code.issue",
        "allowed",
        actor=identity.user,
        client_id=grant.client_id,
        tenant=tenant,
        target=grant.grant_id,
        facts={"resource": grant.resource, "scope": " ".join(grant.scopes)},
    )
    return Redirect(
        code_response(request.redirect_uri, code=code, state=request.client_state, issuer=server.settings.issuer)
    )
