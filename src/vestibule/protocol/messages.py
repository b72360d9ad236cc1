"""The little of JSON-RPC that a gateway must read and write: a request's id, and an error for it."""

from typing import Any

import msgspec

from vestibule.errors import Refusal
from vestibule.model import Operation


class _Envelope(msgspec.Struct):
    id: str | int | None = None


_envelope = msgspec.json.Decoder(_Envelope)


def id_of(body: bytes) -> str | int | None:
    """The id of a JSON-RPC request, or None when it has none that can be read. Nothing else of it is decoded."""
    try:
        return _envelope.decode(body).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


class _Params(msgspec.Struct):
    name: Any = ""
    uri: Any = ""


class _Call(msgspec.Struct):
    method: str = ""
    params: _Params | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_call = msgspec.json.Decoder(_Call)


def glance(body: bytes) -> Operation | None:
    """What a body seems to ask for: to tell of it, not to decide on it.

    None where that cannot be seen: a batch, no JSON, no method that is called so. A client's answer asks for nothing.
    """
    try:
        call = _call.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if not call.method:
        return Operation() if bytes(call.result) or bytes(call.error) else None
    params = call.params or _Params()
    name = params.uri if call.method.startswith("resources/") else params.name
    return Operation(call.method, name if isinstance(name, str) else "")


def error_body(refusal: Refusal, *, rpc_id: str | int | None, request_id: str) -> bytes:
    """The body of a refusal, in the form of docs/errors.md."""
    message = f"{refusal.message}\n\nAction: {refusal.action}" if refusal.action else refusal.message
    error: dict[str, Any] = {
        "code": refusal.rpc_code,  # -32002 of almost every one; data.error_code says which
        "message": message,
        "data": {"error_code": refusal.code, "request_id": request_id},
    }
    return msgspec.json.encode({"jsonrpc": "2.0", "id": rpc_id, "error": error})


# --- of one message of an old client, and of the answers to it --------------------------------------------------------


class Envelope(msgspec.Struct):
    """`method` is empty in an answer, `id` None in a notification."""

    method: str = ""
    id: str | int | None = None


_envelope_of = msgspec.json.Decoder(Envelope)


def read_envelope(message: bytes) -> Envelope | None:
    """None for what is not one JSON-RPC message."""
    try:
        return _envelope_of.decode(message)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def asked_id(message: bytes) -> str | int | None:
    """The id of a request that waits for its answer; None for a notification, an answer, and what cannot be read."""
    envelope = read_envelope(message)
    return envelope.id if envelope is not None and envelope.method else None


class _Initialized(msgspec.Struct):
    class Result(msgspec.Struct):
        protocolVersion: str = ""  # noqa: N815

    result: Result | None = None


_initialized = msgspec.json.Decoder(_Initialized)


def version_of(answer: bytes) -> str:
    """The version that an answer to initialize agrees to; empty where it tells none."""
    try:
        result = _initialized.decode(answer).result
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return result.protocolVersion if result is not None else ""


class _Failed(msgspec.Struct):
    error: msgspec.Raw


_failed = msgspec.json.Decoder(_Failed)


def error_of(body: bytes) -> msgspec.Raw | None:
    """The error object of a JSON-RPC error."""
    try:
        error = _failed.decode(body).error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return error if bytes(error).startswith(b"{") else None


def with_error(rpc_id: str | int | None, error: msgspec.Raw) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": rpc_id, "error": error})


def not_found_body(rpc_id: str | int, method: str) -> bytes:
    """There is no such method here (JSON-RPC 2.0 §5.1)."""
    error = {"code": -32601, "message": f"Method not found: {method}"}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": rpc_id, "error": error})
