"""The endpoints that programs talk to: metadata, /register, /token, /revoke, /jwks.json, health."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from vestibule.authorization_server import device, introspect, par, register, revoke, token
from vestibule.authorization_server.authenticate import Credentials
from vestibule.authorization_server.replies import JsonReply
from vestibule.errors import StoreUnavailable
from vestibule.protocol import discovery
from vestibule.protocol.rate_limit import rate_limit_headers
from vestibule.web.errors import NO_STORE
from vestibule.web.plane import ControlPlane
from vestibule.web.requests import credentials_of, read_body, read_form

# Public documents: any page may read them, as any program may.
_PUBLIC = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=300",
    "X-Content-Type-Options": "nosniff",
}


class MachineEndpoints:
    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        settings = plane.server.settings
        # Some clients ask for all that this list has: what must be named would make them ask for too much.
        listed = [one for one in settings.resources if not one.must_be_named]
        scopes = tuple(dict.fromkeys(scope for one in listed for scope in plane.server.offered_scopes(one)))
        features = discovery.Features(
            registration=settings.registration,
            client_documents=settings.client_documents,
            assertions=bool(plane.server.assertion_issuers),
            needs_pushed_requests=settings.needs_pushed_requests,
        )
        self._server = discovery.authorization_server_metadata(settings.issuer, scopes=scopes, features=features)
        self._openid = discovery.openid_configuration(settings.issuer, scopes=scopes, features=features)
        self._root = discovery.root_resource_metadata(
            settings.issuer, settings.resources, plane.authorization_servers, scopes=plane.scopes_supported
        )
        self._resources: Mapping[str, Mapping[str, Any]] = {
            discovery.well_known_path(discovery.PROTECTED_RESOURCE, one.identifier): (
                discovery.protected_resource_metadata(
                    one, plane.authorization_servers, scopes=plane.scopes_supported or one.upstream.scopes
                )
            )
            for one in settings.resources
        }

    async def server_metadata(self, request: Request) -> Response:
        return JSONResponse(self._server, headers=_PUBLIC)

    async def openid_configuration(self, request: Request) -> Response:
        return JSONResponse(self._openid, headers=_PUBLIC)

    async def root_resource(self, request: Request) -> Response:
        return JSONResponse(self._root, headers=_PUBLIC)

    async def protected_resource(self, request: Request) -> Response:
        document = self._resources.get(request.scope["path"])
        if document is None:
            body = {"error": "not_found", "error_description": "There is no such resource here."}
            return JSONResponse(body, status_code=404)
        return JSONResponse(document, headers=_PUBLIC)

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(self._plane.signer.public_jwks(), headers=_PUBLIC)

    async def register(self, request: Request) -> Response:
        plane = self._plane
        body = await read_body(request, register.MAX_BODY)
        content_type = request.headers.get("content-type", "")
        return _json(await register.register(content_type, body, plane.server, plane.context(request)))

    async def token(self, request: Request) -> Response:
        plane = self._plane
        form, credentials = await read_form(request), credentials_of(request)
        reply = await token.token(form, credentials, plane.server, plane.context(request))
        return _json(reply, self._next_nonce(credentials))

    async def push(self, request: Request) -> Response:
        plane = self._plane
        form, credentials = await read_form(request), credentials_of(request)
        reply = await par.push(form, credentials, plane.server, plane.context(request))
        return _json(reply, self._next_nonce(credentials))

    async def device_authorization(self, request: Request) -> Response:
        plane = self._plane
        form = await read_form(request)
        return _json(await device.begin(form, credentials_of(request), plane.server, plane.context(request)))

    async def introspect(self, request: Request) -> Response:
        plane = self._plane
        form = await read_form(request)
        return _json(await introspect.introspect(form, credentials_of(request), plane.server, plane.context(request)))

    async def revoke(self, request: Request) -> Response:
        plane = self._plane
        form = await read_form(request)
        return _json(await revoke.revoke(form, credentials_of(request), plane.server, plane.context(request)))

    async def live(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def ready(self, request: Request) -> Response:
        if getattr(request.state, "is_leaving", False):  # whoever asks on a connection it has kept
            return JSONResponse({"ready": False, "stopping": True}, status_code=503, headers=NO_STORE)
        try:
            await self._plane.server.store.ping()
        except StoreUnavailable:
            return JSONResponse({"ready": False, "store": "unavailable"}, status_code=503, headers=NO_STORE)
        body = {"ready": True, "store": "ok"}
        if (counters := self._plane.counters) is not None:  # without them this replica counts for itself
            body["shared"] = "ok" if counters.is_up() else "degraded"
        return JSONResponse(body, headers=NO_STORE)

    def _next_nonce(self, credentials: Credentials) -> Mapping[str, str]:
        """RFC 9449 §8.2: whoever has just proven a key learns the nonce for the next time."""
        nonce = self._plane.server.proofs.offered_nonce() if credentials.proofs else ""
        return {"DPoP-Nonce": nonce} if nonce else {}


def _json(reply: JsonReply, headers: Mapping[str, str] | None = None) -> Response:
    left = dict(rate_limit_headers(reply.allowance)) if reply.allowance is not None else {}
    return JSONResponse(dict(reply.body), status_code=reply.status, headers={**NO_STORE, **left, **(headers or {})})
