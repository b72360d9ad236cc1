"""GET /authorize: check the request, then a consent page, or a code when the person has answered before.

Consent comes before the identity provider: nothing leaves for it until somebody in this browser has clicked.
"""

from vestibule.authorization_server.approve import approve_for_session
from vestibule.authorization_server.par import take_up
from vestibule.authorization_server.refusals import outcome_of, tell_refusal
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName, Redirect
from vestibule.authorization_server.server import AuthorizationServer, consent_key, is_recent
from vestibule.errors import ConsentRequired, InvalidRequest, LoginRequired, OAuthError
from vestibule.model import DEFAULT_TENANT, AuthorizationRequest, Client, Session, digest
from vestibule.protocol.authorize import CheckedRequest, check_redirect_uri, check_request, error_response
from vestibule.protocol.parameters import Parameters

_COOKIE_LIFETIME = 24 * 3600  # seconds; the requests that it binds live ten minutes


async def authorize(query: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    pushed = query
    proven = _prove_redirect(query, browser, server, context)
    named = query.get("client_id")
    query, client, redirect_uri = await tell_refusal(proven, server, context, "authorize", client_id=named)
    try:
        if pushed is query and (client.needs_pushed_requests or server.settings.needs_pushed_requests):
            raise InvalidRequest("This client's requests are pushed first.", action="Send them to /par (RFC 9126).")
        checked = check_request(query, client, redirect_uri, server.settings.resources, server.offered_scopes)
        return await _answer(checked, browser, server, context)
    except OAuthError as error:
        session = await server.session_of(browser)
        await server.record(
            context,
            "authorize",
            outcome_of(error),
            actor=session.identity.user if session is not None else "",
            client_id=client.client_id,
            tenant=session.tenant if session is not None else DEFAULT_TENANT,
            target=redirect_uri,
            reason=error.error,
        )
        state = query.values.get("state")
        return Redirect(error_response(redirect_uri, error, state=state, issuer=server.settings.issuer))


async def _prove_redirect(
    query: Parameters, browser: Browser, server: AuthorizationServer, context: Context
) -> tuple[Parameters, Client, str]:
    """What is asked, by whom, and where the answer may go. Until that is known, a refusal is a page."""
    query = await take_up(query, browser, server)
    client = await server.clients.for_authorize(query.get("client_id"), context.address)
    return query, client, check_redirect_uri(query, client)


async def _answer(checked: CheckedRequest, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    session = await server.session_of(browser)
    if session is not None and not is_recent(
        session, prompt=checked.prompt, max_age=checked.max_age, now=server.clock()
    ):
        session = None
    if session is None and "none" in checked.prompt:
        raise LoginRequired("Nobody is signed in in this browser, and prompt=none forbids asking.")
    request, cookies = _new_request(checked, browser, server)
    if session is not None and not browser.prefetches and await _is_settled(request, checked.client, session, server):
        return await approve_for_session(request, session, server, context)
    if "none" in checked.prompt:
        raise ConsentRequired("This person has not approved the request, and prompt=none forbids asking.")
    await server.store.requests.add(request)
    return Redirect(f"{server.settings.issuer}/consent?txn={request.request_id}", cookies)


async def _is_settled(
    request: AuthorizationRequest, client: Client, session: Session, server: AuthorizationServer
) -> bool:
    """Whether nobody needs to be asked: the answer is known, and who asks is who asked before.

    RFC 8252 §8.6: any program on this computer can wait at a loopback address or claim a scheme, and say that it is a
    public client whose id it has read. For these one click remains.
    """
    is_anybody = not client.is_confidential and not request.redirect_uri.startswith("https://")
    if is_anybody or "consent" in request.prompt:
        return False
    consent = await server.store.consents.find(consent_key(request, session))
    return consent is not None and consent.approved and consent.scopes >= frozenset(request.scopes)


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
        key_thumbprint=checked.key_thumbprint,
    )
    return request, (Cookie(CookieName.CONSENT, binding, _COOKIE_LIFETIME),)
