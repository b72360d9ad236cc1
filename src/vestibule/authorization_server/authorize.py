"""GET /authorize: check the request, then a consent page, or a code when the person has answered before.

Consent comes before the identity provider: nothing leaves for it until somebody in this browser has clicked.
"""

from vestibule.authorization_server.approve import approve_for_session
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName, Redirect
from vestibule.authorization_server.server import AuthorizationServer, consent_key, is_recent
from vestibule.errors import ConsentRequired, LoginRequired, OAuthError
from vestibule.model import AuthorizationRequest, Session, digest
from vestibule.protocol.authorize import CheckedRequest, check_redirect_uri, check_request, error_response
from vestibule.protocol.parameters import Parameters

_COOKIE_LIFETIME = 24 * 3600  # seconds; the requests that it binds live ten minutes


async def authorize(query: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    client = await server.clients.for_authorize(query.get("client_id"))  # a page: nothing is proven yet
    redirect_uri = check_redirect_uri(query, client)  # a page: the last one
    try:
        checked = check_request(query, client, redirect_uri, server.settings.resources, server.offered_scopes)
        return await _answer(checked, browser, server, context)
    except OAuthError as error:
        await server.record(
            context, "authorize", "denied", client_id=client.client_id, target=redirect_uri, reason=error.error
        )
        state = query.values.get("state")
        return Redirect(error_response(redirect_uri, error, state=state, issuer=server.settings.issuer))


async def _answer(checked: CheckedRequest, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    session = await server.session_of(browser)
    if session is not None and not is_recent(
        session, prompt=checked.prompt, max_age=checked.max_age, now=server.clock()
    ):
        session = None
    if session is None and "none" in checked.prompt:
        raise LoginRequired("Nobody is signed in in this browser, and prompt=none forbids asking.")
    request, cookies = _new_request(checked, browser, server)
    if session is not None and await _has_approved(checked, session, server) and not browser.prefetches:
        return await approve_for_session(request, session, server, context)
    if "none" in checked.prompt:
        raise ConsentRequired("This person has not approved the request, and prompt=none forbids asking.")
    await server.store.requests.add(request)
    return Redirect(f"{server.settings.issuer}/consent?txn={request.request_id}", cookies)


async def _has_approved(checked: CheckedRequest, session: Session, server: AuthorizationServer) -> bool:
    if "consent" in checked.prompt:
        return False
    consent = await server.store.consents.find(
        consent_key(
            user=session.identity.user,
            tenant=session.tenant,
            client_id=checked.client.client_id,
            redirect_uri=checked.redirect_uri,
            resource=checked.resource.identifier,
        )
    )
    return consent is not None and consent.approved and consent.scopes >= frozenset(checked.scopes)


def _new_request(
    checked: CheckedRequest, browser: Browser, server: AuthorizationServer
) -> tuple[AuthorizationRequest, tuple[Cookie, ...]]:
    now = server.clock()
    binding = browser.consent or server.token()
    request = AuthorizationRequest(
        request_id=server.token(),
        client_id=checked.client.client_id,
        redirect_uri=checked.redirect_uri,
        redirect_uri_given=checked.redirect_uri_given,
        scopes=checked.scopes,
        resource=checked.resource.identifier,
        code_challenge=checked.code_challenge,
        client_state=checked.state,
        browser_digest=digest(binding),
        created_at=now,
        expires_at=now + server.settings.lifetimes.request,
        prompt=checked.prompt,
        login_hint=checked.login_hint,
        max_age=checked.max_age,
    )
    return request, (Cookie(CookieName.CONSENT, binding, _COOKIE_LIFETIME),)
