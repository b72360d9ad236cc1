"""The little of JSON-RPC that a gateway must read and write: a request's id, and an error for it."""

from typing import Any

import msgspec

from vestibule.errors import Refusal


class _Envelope(msgspec.Struct):
    id: str | int | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def id_of(body: bytes) -> str | int | None:
    """The id of a JSON-RPC request, or None when it has none that can be read. Nothing else of it is decoded."""
    try:
        return _envelope.decode(body).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def error_body(refusal: Refusal, *, rpc_id: str | int | None, request_id: str) -> bytes:
    """The body of a refusal, in the form of docs/errors.md."""
    message = f"{refusal.message}\n\nAction: {refusal.action}" if refusal.action else refusal.message
    error: dict[str, Any] = {
        "code": refusal.rpc_code,  # -32002 of almost every one; data.error_code says which
        "message": message,
        "data": {"error_code": refusal.code, "request_id": request_id},
    }
    return msgspec.json.encode({"jsonrpc": "2.0", "id": rpc_id, "error": error})
