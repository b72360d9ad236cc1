"""GET and POST /consent: what is asked, and the answer.

The page belongs to the browser that asked (consent cookie), its form to the page (CSRF tag over cookie and request),
and an approval to the browser that clicked (sign-in cookie). A GET changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from vestibule.authorization_server.approve import approve_for_session, refusal
from vestibule.authorization_server.refusals import tell_refusal
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName, Redirect
from vestibule.authorization_server.server import AuthorizationServer, consent_key, is_recent
from vestibule.errors import AccessDenied, OAuthError, PageError
from vestibule.model import (
    AuthorizationRequest,
    Client,
    Consent,
    Purpose,
    RequestState,
    Resource,
    Session,
    SignIn,
    digest,
)
from vestibule.ports import IdentityProvider, SignInRequest
from vestibule.protocol.device import show_user_code
from vestibule.protocol.parameters import Parameters

CSRF_PURPOSE = "consent-form"
ACCOUNT_PURPOSE = "consent-account"
VERIFIER_PURPOSE = "provider-code-verifier"
SIGN_IN_COOKIE_LIFETIME = 600  # seconds

_START_AGAIN = "Go back to the application and start again."


@dataclass(frozen=True, slots=True)
class Question:
    """All that the consent page shows."""

    request: AuthorizationRequest
    client: Client
    resource: Resource
    session: Session | None
    providers: tuple[IdentityProvider, ...]
    csrf: str
    cookies: tuple[Cookie, ...]
    account_tag: str  # as whom the page was shown
    allowed_before: frozenset[str] = frozenset()  # scopes that this person has let this client use; the rest is new
    refused_at: datetime | None = None  # the person refused this before, and has not asked to reconsider
    user_code: str = ""  # what the device shows, when it is a device that asks


@dataclass(frozen=True, slots=True)
class Choice:
    """All that the page shows where a person chooses how to sign in."""

    request: AuthorizationRequest
    client: Client | None  # None: it is for our own pages
    providers: tuple[IdentityProvider, ...]
    csrf: str
    cookies: tuple[Cookie, ...]


async def question(
    request_id: str, browser: Browser, server: AuthorizationServer, *, reconsider: bool = False
) -> Question:
    """What to ask. Raises `PageError`."""
    request = await _request_of(request_id, browser, server)
    client = await server.clients.for_authorize(request.client_id)
    resource = server.resource(request.resource)
    if resource is None:
        raise PageError("The MCP server that this was about is not served here any more.", action=_START_AGAIN)
    session = await _usable_session(request, browser, server)
    csrf, cookies = _form(request, browser, server)
    known = await _known_answer(request, session, server)
    is_refused = known is not None and not known.approved and known.scopes >= frozenset(request.scopes)
    return Question(
        request=request,
        client=client,
        resource=resource,
        session=session,
        providers=tuple(server.providers.values()),
        csrf=csrf,
        cookies=cookies,
        account_tag=server.authenticator.tag(ACCOUNT_PURPOSE, _account_message(request.request_id, browser)),
        allowed_before=known.scopes if known is not None and known.approved else frozenset(),
        refused_at=known.decided_at if known is not None and is_refused and not reconsider else None,
        user_code=await _user_code(request, server),
    )


async def choice(request_id: str, browser: Browser, server: AuthorizationServer) -> Choice:
    """How one may sign in. Raises `PageError`."""
    request = await _request_of(request_id, browser, server)
    csrf, cookies = _form(request, browser, server)
    client = await server.clients.for_authorize(request.client_id) if request.client_id else None
    return Choice(request, client, tuple(server.providers.values()), csrf, cookies)


def _form(
    request: AuthorizationRequest, browser: Browser, server: AuthorizationServer
) -> tuple[str, tuple[Cookie, ...]]:
    cookie = browser.csrf or server.token()
    tag = server.authenticator.tag(CSRF_PURPOSE, _csrf_message(request.request_id, browser.consent, cookie))
    return tag, (Cookie(CookieName.CSRF, cookie, 24 * 3600),)


async def _known_answer(
    request: AuthorizationRequest, session: Session | None, server: AuthorizationServer
) -> Consent | None:
    if session is None or request.purpose is not Purpose.CLIENT:
        return None
    return await server.store.consents.find(consent_key(request, session))


async def _user_code(request: AuthorizationRequest, server: AuthorizationServer) -> str:
    if request.device_digest is None:
        return ""
    waiting = await server.store.device_requests.get(request.device_digest, now=server.clock())
    if waiting is None:
        raise PageError("The device does not wait any more.", action="Begin again on the device.")
    return show_user_code(waiting.user_code)


async def answer(form: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    """Act on the click. Raises `PageError`; 403 when the form is not from our page in this browser."""
    return await tell_refusal(_act(form, browser, server, context), server, context, "consent.answer")


async def _act(form: Parameters, browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    form.check_single()
    request = await _request_of(form.get("txn"), browser, server)
    message = _csrf_message(request.request_id, browser.consent, browser.csrf)
    if not browser.csrf or not server.authenticator.verify(CSRF_PURPOSE, message, form.get("csrf")):
        raise PageError(
            "This form did not come from our page in this browser, so nothing was done.",
            action=_START_AGAIN,
            status=403,
            error="access_denied",
        )
    match form.get("decision"):
        case "approve":
            return await _approve(request, form, browser, server, context)
        case "deny":
            return await _deny(request, browser, server, context)
        case "reconsider":
            return Redirect(f"{server.settings.issuer}/consent?txn={request.request_id}&again=1")
        case _:
            raise PageError("The form has no decision.", action="Go back and choose Allow or Refuse.")


async def _approve(
    request: AuthorizationRequest,
    form: Parameters,
    browser: Browser,
    server: AuthorizationServer,
    context: Context,
) -> Redirect:
    session = await _usable_session(request, browser, server)
    provider_name = form.get("provider")
    if session is not None and not _is_of_page(form, request, browser, server):
        # Somebody has signed in since, in another tab: the page that was clicked asked someone else, or nobody.
        return Redirect(f"{server.settings.issuer}/consent?txn={request.request_id}")
    if session is None:
        if not provider_name and len(server.providers) > 1:
            return Redirect(f"{server.settings.issuer}/sign-in?txn={request.request_id}")
        return await _send_to_provider(request, _provider(provider_name, server), browser, server)
    approved = await server.store.requests.approve(request.request_id, None, now=server.clock())
    if approved is None:
        raise _used()
    await _remember(approved, session, server, context, approved=True)
    try:
        return await approve_for_session(approved, session, server, context)
    except OAuthError as error:
        await server.record(
            context,
            "code.issue",
            "denied",
            actor=session.identity.user,
            client_id=approved.client_id,
            tenant=session.tenant,
            reason=f"{error.error}: {error.detail}",
        )
        return refusal(approved, error, server)


async def _send_to_provider(
    request: AuthorizationRequest, provider: IdentityProvider, browser: Browser, server: AuthorizationServer
) -> Redirect:
    """The state becomes valid here and only here: after the click, bound to this browser's sign-in cookie."""
    leg = SignInRequest(
        state=server.token(),
        nonce=server.token(),
        code_verifier=server.token(size=48),
        callback_url=f"{server.settings.issuer}/callback/{provider.name}",
        prompt=request.prompt & {"login", "select_account"},
        login_hint=request.login_hint,
        max_age=request.max_age,
    )
    url = await provider.begin(leg)  # first: while the provider is down, the request stays open for another try
    binding = browser.sign_in or server.token()
    sign_in = SignIn(
        provider=provider.name,
        state_digest=digest(leg.state),
        browser_digest=digest(binding),
        nonce=leg.nonce,
        sealed_verifier=server.sealer.seal(VERIFIER_PURPOSE, leg.code_verifier.encode(), digest(leg.state)),
    )
    if await server.store.requests.approve(request.request_id, sign_in, now=server.clock()) is None:
        raise _used()
    return Redirect(url, (Cookie(CookieName.SIGN_IN, binding, SIGN_IN_COOKIE_LIFETIME),))


