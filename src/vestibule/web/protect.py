"""ASGI middleware: an application as an OAuth resource server (RFC 6750, RFC 9728), in process.

    metadata paths   the document that tells a client where to sign in; public
    public paths     exactly these; the application sees no caller there
    everything else  a caller, or a challenge; a WebSocket without one is refused before it opens

What a call needs is known before the application sees it: the scopes of every call, and those of the tool that an MCP
request names (`resource_server.needs`). Nothing that is written here comes from the Host header.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from vestibule.errors import InsufficientScope, Refusal
from vestibule.model import Operation, Principal, Resource
from vestibule.protocol.discovery import PROTECTED_RESOURCE, well_known_path
from vestibule.protocol.messages import id_of
from vestibule.protocol.operation import read_operation
from vestibule.resource_server.caller import Call
from vestibule.resource_server.needs import ToolNeeds
from vestibule.resource_server.reception import Arrival, Reception
from vestibule.web.asgi import (
    App,
    ClientLeft,
    Message,
    Receive,
    Scope,
    Send,
    read_body,
    replay,
    uncompressed,
    with_nonce,
)
from vestibule.web.protect_answers import Answer, Answers
from vestibule.web.protect_lists import LISTS, ListFilter
from vestibule.web.protect_streams import POLICY_VIOLATION, Lifetime, SocketLifetime
from vestibule.web.protect_user import as_caller, auth_for, user_for

MAX_BODY = 4 * 1024 * 1024  # bytes of an MCP message, as the SDK's own limit


@dataclass(frozen=True, slots=True)
class Door:
    """What stands before the application."""

    resource: Resource
    metadata: Mapping[str, Any]  # RFC 9728
    reception: Reception
    needs: ToolNeeds
    answers: Answers
    public: frozenset[str] = frozenset()
    mcp_paths: frozenset[str] = frozenset()
    hide_denied: bool = False
    hidden: frozenset[bytes] = frozenset()  # headers that the application does not see
    max_body: int = MAX_BODY
    close: Callable[[], Awaitable[None]] | None = None

    @property
    def metadata_paths(self) -> frozenset[str]:
        """Path-inserted (RFC 9728 §3.1), and the bare one for clients that look nowhere else."""
        return frozenset((well_known_path(PROTECTED_RESOURCE, self.resource.identifier), _BARE))


_BARE = f"/.well-known/{PROTECTED_RESOURCE}"


class ProtectedApp:
    """What `vestibule.protect` returns: an ASGI application."""

    def __init__(self, app: App, door: Door) -> None:
        self._app = app
        self._door = door
        self._metadata_paths = door.metadata_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        else:  # nobody has decided who may do that
            raise ValueError(f"An ASGI scope of type {kind!r} is not let through.")

    # --- HTTP -------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path in self._metadata_paths:
            await self._metadata(scope["method"], send)
        elif path in self._door.public:
            await self._serve(Call(None), scope, receive, send)
        else:
            await self._protected(scope, receive, send)

    async def _protected(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = None
        is_mcp = self._is_mcp(scope["path"])
        try:
            admitted = await self._door.reception.admit(_arrival(scope))
            operation = Operation()
            if is_mcp and scope["method"] == "POST" and not self._door.needs.is_empty:
                body = await read_body(receive, self._door.max_body)
                receive = replay(body, receive)
                operation = read_operation(b"POST", scope["headers"], body)
            self._check_scopes(admitted.principal.scopes, operation)
        except Refusal as refusal:
            await self._answer(refusal, send, is_mcp=is_mcp, body=body)
            return
        except ClientLeft:
            return
        call = Call(admitted.principal, self._door.resource.upstream.scopes)
        send = with_nonce(send, admitted.next_nonce)
        for listing in self._listings(operation, is_get=is_mcp and scope["method"] == "GET"):
            scope, send = uncompressed(scope), self._showing(listing, admitted.principal.scopes, send)
        lifetime = Lifetime(self._seconds_left(admitted.principal), receive, send)
        await self._serve(call, scope, lifetime.receive, lifetime.send, is_mcp=is_mcp, body=body)
        await lifetime.finish()

    def _listings(self, operation: Operation, *, is_get: bool) -> Sequence[str]:
        """Which lists may be in the answer, where what is denied is hidden: with GET, a legacy client takes up again
        whatever it has lost."""
        if not self._door.hide_denied:
            return ()
        return tuple(LISTS) if is_get else tuple(method for method in LISTS if method == operation.method)

    def _showing(self, listing: str, granted: frozenset[str], send: Send) -> Send:
        """By the decision that a call would meet."""
        member, method = LISTS[listing]

        def may_call(name: str) -> bool:
            return granted.issuperset(self._door.needs.of(Operation(method, name)))

        return ListFilter(send, member, may_call).send

    def _check_scopes(self, granted: frozenset[str], operation: Operation) -> None:
        """All that the operation needs in one challenge, so that a client asks once."""
        base = self._door.resource.upstream.scopes
        needed = tuple(dict.fromkeys((*base, *self._door.needs.of(operation))))
        if not granted.issuperset(needed):
            raise InsufficientScope(
                f"This call needs the {'scope' if len(needed) == 1 else 'scopes'} {' '.join(needed)}.",
                scopes=needed,
                action="Let your client ask for it: the person will be shown what is new.",
            )

    def _is_mcp(self, path: str) -> bool:
        """At the endpoint, or below it, where a mounted application may have it."""
        paths = self._door.mcp_paths
        return _plain(path) in paths or any(known != "/" and path.startswith(f"{known}/") for known in paths)

    async def _serve(
        self,
        call: Call,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        is_mcp: bool = False,
        body: bytes | None = None,
    ) -> None:
        """The application, with its caller. A refusal that escapes it becomes the answer that it means."""
        refused = started = False

        async def watch(message: Message) -> None:
            nonlocal refused, started
            if refused:
                return
            if message["type"] == "http.response.start" and message["status"] >= 500 and call.refusal is not None:
                refused = True  # the framework's way to say that a guard has raised
                await self._answer(call.refusal, send, is_mcp=is_mcp, body=body)
                return
            started = True
            await send(message)

        try:
            with as_caller(call):
                await self._app(_seen_by_app(scope, call, self._door.hidden), receive, watch)
        except Refusal as refusal:
            if started:
                raise
            if not refused:
                await self._answer(refusal, send, is_mcp=is_mcp, body=body)

    async def _metadata(self, method: str, send: Send) -> None:
        body = json.dumps(self._door.metadata).encode()
        headers = ((b"content-type", b"application/json"), (b"access-control-allow-origin", b"*"))
        if method == "OPTIONS":
            allowed = ((b"access-control-allow-methods", b"GET"), (b"access-control-allow-headers", b"*"))
            await _send(send, Answer(204, (*headers[1:], *allowed), b""))
        elif method in ("GET", "HEAD"):
            cached = (b"cache-control", b"public, max-age=300")
            length = (b"content-length", str(len(body)).encode())
            await _send(send, Answer(200, (*headers, cached, length), body if method == "GET" else b""))
        else:
            await _send(send, Answer(405, ((b"allow", b"GET, HEAD, OPTIONS"),), b""))

    async def _answer(self, refusal: Refusal, send: Send, *, is_mcp: bool, body: bytes | None = None) -> None:
        rpc_id = id_of(body) if body is not None else None
        answer = self._door.answers.render(refusal, is_mcp=is_mcp, rpc_id=rpc_id, request_id=secrets.token_hex(8))
        await _send(send, answer)

    # --- WebSocket, lifespan ----------------------------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in self._door.public:
            call = Call(None)
            with as_caller(call):
                await self._app(_seen_by_app(scope, call, self._door.hidden), receive, send)
            return
        try:
            admitted = await self._door.reception.admit(_arrival(scope))
            self._check_scopes(admitted.principal.scopes, Operation())
        except Refusal as refusal:
            await self._refuse_websocket(refusal, scope, receive, send)
            return
        call = Call(admitted.principal, self._door.resource.upstream.scopes)
        lifetime = SocketLifetime(self._seconds_left(admitted.principal), receive, send)
        with as_caller(call):
            await self._app(_seen_by_app(scope, call, self._door.hidden), lifetime.receive, lifetime.send)

    def _seconds_left(self, principal: Principal) -> float:
        return principal.expires_at.timestamp() - self._door.reception.now()

    async def _refuse_websocket(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})  # the server says 403
            return
        answer = self._door.answers.render(refusal, is_mcp=False, rpc_id=None, request_id=secrets.token_hex(8))
        await _send(send, answer, kind="websocket.http.response")

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's own; what we have opened is closed when it has ended."""

        async def watch(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown.") and self._door.close is not None:
                await self._door.close()
            await send(message)

        await self._app(scope, receive, watch)


def _arrival(scope: Scope) -> Arrival:
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"])
    return Arrival(scope.get("method", "GET"), path, scope.get("query_string", b""), scope["headers"])


def _plain(path: str) -> str:
    return path.rstrip("/") or "/"


def plain_paths(paths: Sequence[str]) -> frozenset[str]:
    return frozenset(_plain(path) for path in paths)


def path_of(identifier: str) -> str:
    return urlsplit(identifier).path or "/"


def _seen_by_app(scope: Scope, call: Call, hidden: frozenset[bytes]) -> Scope:
    """The caller where Starlette and FastAPI look: request.state.principal, request.user, request.auth.

    What opened the door stays there: frameworks pass headers on to other servers (FastMCP's proxy does).
    """
    seen = {**scope, "state": {**(scope.get("state") or {})}}
    for name in ("user", "auth"):
        seen.pop(name, None)
    if call.principal is None:
        return seen
    seen["headers"] = [line for line in scope["headers"] if line[0] not in hidden]
    seen["state"]["principal"] = call.principal
    seen["user"] = user_for(call.principal)
    seen["auth"] = auth_for(call.principal)
    return seen


async def _send(send: Send, answer: Answer, *, kind: str = "http.response") -> None:
    await send({"type": f"{kind}.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": f"{kind}.body", "body": answer.body, "more_body": False})
