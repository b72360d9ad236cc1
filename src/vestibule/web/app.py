"""The surface of the control plane: one table of routes, in reading order. MCP itself is the gateway's.

Every request gets an id, and must name us in its Host header: nothing that we write is built from that header, but a
page on another name would share our cookies' machine.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from vestibule.errors import HostDenied, VestibuleError
from vestibule.protocol.discovery import (
    AUTHORIZATION_SERVER,
    OPENID_CONFIGURATION,
    PROTECTED_RESOURCE,
    well_known_path,
)
from vestibule.web.account import AccountEndpoints
from vestibule.web.browser import BrowserEndpoints
from vestibule.web.device import DeviceEndpoints
from vestibule.web.errors import ErrorRenderer, error_page
from vestibule.web.machines import MachineEndpoints
from vestibule.web.pages.views import ErrorView
from vestibule.web.plane import ControlPlane

Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(plane: ControlPlane) -> ASGIApp:
    """The ASGI application behind the fast lane."""
    issuer = plane.server.settings.issuer
    machines = MachineEndpoints(plane)
    routes = [
        # the resources: public
        Route(well_known_path(PROTECTED_RESOURCE, issuer), machines.root_resource),
        Route(f"/.well-known/{PROTECTED_RESOURCE}/{{path:path}}", machines.protected_resource),
        # operators
        Route("/healthz", machines.live),
        Route("/readyz", machines.ready),
    ]
    if plane.signs:  # whoever verifies it: public
        routes.append(Route(f"{urlsplit(issuer).path}/jwks.json", machines.jwks))
        routes.append(Route("/.well-known/jwks.json", machines.jwks))
    if plane.signs_people_in:
        routes += _authorization_server(plane, machines)
    errors = ErrorRenderer(plane.pages, plane.log)
    app = Starlette(
        routes=routes,
        exception_handlers={
            VestibuleError: errors.known,
            ClientDisconnect: errors.client_left,
            HTTPException: _http_error(plane),
            Exception: errors.unknown,
        },
    )
    app.router.redirect_slashes = False
    return _Entrance(app, plane)


def _authorization_server(plane: ControlPlane, machines: MachineEndpoints) -> list[Route]:
    """What there is when we give tokens ourselves."""
    issuer = plane.server.settings.issuer
    prefix = urlsplit(issuer).path
    browser, account, device = BrowserEndpoints(plane), AccountEndpoints(plane), DeviceEndpoints(plane)
    routes = [
        # who we are: public
        Route(well_known_path(AUTHORIZATION_SERVER, issuer), machines.server_metadata),
        Route(well_known_path(OPENID_CONFIGURATION, issuer), machines.openid_configuration),
        # clients: public, or authenticated by the endpoint itself
        Route(f"{prefix}/register", machines.register, methods=["POST"]),
        Route(f"{prefix}/token", machines.token, methods=["POST"]),
        Route(f"{prefix}/revoke", machines.revoke, methods=["POST"]),
        Route(f"{prefix}/introspect", machines.introspect, methods=["POST"]),
        Route(f"{prefix}/par", machines.push, methods=["POST"]),
        Route(f"{prefix}/device_authorization", machines.device_authorization, methods=["POST"]),
        # people
        Route(f"{prefix}/authorize", _page(browser.authorize)),
        Route(f"{prefix}/consent", _page(browser.consent), methods=["GET", "POST"]),
        Route(f"{prefix}/sign-in", _page(browser.choice)),
        Route(f"{prefix}/callback/{{provider}}", _page(browser.callback)),
        Route(f"{prefix}/device", _page(device.page), methods=["GET", "POST"]),
        Route(f"{prefix}/me", _page(account.page)),
        Route(f"{prefix}/me/sign-in", _page(account.sign_in), methods=["POST"]),
        Route(f"{prefix}/me/consents/{{connection_id}}", _page(account.end), methods=["POST", "DELETE"]),
        Route(f"{prefix}/sign-out", _page(account.sign_out), methods=["POST"]),
        Route(f"{prefix}/development/sign-in", _page(browser.development), methods=["GET", "POST"]),
        Route(f"{prefix}/", _page(browser.home, head=True)),
        Route(f"{prefix}/assets/{{name}}", browser.stylesheet),
        # administrators: a resource of its own, with a table of its own
        *_admin_routes(plane),
    ]
    if prefix:  # OpenID Connect Discovery appends instead of inserting
        routes.append(Route(f"{prefix}/.well-known/{OPENID_CONFIGURATION}", machines.openid_configuration))
        routes.append(Route(f"{prefix}/.well-known/{AUTHORIZATION_SERVER}", machines.server_metadata))
    return routes


def _admin_routes(plane: ControlPlane) -> list[Route]:
    """A server without an admin API does not even load it."""
    if plane.administration is None:
        return []
    from vestibule.web.admin import AdminEndpoints

    return AdminEndpoints(plane, plane.administration).routes()


def _page(endpoint: Endpoint, *, head: bool = False) -> Endpoint:
    """Errors of this endpoint are shown to a person; a HEAD changes nothing and so is not one of its methods."""

    async def page(request: Request) -> Response:
        request.state.is_page = True
        if request.method == "HEAD" and not head:
            return Response(status_code=405, headers={"Allow": "GET"})
        return await endpoint(request)

    return page


def _http_error(plane: ControlPlane) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        message = "There is nothing here." if status == 404 else "This address does not work that way."
        if "text/html" in request.headers.get("accept", ""):
            view = ErrorView(message, "Check the address.", request.state.request_id, status)
            return plane.pages.respond(plane.pages.error(view), status=status, headers=headers)
        code = {404: "not_found", 405: "method_not_allowed"}.get(status, "invalid_request")
        return JSONResponse({"error": code, "error_description": message}, status_code=status, headers=headers)

    return handle


class _Entrance:
    """The first to see a request: gives it an id, and turns away what was meant for another host."""

    def __init__(self, app: ASGIApp, plane: ControlPlane) -> None:
        self._app = app
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._plane.server.entropy(8).hex()
        scope.setdefault("state", {})["request_id"] = request_id
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1").lower()
        # Probes of an orchestrator come by address, and learn nothing but that we live.
        if host not in self._plane.hosts and scope["path"] not in ("/healthz", "/readyz"):
            error = HostDenied(
                "This server does not answer to that name.",
                action="Use the address in public_url; a reverse proxy must pass the Host header on.",
            )
            await error_page(error, self._plane.pages, request_id)(scope, receive, send)
            return

        async def send_with_id(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]  # type: ignore[misc]
            await send(message)

        await self._app(scope, receive, send_with_id)  # type: ignore[arg-type]