async def _deny(
    request: AuthorizationRequest, browser: Browser, server: AuthorizationServer, context: Context
) -> Redirect:
    refused = await server.store.requests.refuse(request.request_id, now=server.clock())
    if refused is None:
        raise _used()
    session = await server.session_of(browser)
    if session is not None:
        await _remember(refused, session, server, context, approved=False)
    else:
        await server.record(context, "consent.refuse", "denied", client_id=refused.client_id, target=refused.resource)
    if refused.purpose is Purpose.DEVICE and refused.device_digest is not None:
        await server.store.device_requests.refuse(refused.device_digest, now=server.clock())
        return Redirect(f"{server.settings.issuer}/device?done=0")
    if refused.purpose is Purpose.ACCOUNT:
        return Redirect(f"{server.settings.issuer}/")
    return refusal(refused, AccessDenied("The person refused."), server)


async def _remember(
    request: AuthorizationRequest,
    session: Session,
    server: AuthorizationServer,
    context: Context,
    *,
    approved: bool,
) -> None:
    if request.purpose is Purpose.ACCOUNT:
        return
    if request.purpose is Purpose.CLIENT:
        await server.remember_consent(request, session, approved=approved)
    await server.record(
        context,
        "consent.approve" if approved else "consent.refuse",
        "allowed" if approved else "denied",
        actor=session.identity.user,
        client_id=request.client_id,
        tenant=session.tenant,
        target=request.resource,
        facts={"scope": " ".join(request.scopes)},
    )


