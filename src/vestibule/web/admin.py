"""The admin API: who comes in, and what is refused; from the table of operations the routes and the OpenAPI document.

Bearer tokens only: no cookie opens it, so no other site's form can. A page of another origin is turned away all the
same. JSON in and out; a body has one reading, and nothing in it is guessed.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vestibule.admin import Knock
from vestibule.errors import (
    BadRequest,
    InvalidProof,
    MissingAuthorization,
    OriginDenied,
    Refusal,
    TenantError,
    Unavailable,
)
from vestibule.protocol.bearer import challenge_for
from vestibule.protocol.discovery import PROTECTED_RESOURCE, well_known_url
from vestibule.web.admin_openapi import document
from vestibule.web.admin_operations import Operations, Work, json_answer
from vestibule.web.plane import Administration, ControlPlane
from vestibule.web.requests import address_of, authorization_of


class AdminEndpoints:
    def __init__(self, plane: ControlPlane, administration: Administration) -> None:
        self._plane = plane
        self._entrance = administration.entrance
        self._base = f"{plane.server.settings.issuer}/admin/api"
        self._table = Operations(administration, plane.server.clock).table()

    def routes(self) -> list[Route]:
        prefix = urlsplit(self._base).path
        routes = [Route(f"{prefix}/openapi.json", self._describe)]
        return routes + [
            Route(f"{prefix}{one.path}", self._for_administrators(one.work), methods=[one.method])
            for one in self._table
        ]

    async def _describe(self, request: Request) -> Response:
        """Public: it says what there is, and nothing about anybody."""
        described = document(
            self._base,
            self._plane.server.settings.issuer,
            ((one.method, one.path, one.what) for one in self._table),
        )
        return json_answer(described)

    def _for_administrators(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._check_origin(request)
                return await work(request, await self._entrance.admit(self._knock(request)))
            except Unavailable:
                raise  # as everywhere
            except Refusal as refusal:
                return self._refuse(refusal, request)
            except TenantError as error:
                return _not_done(error)

        return answer

    def _check_origin(self, request: Request) -> None:
        base = urlsplit(self._base)
        if any(origin != f"{base.scheme}://{base.netloc}" for origin in request.headers.getlist("origin")):
            raise OriginDenied("Pages of other origins do not administer this server.")

    def _knock(self, request: Request) -> Knock:
        authorization = authorization_of(request)
        if "x-api-key" in request.headers:
            if authorization is not None:
                raise BadRequest("The request shows an API key and an Authorization header.", action="Send one.")
            raise MissingAuthorization("API keys do not administer.", action="Send an access token.")
        return Knock(
            authorization=authorization,
            proofs=tuple(request.headers.getlist("dpop")),
            method=request.method,
            # As the client knows the address: what a proxy made of host and scheme is not in it.
            url=f"{urlsplit(self._base).scheme}://{urlsplit(self._base).netloc}{request.scope['path']}",
            request_id=request.state.request_id,
            address=address_of(request, self._plane.trusted_proxies),
        )

    def _refuse(self, refusal: Refusal, request: Request) -> Response:
        """RFC 6749 §5.2's two members, with RFC 6750's challenge where a token would help."""
        self._plane.log(
            "admin_refused",
            path=request.url.path,
            code=refusal.code,
            reason=refusal.message,
            detail=refusal.detail,
            request_id=request.state.request_id,
        )
        resource = self._entrance.resource
        challenge = challenge_for(
            refusal,
            realm=urlsplit(self._base).netloc,
            resource_metadata=well_known_url(PROTECTED_RESOURCE, resource.identifier),
            scopes=resource.upstream.scopes,
        )
        headers = {"WWW-Authenticate": challenge} if challenge is not None else {}
        if isinstance(refusal, InvalidProof):
            headers["DPoP-Nonce"] = refusal.nonce
        error = "invalid_request" if isinstance(refusal, BadRequest) else refusal.bearer_error or refusal.code.lower()
        body = {"error": error, "error_description": f"{refusal.message} {refusal.action}".strip()}
        return json_answer(body, status=refusal.status, headers=headers)


def _not_done(error: TenantError) -> Response:
    body = {
        "error": "conflict" if error.status == 409 else "invalid_request",
        "error_description": f"{error.message} {error.action}".strip(),
    }
    return json_answer(body, status=error.status)
