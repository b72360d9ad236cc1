"""What the endpoints of the control plane share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from starlette.requests import Request

from vestibule.authorization_server.replies import Context
from vestibule.authorization_server.server import AuthorizationServer
from vestibule.web.cookies import Cookies
from vestibule.web.pages import Pages
from vestibule.web.requests import address_of


@dataclass(frozen=True, slots=True)
class ControlPlane:
    server: AuthorizationServer
    pages: Pages
    cookies: Cookies
    public_jwks: Mapping[str, Any]
    hosts: frozenset[str]  # what the Host header may say
    form_sources: tuple[str, ...]  # origins of identity providers on plain http: loopback ones
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    log: Callable[..., None]

    def context(self, request: Request) -> Context:
        return Context(request_id=request.state.request_id, address=address_of(request, self.trusted_proxies))