async def _request_of(request_id: str, browser: Browser, server: AuthorizationServer) -> AuthorizationRequest:
    request = await server.store.requests.get(request_id, now=server.clock()) if 0 < len(request_id) < 100 else None
    if request is None:
        raise PageError("This link has expired, or was never made here.", action=_START_AGAIN)
    if not browser.consent or digest(browser.consent) != request.browser_digest:
        raise PageError(
            "This page belongs to another browser.",
            action="If somebody sent you this link, close it. Otherwise start again from the application, and let this "
            "site set cookies.",
        )
    if request.state is not RequestState.ASKED:
        raise _used()
    return request


async def _usable_session(
    request: AuthorizationRequest, browser: Browser, server: AuthorizationServer
) -> Session | None:
    session = await server.session_of(browser)
    now = server.clock()
    if session is None or not is_recent(session, prompt=request.prompt, max_age=request.max_age, now=now):
        # Signed in during this very request (in another tab) is as fresh as it gets.
        return session if session is not None and session.signed_in_at > request.created_at else None
    return session


def _provider(name: str, server: AuthorizationServer) -> IdentityProvider:
    if not name and len(server.providers) == 1:
        return next(iter(server.providers.values()))
    if name not in server.providers:
        raise PageError("There is no such way to sign in here.", action=_START_AGAIN)
    return server.providers[name]


def _is_of_page(form: Parameters, request: AuthorizationRequest, browser: Browser, server: AuthorizationServer) -> bool:
    if request.purpose is Purpose.ACCOUNT:
        return True
    message = _account_message(request.request_id, browser)
    return server.authenticator.verify(ACCOUNT_PURPOSE, message, form.get("account"))


def _account_message(request_id: str, browser: Browser) -> bytes:
    return f"{request_id}\n{browser.session}".encode()


def _csrf_message(request_id: str, consent_cookie: str, csrf_cookie: str) -> bytes:
    return "\n".join((request_id, consent_cookie, csrf_cookie)).encode()


def _used() -> PageError:
    return PageError("This page has been used already.", action=_START_AGAIN)
