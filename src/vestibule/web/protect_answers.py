"""Refusals of a protected application, as HTTP: the challenge, and a body that tells a person what to do."""

import json
from dataclasses import dataclass

from vestibule.errors import InvalidProof, Refusal
from vestibule.protocol.bearer import challenge_for
from vestibule.protocol.messages import error_body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answers:
    """`scopes`: what every call needs; a client without a token asks for these."""

    realm: str
    resource_metadata: str
    scopes: tuple[str, ...]

    def render(self, refusal: Refusal, *, is_mcp: bool, rpc_id: str | int | None, request_id: str) -> Answer:
        """JSON-RPC for MCP (docs/errors.md), plain JSON with the same words for any other request."""
        body = error_body(refusal, rpc_id=rpc_id, request_id=request_id) if is_mcp else _plain_body(refusal, request_id)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", request_id.encode()),
        ]
        challenge = challenge_for(
            refusal, realm=self.realm, resource_metadata=self.resource_metadata, scopes=self.scopes
        )
        if challenge is not None:
            headers.append((b"www-authenticate", challenge.encode("ascii")))
        if refusal.status in (429, 503):
            headers.append((b"retry-after", b"5"))
        if isinstance(refusal, InvalidProof):
            headers.append((b"dpop-nonce", refusal.nonce.encode("ascii")))
        return Answer(refusal.status, tuple(headers), body)


def _plain_body(refusal: Refusal, request_id: str) -> bytes:
    return json.dumps(
        {"error": refusal.code, "message": refusal.message, "action": refusal.action, "request_id": request_id}
    ).encode()
