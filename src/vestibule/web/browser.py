"""The browser's endpoints: /authorize, /consent, /callback, the development sign-in, the home page.

Each reads the request into values, asks the authorization server, and turns its reply into a response: 303 after a
POST, 302 otherwise.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from vestibule.authorization_server import authorize, callback, consent
from vestibule.authorization_server.consent import Question
from vestibule.authorization_server.replies import Redirect
from vestibule.errors import PageError
from vestibule.identity_providers.development import DevelopmentProvider
from vestibule.model import Client, ClientOrigin, Purpose
from vestibule.ports import IdentityProvider
from vestibule.protocol.redirect_uri import host_of, is_loopback
from vestibule.web.pages.render import form_origin
from vestibule.web.pages.views import (
    Button,
    ChooserView,
    ConsentView,
    DevelopmentView,
    HomeView,
    PersonView,
    ScopeLine,
    ServerLine,
)
from vestibule.web.plane import ControlPlane
from vestibule.web.requests import read_form, read_query

_DEVELOPMENT_CSRF = "development-form"


class BrowserEndpoints:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def authorize(self, request: Request) -> Response:
        plane = self._plane
        reply = await authorize.authorize(
            read_query(request), plane.cookies.read(request), plane.server, plane.context(request)
        )
        return self._redirect(reply, request)

    async def consent(self, request: Request) -> Response:
        plane = self._plane
        browser = plane.cookies.read(request)
        if request.method == "POST":
            reply = await consent.answer(await read_form(request), browser, plane.server, plane.context(request))
            return self._redirect(reply, request)
        query = read_query(request)
        question = await consent.question(query.get("txn"), browser, plane.server, reconsider=query.get("again") == "1")
        view = await self._consent_view(question)
        response = plane.pages.respond(plane.pages.consent(view), form_action=view.form_action)
        return plane.with_cookies(response, question.cookies)

    async def callback(self, request: Request) -> Response:
        plane = self._plane
        reply = await callback.callback(
            request.path_params["provider"],
            read_query(request),
            plane.cookies.read(request),
            plane.server,
            plane.context(request),
        )
        return self._redirect(reply, request)

    async def development(self, request: Request) -> Response:
        """The page of the development sign-in, and what was chosen on it."""
        plane = self._plane
        browser = plane.cookies.read(request)
        parameters = await read_form(request) if request.method == "POST" else read_query(request)
        provider = plane.server.providers.get(parameters.get("provider"))
        state = parameters.get("state")
        if not isinstance(provider, DevelopmentProvider) or not state:
            raise PageError("There is no such sign-in here.", action="Go back to the application and start again.")
        message = f"{state}\n{browser.csrf}".encode()
        if request.method == "POST":
            if not plane.server.authenticator.verify(_DEVELOPMENT_CSRF, message, parameters.get("csrf")):
                raise PageError(
                    "This form did not come from our page in this browser.",
                    action="Go back to the application and start again.",
                    status=403,
                )
            person = provider.person(parameters.get("login"))
            if person is None:
                raise PageError("A name has 1 to 100 characters.", action="Go back and type another one.")
            return RedirectResponse(provider.callback_url(person, state), status_code=303)
        view = DevelopmentView(
            provider=provider.name,
            state=state,
            csrf=plane.server.authenticator.tag(_DEVELOPMENT_CSRF, message),
            people=tuple(PersonView(one.login, one.name, one.email) for one in provider.people),
        )
        # Which client the answer goes on to is not known here, and may be an application with a scheme of its own.
        return plane.pages.respond(plane.pages.development(view), form_action=None)

    async def home(self, request: Request) -> Response:
        plane = self._plane
        session = await plane.server.session_of(plane.cookies.read(request))
        seen: dict[str, ServerLine] = {}
        for resource in plane.server.settings.resources:
            if resource.must_be_named:
                continue
            seen.setdefault(
                resource.upstream.name,
                ServerLine(
                    resource.upstream.title or resource.upstream.name, resource.identifier, resource.upstream.name
                ),
            )
        account = _account(session.identity.name, session.identity.email) if session is not None else ""
        view = HomeView(servers=tuple(seen.values()), issuer=plane.server.settings.issuer, account=account)
        return plane.pages.respond(plane.pages.home(view))

    async def stylesheet(self, request: Request) -> Response:
        if request.path_params["name"] != self._plane.pages.stylesheet_name:
            return Response(status_code=404)
        return self._plane.pages.stylesheet()

    async def choice(self, request: Request) -> Response:
        """The page where a person chooses how to sign in."""
        plane = self._plane
        found = await consent.choice(read_query(request).get("txn"), plane.cookies.read(request), plane.server)
        view = ChooserView(
            txn=found.request.request_id,
            csrf=found.csrf,
            client_name=_name(found.client) if found.client is not None else "",
            buttons=tuple(Button(one.name, _way(one)) for one in found.providers),
        )
        response = plane.pages.respond(
            plane.pages.chooser(view), form_action=self._where_forms_lead(found.request.redirect_uri)
        )
        return plane.with_cookies(response, found.cookies)

    def _redirect(self, reply: Redirect, request: Request) -> Response:
        return self._plane.redirect(reply, request)

    def _where_forms_lead(self, redirect_uri: str) -> tuple[str, ...]:
        """To the provider, from it back to us, and on to the client: browsers hold form-action against every step."""
        return ("https:", *self._plane.form_sources, *_own_source(redirect_uri))

    async def _consent_view(self, question: Question) -> ConsentView:
        client, upstream = question.client, question.resource.upstream
        redirect_uri, is_device = question.request.redirect_uri, question.request.purpose is Purpose.DEVICE
        identity = question.session.identity if question.session is not None else None
        clients, logos = self._plane.server.clients, self._plane.logos
        claim, verified = _claim(client, is_trusted=clients.is_trusted(client))
        return ConsentView(
            txn=question.request.request_id,
            csrf=question.csrf,
            account_tag=question.account_tag,
            client_name=_name(client),
            client_claim=claim,
            is_verified_host=verified,
            logo=await logos.data_uri(client) if logos is not None else "",
            redirect_host="" if is_device else host_of(redirect_uri),
            is_loopback=is_loopback(redirect_uri),
            is_loopback_only=all(map(is_loopback, client.redirect_uris)),
            user_code=question.user_code,
            resource_title=upstream.title or upstream.name,
            resource_url=question.resource.identifier,
            scopes=tuple(
                ScopeLine(
                    scope,
                    upstream.scope_texts.get(scope, "Use it in your name"),
                    is_new=scope not in question.allowed_before,
                )
                for scope in question.request.scopes
            ),
            account=_account(identity.name, identity.email) if identity is not None else "",
            tenant=question.session.tenant if question.session is not None else "",
            button="Allow" if identity is not None else "Allow and sign in",
            form_action=self._where_forms_lead(redirect_uri),
            refused_at=question.refused_at,
        )


def _way(provider: IdentityProvider) -> str:
    return provider.title if isinstance(provider, DevelopmentProvider) else f"Sign in with {provider.title}"


def _name(client: Client) -> str:
    return client.name or "an application without a name"


def _claim(client: Client, *, is_trusted: bool) -> tuple[str, bool]:
    match client.origin:
        case ClientOrigin.DOCUMENT if is_trusted:
            return (
                f"Its description is published at {host_of(client.client_id)}, known to this server's operator.",
                True,
            )
        case ClientOrigin.DOCUMENT:
            return f"Its description is published at {host_of(client.client_id)}.", True
        case ClientOrigin.CONFIGURED:
            return "The operator of this server has added it.", True
        case _:
            return "It has registered itself; its name is not verified.", False


def _account(name: str, email: str) -> str:
    return f"{name} ({email})" if name and email and name != email else name or email or "somebody without a name"


def _own_source(redirect_uri: str) -> tuple[str, ...]:
    return () if not redirect_uri or redirect_uri.startswith("https://") else (form_origin(redirect_uri),)
