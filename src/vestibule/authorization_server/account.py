"""Your connections: what has access in a person's name, since when, last used; ending it; and signing out.

These pages are ours alone, without a client: a sign-in for them gives a session and nothing else. A connection is all
that one client has at one resource; ending it ends its grants and forgets the answer, so that it must ask again.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vestibule.authorization_server.endings import revoke_grant
from vestibule.authorization_server.replies import Browser, Context, Cookie, CookieName, Redirect
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.errors import NotFoundPage, PageError, SignInFirst
from vestibule.model import AuthorizationRequest, Client, Consent, Grant, Purpose, Session, digest
from vestibule.protocol.parameters import Parameters

CSRF_PURPOSE = "account-form"


@dataclass(frozen=True, slots=True)
class Connection:
    """What one client has, or was refused, at one resource."""

    connection_id: str
    client_id: str
    client: Client | None  # None: it is not known any more
    resource: str
    scopes: tuple[str, ...]
    since: datetime
    last_used_at: datetime | None
    grants: tuple[Grant, ...]
    consents: tuple[Consent, ...]

    @property
    def is_refused(self) -> bool:
        return not self.grants and all(not consent.approved for consent in self.consents)


@dataclass(frozen=True, slots=True)
class Account:
    """All that the page shows."""

    session: Session
    connections: tuple[Connection, ...]
    csrf: str
    cookies: tuple[Cookie, ...]


async def account(browser: Browser, server: AuthorizationServer) -> Account:
    """Raises `SignInFirst`."""
    session = await _session(browser, server)
    cookie = browser.csrf or server.token()
    return Account(
        session=session,
        connections=await _connections(session, server),
        csrf=server.authenticator.tag(CSRF_PURPOSE, _message(browser, cookie)),
        cookies=(Cookie(CookieName.CSRF, cookie, 24 * 3600),),
    )


async def end_connection(
    connection_id: str, browser: Browser, server: AuthorizationServer, context: Context
) -> Connection:
    """End it. The caller has checked that the request came from our page. Raises `SignInFirst`, `NotFoundPage`."""
    session = await _session(browser, server)
    connections = await _connections(session, server)
    found = next((one for one in connections if one.connection_id == connection_id), None)
    if found is None:
        raise NotFoundPage("There is no such connection.", action="It may have ended already: look at the page again.")
    for consent in found.consents:
        await server.store.consents.forget(consent.key)
    await _end_grants(found, session, server, context)
    await server.record(
        context,
        "consent.forget",
        "allowed",
        actor=session.identity.user,
        client_id=found.client_id,
        tenant=session.tenant,
        target=found.resource,
    )
    return found


async def _end_grants(connection: Connection, session: Session, server: AuthorizationServer, context: Context) -> None:
    """All of them: a client that is not asked about again may have made more than the page shows."""
    while live := await server.store.grants.list_live(
        tenant=session.tenant,
        user=session.identity.user,
        client_id=connection.client_id,
        resource=connection.resource,
    ):
        for grant in live:
            await revoke_grant(grant.grant_id, server, context, reason="ended by the person")


async def sign_out(browser: Browser, server: AuthorizationServer, context: Context) -> Redirect:
    """End this browser's session. What clients were given stays: that is another button."""
    session = await server.close_session(browser)
    if session is not None:
        await server.record(context, "session.close", "allowed", actor=session.identity.user, tenant=session.tenant)
    gone = tuple(Cookie(name, "", 0) for name in (CookieName.SESSION, CookieName.CSRF, CookieName.SIGN_IN))
    return Redirect(f"{server.settings.issuer}/", gone)


def check_form(form: Parameters, browser: Browser, server: AuthorizationServer) -> None:
    """Raise `PageError` unless the form is from our page in this browser."""
    form.check_single()
    message = _message(browser, browser.csrf)
    if not browser.csrf or not server.authenticator.verify(CSRF_PURPOSE, message, form.get("csrf")):
        raise PageError(
            "This form did not come from our page in this browser, so nothing was done.",
            action="Open the page again.",
            status=403,
            error="access_denied",
        )


async def begin_sign_in(browser: Browser, server: AuthorizationServer) -> Redirect:
    """A sign-in for our own pages."""
    now, binding = server.clock(), browser.consent or server.token()
    request = AuthorizationRequest(
        request_id=server.token(),
        client_id="",
        redirect_uri="",
        redirect_uri_given=False,
        scopes=(),
        resource="",
        code_challenge="",
        client_state=None,
        browser_digest=digest(binding),
        created_at=now,
        expires_at=now + server.settings.lifetimes.request,
        purpose=Purpose.ACCOUNT,
    )
    await server.store.requests.add(request)
    cookie = Cookie(CookieName.CONSENT, binding, 24 * 3600)
    return Redirect(f"{server.settings.issuer}/sign-in?txn={request.request_id}", (cookie,))


async def _session(browser: Browser, server: AuthorizationServer) -> Session:
    session = await server.session_of(browser)
    if session is None:
        raise SignInFirst("Nobody is signed in in this browser.", action="Sign in first.")
    return session


async def _connections(session: Session, server: AuthorizationServer) -> tuple[Connection, ...]:
    user, tenant = session.identity.user, session.tenant
    now = server.clock()
    live = await server.store.grants.list_live(tenant=tenant, user=user)
    grants = [one for one in live if one.expires_at is None or one.expires_at > now]
    consents = await server.store.consents.list_of(tenant, user)
    keys = dict.fromkeys(
        [(grant.client_id, grant.resource) for grant in grants]
        + [(consent.key.client_id, consent.key.resource) for consent in consents]
    )
    found = [await _connection(client_id, resource, grants, consents, server) for client_id, resource in keys]
    return tuple(sorted(found, key=lambda one: one.since, reverse=True))


async def _connection(
    client_id: str, resource: str, grants: Sequence[Grant], consents: Sequence[Consent], server: AuthorizationServer
) -> Connection:
    live = tuple(one for one in grants if (one.client_id, one.resource) == (client_id, resource))
    answers = tuple(one for one in consents if (one.key.client_id, one.key.resource) == (client_id, resource))
    scopes = dict.fromkeys([scope for one in live for scope in one.scopes])
    scopes |= dict.fromkeys(sorted(scope for one in answers for scope in one.scopes))
    used = [moment for one in live for moment in (one.last_used_at, one.created_at) if moment is not None]
    return Connection(
        connection_id=_id(client_id, resource),
        client_id=client_id,
        client=await server.clients.for_token(client_id),
        resource=resource,
        scopes=tuple(scopes),
        since=min([*(one.created_at for one in live), *(one.decided_at for one in answers)]),
        last_used_at=max(used, default=None),
        grants=live,
        consents=answers,
    )


def _id(client_id: str, resource: str) -> str:
    found = hashlib.sha256(f"{client_id}\n{resource}".encode("utf-8", "surrogatepass")).digest()[:16]
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _message(browser: Browser, csrf_cookie: str) -> bytes:
    return f"{browser.session}\n{csrf_cookie}".encode()
