"""Reading requests: bodies within their caps, forms of one type only, and who is really at the other end."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.requests import Request

from vestibule.authorization_server.authenticate import Credentials
from vestibule.errors import InvalidRequest, RequestTooLarge
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


def address_of(request: Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The caller's address for the audit trail. X-Forwarded-For counts only as far as trusted proxies wrote it."""
    peer = request.client.host if request.client is not None else ""
    if not trusted or not _is_in(peer, trusted):
        return peer
    hops = [hop.strip() for value in request.headers.getlist("x-forwarded-for") for hop in value.split(",")]
    for hop in reversed(hops):
        if not _is_address(hop):
            break
        peer = hop
        if not _is_in(hop, trusted):
            break
    return peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if not _is_address(text):
        return False
    address = ip_address(text)
    return any(address in network for network in networks if network.version == address.version)
