"""Reading requests: bodies within their caps, forms of one type only, and who is really at the other end."""

from starlette.requests import Request

from vestibule.authorization_server.authenticate import Credentials
from vestibule.errors import InvalidRequest, RequestTooLarge
from vestibule.protocol.caller import Networks, caller_address
from vestibule.protocol.parameters import Parameters, read_parameters

MAX_FORM = 64 * 1024


async def read_body(request: Request, cap: int) -> bytes:
    """At most `cap` bytes; the length is looked at first, so that nobody makes us hold more. Raises RequestTooLarge."""
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > cap:
        raise RequestTooLarge(f"The body is longer than {cap} bytes.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > cap:
            raise RequestTooLarge(f"The body is longer than {cap} bytes.")
    return bytes(body)


async def read_form(request: Request) -> Parameters:
    """An `application/x-www-form-urlencoded` body. Raises `InvalidRequest`."""
    kinds = request.headers.getlist("content-type")
    if len(kinds) != 1 or kinds[0].partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidRequest("The body must be application/x-www-form-urlencoded.")
    try:
        text = (await read_body(request, MAX_FORM)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not UTF-8.") from error
    return read_parameters(text)


def read_query(request: Request) -> Parameters:
    return read_parameters(request.scope["query_string"].decode("latin-1"))


def authorization_of(request: Request) -> str | None:
    """The one Authorization header, if there is one. Raises `InvalidRequest` for several."""
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        raise InvalidRequest("The request has several Authorization headers.")
    return values[0] if values else None


def credentials_of(request: Request) -> Credentials:
    """How the client proves itself beside its form."""
    return Credentials(
        authorization=authorization_of(request),
        proofs=tuple(request.headers.getlist("dpop")),
        method=request.method,
    )


def address_of(request: Request, trusted: Networks) -> str:
    """The caller's address: for the audit trail, and for limits."""
    peer = request.client.host if request.client is not None else ""
    return caller_address(peer, request.headers.getlist("x-forwarded-for"), trusted)
