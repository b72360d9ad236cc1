"""The admin API: one table of operations, from which the routes and the OpenAPI document are made.

Bearer tokens only: no cookie opens it, so no other site's form can. A page of another origin is turned away all the
same. JSON in and out; a body has one reading, and nothing in it is guessed.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vestibule.admin import Administrator, Knock, facts_of, read_new_key
from vestibule.errors import (
    BadRequest,
    InvalidProof,
    InvalidRequest,
    MissingAuthorization,
    OriginDenied,
    Refusal,
    Unavailable,
)
from vestibule.protocol.bearer import challenge_for
from vestibule.protocol.discovery import PROTECTED_RESOURCE, well_known_url
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.web.admin_openapi import CREATE_KEY, LIST_KEYS, REVOKE_KEY, Described, document
from vestibule.web.errors import NO_STORE
from vestibule.web.plane import Administration, ControlPlane
from vestibule.web.requests import address_of, authorization_of, read_body, read_query

MAX_BODY = 64 * 1024

Work = Callable[[Request, Administrator], Awaitable[Response]]


class AdminRoute(NamedTuple):
    method: str
    path: str
    work: Work
    what: Described


class AdminEndpoints:
    def __init__(self, plane: ControlPlane, administration: Administration) -> None:
        self._plane = plane
        self._entrance = administration.entrance
        self._api_keys = administration.api_keys
        self._base = f"{plane.server.settings.issuer}/admin/api"

    def table(self) -> tuple[AdminRoute, ...]:
        """Everything that there is to do, beneath /admin/api."""
        return (
            AdminRoute("GET", "/keys", self._list_keys, LIST_KEYS),
            AdminRoute("POST", "/keys", self._create_key, CREATE_KEY),
            AdminRoute("DELETE", "/keys/{id}", self._revoke_key, REVOKE_KEY),
        )

    def routes(self) -> list[Route]:
        prefix = urlsplit(self._base).path
        routes = [Route(f"{prefix}/openapi.json", self._describe)]
        return routes + [
            Route(f"{prefix}{one.path}", self._for_administrators(one.work), methods=[one.method])
            for one in self.table()
        ]

    # --- API keys ---------------------------------------------------------------------------------------------------

    async def _list_keys(self, request: Request, by: Administrator) -> Response:
        found = await self._api_keys.list_for(by, read_query(request).get("tenant") or None)
        return _json({"keys": [_plain(facts_of(key)) for key in found]})

    async def _create_key(self, request: Request, by: Administrator) -> Response:
        key, secret = await self._api_keys.create(read_new_key(await _read_json(request)), by)
        return _json({**_plain(facts_of(key)), "key": secret.reveal()}, status=201)

    async def _revoke_key(self, request: Request, by: Administrator) -> Response:
        await self._api_keys.revoke(request.path_params["id"], by)
        return Response(status_code=204, headers=NO_STORE)

    # --- the same for all -------------------------------------------------------------------------------------------

    async def _describe(self, request: Request) -> Response:
        """Public: it says what there is, and nothing about anybody."""
        described = document(
            self._base,
            self._plane.server.settings.issuer,
            ((one.method, one.path, one.what) for one in self.table()),
        )
        return _json(described)

    def _for_administrators(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                self._check_origin(request)
                return await work(request, await self._entrance.admit(self._knock(request)))
            except Unavailable:
                raise  # as everywhere
            except Refusal as refusal:
                return self._refuse(refusal, request)

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
        return _json(body, status=refusal.status, headers=headers)


async def _read_json(request: Request) -> Mapping[str, Any]:
    """Raises `InvalidRequest`, `RequestTooLarge`."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("The body must be application/json.")
    try:
        return read_object(await read_body(request, MAX_BODY))
    except UnreadableJson as error:
        raise InvalidRequest(f"The body cannot be read. {error}") from error


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in facts.items()}


def _json(body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    nosniff = {"X-Content-Type-Options": "nosniff"}
    return JSONResponse(body, status_code=status, headers={**NO_STORE, **nosniff, **(headers or {})})
