"""A person's own pages: what has access in their name, ending it, signing in and out."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from vestibule.authorization_server import account
from vestibule.authorization_server.account import Connection
from vestibule.authorization_server.replies import Redirect
from vestibule.errors import PageError, SignInFirst
from vestibule.web.pages.views import AccountView, ConnectionLine
from vestibule.web.plane import ControlPlane
from vestibule.web.requests import read_form


class AccountEndpoints:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    async def page(self, request: Request) -> Response:
        """Your connections; for somebody who is not signed in, the way to do so."""
        plane = self._plane
        try:
            found = await account.account(plane.cookies.read(request), plane.server)
        except SignInFirst:
            return plane.pages.respond(plane.pages.account(AccountView()), status=401)
        view = AccountView(
            account=found.session.identity.name or found.session.identity.email or found.session.identity.user,
            signed_in_at=found.session.signed_in_at,
            csrf=found.csrf,
            connections=tuple(map(self._line, found.connections)),
        )
        return plane.with_cookies(plane.pages.respond(plane.pages.account(view)), found.cookies)

    async def end(self, request: Request) -> Response:
        """End one connection: by the page's button (POST), or by DELETE for a script of the same origin."""
        plane = self._plane
        browser, connection_id = plane.cookies.read(request), request.path_params["connection_id"]
        if request.method == "DELETE":
            self._check_origin(request)
        else:
            account.check_form(await read_form(request), browser, plane.server)
        await account.end_connection(connection_id, browser, plane.server, plane.context(request))
        if request.method == "DELETE":
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return plane.redirect(Redirect(f"{plane.server.settings.issuer}/me"), request)

    async def sign_in(self, request: Request) -> Response:
        plane = self._plane
        self._check_origin(request)
        return plane.redirect(await account.begin_sign_in(plane.cookies.read(request), plane.server), request)

    async def sign_out(self, request: Request) -> Response:
        plane = self._plane
        browser = plane.cookies.read(request)
        account.check_form(await read_form(request), browser, plane.server)
        return plane.redirect(await account.sign_out(browser, plane.server, plane.context(request)), request)

    def _check_origin(self, request: Request) -> None:
        """What no other site's page can send (Fetch standard). A form of our own pages has the Origin "null" as well,
        because they send no referrer; Sec-Fetch-Site tells them apart."""
        parts = urlsplit(self._plane.server.settings.issuer)
        is_ours = request.headers.get("origin") == f"{parts.scheme}://{parts.netloc}"
        if not is_ours and request.headers.get("sec-fetch-site") != "same-origin":
            raise PageError(
                "This request did not come from our page, so nothing was done.",
                action="Open the page again.",
                status=403,
                error="access_denied",
            )

    def _line(self, connection: Connection) -> ConnectionLine:
        resource = self._plane.server.resource(connection.resource)
        client = connection.client
        return ConnectionLine(
            connection_id=connection.connection_id,
            client_name=(client.name if client is not None else "") or connection.client_id,
            client_id=connection.client_id,
            resource_title=(resource.upstream.title or resource.upstream.name) if resource is not None else "",
            resource_url=connection.resource,
            scopes=connection.scopes,
            since=connection.since,
            last_used_at=connection.last_used_at,
            is_refused=connection.is_refused,
            is_waiting=not connection.grants,
        )
