"""Where every error of the control plane becomes an answer: OAuth errors as JSON, pages for people, nothing leaked."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vestibule.errors import (
    InvalidClient,
    OAuthError,
    PageError,
    Refusal,
    TooManyRequests,
    Unavailable,
    UseDpopNonce,
    VestibuleError,
)
from vestibule.protocol.rate_limit import rate_limit_headers
from vestibule.web.pages import Pages
from vestibule.web.pages.views import ErrorView

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_RETRY_AFTER = "5"


def oauth_response(error: OAuthError, *, tried_basic: bool = False) -> JSONResponse:
    """RFC 6749 §5.2."""
    headers = dict(NO_STORE)
    if isinstance(error, InvalidClient) and tried_basic:
        headers["WWW-Authenticate"] = 'Basic realm="vestibule", charset="UTF-8"'
    if error.status == 503:
        headers["Retry-After"] = _RETRY_AFTER
    if isinstance(error, TooManyRequests):
        told = rate_limit_headers(error.allowance) if error.allowance is not None else ()
        headers |= {**dict(told), "retry-after": str(error.retry_after)}
    if isinstance(error, UseDpopNonce):
        headers["DPoP-Nonce"] = error.nonce
    body = {"error": error.error, "error_description": error.description}
    return JSONResponse(body, status_code=error.status, headers=headers)


def error_page(error: VestibuleError, pages: Pages, request_id: str) -> Response:
    """For somebody who looks at a browser; nothing is redirected."""
    status = error.status if isinstance(error, PageError | Refusal | OAuthError) else 500
    view = ErrorView(message=error.message, action=error.action, request_id=request_id, status=status)
    headers = {"Retry-After": _RETRY_AFTER} if status == 503 else {}
    if isinstance(error, PageError) and error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    return pages.respond(pages.error(view), status=status, headers=headers)


class ErrorRenderer:
    """Handlers for Starlette's table of exceptions."""

    def __init__(self, pages: Pages, log: Callable[..., None]) -> None:
        self._pages = pages
        self._log = log

    async def known(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, VestibuleError):
            return await self.unknown(request, error)
        request_id = request.state.request_id
        self._log(
            "request_refused",
            path=request.url.path,
            kind=type(error).__name__,
            reason=error.message,
            detail=error.detail,
            request_id=request_id,
        )
        if isinstance(error, OAuthError) and not _is_page(request):
            return oauth_response(error, tried_basic="authorization" in request.headers)
        if isinstance(error, Unavailable) and not _is_page(request):
            body = {"error": "temporarily_unavailable", "error_description": f"{error.message} {error.action}"}
            return JSONResponse(body, status_code=503, headers={**NO_STORE, "Retry-After": _RETRY_AFTER})
        return error_page(error, self._pages, request_id)

    async def client_left(self, request: Request, error: Exception) -> Response:
        """Hanging up in the middle of a form is no failure of ours: nobody may fill our log with errors that way."""
        self._log("client_left", path=request.url.path, request_id=request.state.request_id)
        return Response(status_code=400)  # nobody reads it

    async def unknown(self, request: Request, error: Exception) -> Response:
        request_id = getattr(request.state, "request_id", "")
        self._log("request_failed", level="error", path=request.url.path, request_id=request_id, exc_info=error)
        if not _is_page(request):
            body: dict[str, Any] = {
                "error": "server_error",
                "error_description": f"Something went wrong here. Tell the operator the request id {request_id}.",
            }
            return JSONResponse(body, status_code=500, headers=NO_STORE)
        view = ErrorView(
            message="Something went wrong here.",
            action="Try again. If it happens again, tell the operator the request id.",
            request_id=request_id,
            status=500,
        )
        return self._pages.respond(self._pages.error(view), status=500)


def _is_page(request: Request) -> bool:
    return bool(getattr(request.state, "is_page", False))
