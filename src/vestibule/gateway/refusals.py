"""A refusal as bytes of HTTP."""

from collections.abc import Sequence
from http import HTTPStatus

from vestibule.errors import InvalidProof, Refusal, UpstreamCredentialFailed, UpstreamTimeout, UpstreamUnavailable
from vestibule.gateway.headers import Header
from vestibule.model import Resource
from vestibule.protocol.bearer import challenge_for
from vestibule.protocol.messages import error_body

STATUS_LINES = {status: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def status_line(status: int) -> bytes:
    return STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()  # type: ignore[call-overload]


def render(
    refusal: Refusal,
    *,
    resource: Resource | None,
    resource_metadata: str,
    realm: str,
    rpc_id: str | int | None,
    request_id: str,
    close: bool,
    allow: bytes = b"",
    more: Sequence[Header] = (),
) -> bytes:
    """The whole answer: status, challenge where one belongs, and the JSON-RPC error that tells a person what to do."""
    body = error_body(refusal, rpc_id=rpc_id, request_id=request_id)
    lines = [
        status_line(refusal.status),
        b"content-type: application/json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n",
        b"x-request-id: %b\r\ncontent-length: %d\r\n" % (request_id.encode(), len(body)),
    ]
    scopes = resource.upstream.scopes if resource is not None else ()
    challenge = challenge_for(refusal, realm=realm, resource_metadata=resource_metadata, scopes=scopes)
    if challenge is not None and resource is not None:
        lines.append(b"www-authenticate: %b\r\n" % challenge.encode("ascii"))
    if refusal.status == 503:
        lines.append(b"retry-after: 5\r\n")
    lines += [b"%b: %b\r\n" % line for line in more]
    if isinstance(refusal, InvalidProof):
        lines.append(b"dpop-nonce: %b\r\n" % refusal.nonce.encode("ascii"))
    if allow:
        lines.append(b"allow: %b\r\n" % allow)
    if close:
        lines.append(b"connection: close\r\n")
    lines += [b"\r\n", body]
    return b"".join(lines)


def head_of(answer: bytes) -> bytes:
    """Without its body: what answers HEAD has none (RFC 9110 §9.3.2), and what stood there would be the next answer."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def unavailable(name: str, detail: str) -> UpstreamUnavailable:
    """The upstream of that name cannot be reached, or has broken off. `detail`: for the log."""
    return UpstreamUnavailable(
        f"The MCP server {name} cannot be reached.",
        action="Try again in a moment. If you run it: check that it runs, and its entry in upstreams.",
        detail=detail,
    )


def too_late(name: str) -> UpstreamTimeout:
    """The upstream of that name has not begun its answer in the time that it has."""
    return UpstreamTimeout(
        f"The MCP server {name} did not answer in time.",
        action="Try again; if it happens again, tell the operator.",
    )


def credential_failed(name: str, status: int) -> UpstreamCredentialFailed:
    """An upstream's own 401 or 403 is about us, not about the caller."""
    return UpstreamCredentialFailed(
        f"The MCP server {name} did not accept what this gateway showed it.",
        action="Tell the operator: the upstream's credential is wrong, missing or expired.",
        detail=f"upstream answered {status}",
    )
