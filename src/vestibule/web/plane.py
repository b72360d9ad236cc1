"""What the endpoints of the control plane share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from vestibule.admin import ApiKeyOffice, Entrance
from vestibule.authorization_server.logos import Logos
from vestibule.authorization_server.replies import Context, Cookie, Redirect
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.ports import SharedCounters, SigningKeys
from vestibule.web.cookies import Cookies
from vestibule.web.pages import Pages
from vestibule.web.requests import address_of

if TYPE_CHECKING:
    from vestibule.admin.audit import AuditOffice
    from vestibule.admin.grants import GrantOffice
    from vestibule.admin.tenant_requests import TenantRequests


@dataclass(frozen=True, slots=True)
class Administration:
    """What the admin API stands on."""

    entrance: Entrance
    api_keys: ApiKeyOffice
    tenants: "TenantRequests"
    grants: "GrantOffice"
    audit: "AuditOffice"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    server: AuthorizationServer
    pages: Pages
    cookies: Cookies
    signer: SigningKeys
    logos: Logos | None
    hosts: frozenset[str]  # what the Host header may say
    form_sources: tuple[str, ...]  # origins of identity providers on plain http: loopback ones
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    log: Callable[..., None]
    authorization_servers: tuple[str, ...]  # where clients sign in for our resources
    scopes_supported: tuple[str, ...] = ()  # what they ask for there; empty: the upstream's scopes
    signs_people_in: bool = True  # False: others give the tokens, and nothing of the authorization server is served
    signs: bool = True  # tokens, or assertions about callers: our keys are published
    administration: Administration | None = None  # None: there is no admin API
    counters: SharedCounters | None = None

    def redirect(self, reply: Redirect, request: Request) -> Response:
        """303 after a POST, 302 otherwise."""
        response = Response(
            status_code=302 if request.method == "GET" else 303,
            headers={"Location": reply.url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        )
        return self.with_cookies(response, reply.cookies)

    def with_cookies(self, response: Response, cookies: Iterable[Cookie]) -> Response:
        for cookie in cookies:
            self.cookies.write(response, cookie)
        return response

    def context(self, request: Request) -> Context:
        return Context(request_id=request.state.request_id, address=address_of(request, self.trusted_proxies))
