"""What an MCP request asks for, in the one reading that everybody has.

Used only where a decision hangs on the method, the name or the arguments: then what we read must be what the server
will read. Two readers of one body may differ about a key that stands twice (first or last?), about `Name` beside `name`
(Go folds case), about a lone surrogate or NaN, and about a batch. None of them is interpreted here: they are refused.

The body decides. `Mcp-Method` and `Mcp-Name` (2026-07-28, transports, "Standard headers") must say the same: they are
required in the modern era, and may not contradict the body in any era, for a router behind us may believe them. So is
the version, by which the server chooses how it reads. What is compressed or not UTF-8 is refused with the rest.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from typing import Any

from vestibule.errors import BadRequest, HeaderMismatch
from vestibule.model import Era, Operation
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.resource_uri import has_one_spelling

MAX_VALUES = 50_000  # more would stop everybody else for longer than some 50 ms
MAX_DEPTH = 64  # arguments may be nested; nobody's are nested like this

# Method → the member of `params` that says what it is about. Only the first four are mirrored in Mcp-Name; the others
# belong to the legacy eras, whose clients send no such header.
MIRRORED = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_NAMED = {**MIRRORED, "resources/subscribe": "uri", "resources/unsubscribe": "uri", "tasks/result": "taskId"}

# What the protocol's keys are in every case, and what they are.
_MESSAGE_KEYS = {key.casefold(): key for key in ("jsonrpc", "id", "method", "params", "result", "error")}
_PARAMS_KEYS = {key.casefold(): key for key in ("name", "uri", "taskId", "arguments", "ref", "_meta")}
_REFERENCE_KEYS = {**_PARAMS_KEYS, "type": "type"}
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BASE64, _END = "=?base64?", "?="
_JSON = re.compile(rb'application/json(?: *; *charset="?utf-8"?)? *;?')

VERSION = "io.modelcontextprotocol/protocolVersion"


def read_operation(method: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Operation:
    """What the HTTP request with this method, these header lines (names in lower case) and this body asks for.

    An empty `Operation` for what is no JSON-RPC request or notification: GET, DELETE, a client's answer. Raises
    `BadRequest` for a body with more than one reading, `HeaderMismatch` where a header contradicts it.
    """
    if method != b"POST":
        return Operation()
    headers = tuple(headers)
    _check_encoding(headers)
    mirrored = _mirrored_headers(headers)
    message = _read_message(body)
    if "method" not in message:
        _check_agrees("Mcp-Method", mirrored.get(b"mcp-method"), "")
        return Operation()
    operation = _operation(message)
    _check_headers(mirrored, operation)
    _check_version(mirrored, message)
    return operation


def read_method(body: bytes) -> str | None:
    """The method that everybody reads in a body; empty in a client's answer; None where readers may differ."""
    try:
        method = _read_message(body).get("method", "")
    except BadRequest:
        return None
    return method if isinstance(method, str) else None


def decode_header(value: bytes) -> str | None:
    """The text that a mirrored header stands for; None when it stands for none.

    Source: 2026-07-28, transports, "Value encoding": as it is, or `=?base64?…?=` around UTF-8 in canonical base64.
    """
    text = value.strip(b" \t").decode("latin-1")
    if not (text.startswith(_BASE64) and text.endswith(_END) and len(text) >= len(_BASE64) + len(_END)):
        return text
    payload = text[len(_BASE64) : -len(_END)]
    try:
        decoded = base64.b64decode(payload, validate=True)
        return decoded.decode() if base64.b64encode(decoded).decode() == payload else None
    except (binascii.Error, ValueError):
        return None


def encode_header(text: str) -> bytes:
    """The value of a mirrored header that stands for `text`; the other direction of `decode_header`."""
    is_plain = text.isascii() and text.isprintable() and text == text.strip() and not text.startswith(_BASE64)
    encoded = text if is_plain else f"{_BASE64}{base64.b64encode(text.encode()).decode()}{_END}"
    return encoded.encode("ascii")


def _check_encoding(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Nothing between the bytes that we read and those that the server reads: RFC 8259 §8.1 knows UTF-8 alone."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip(b" \t").lower() not in (b"", b"identity"):
            raise BadRequest("The body is compressed, and has to be read here.", action="Send it as it is.")
        if name == b"content-type" and not _JSON.fullmatch(value.strip(b" \t").lower()):
            raise BadRequest("The body is not JSON in UTF-8.", action="Send Content-Type: application/json.")


def _check_version(mirrored: Mapping[bytes, bytes], message: Mapping[str, Any]) -> None:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if isinstance(meta, dict) and VERSION in meta:
        said, value = meta[VERSION], mirrored.get(b"mcp-protocol-version")
        if value is None or value.decode("latin-1") != said:
            raise HeaderMismatch(
                "The header MCP-Protocol-Version is not what the body says.", action="Send the same in both."
            )


def _mirrored_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in (b"mcp-method", b"mcp-name", b"mcp-protocol-version"):
            if name in found:
                raise HeaderMismatch(f"The header {name.decode()} stands more than once.", action="Send it once.")
            found[name] = value
    return found


def _values(body: bytes) -> int:
    return body.count(b",") + body.count(b"[") + body.count(b"{")


def _read_message(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_VALUES and _values(body) > MAX_VALUES and _values(_STRING.sub(b"", body)) > MAX_VALUES:
        raise BadRequest(
            f"The message has more than {MAX_VALUES} values.", action="Send less at once: it has to be read here."
        )
    try:
        message = read_object(body, max_depth=MAX_DEPTH, half_pairs=False)
    except UnreadableJson as error:
        raise BadRequest(
            "The body is not one JSON-RPC message that everybody reads alike.",
            action="Send one message at a time, as plain JSON in UTF-8, each key once.",
            detail=str(error),
        ) from error
    _check_keys(message, _MESSAGE_KEYS)
    if "method" in message and ("result" in message or "error" in message):
        raise BadRequest("The message is a request and an answer at once.", action="Send one of them.")
    return message


def _operation(message: Mapping[str, Any]) -> Operation:
    method, params = message["method"], message.get("params")
    if not isinstance(method, str) or not method:
        raise BadRequest("The method of the message is not a text.", action="Send the name of an MCP method.")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise BadRequest("The params of the message are not an object.", action="MCP names its parameters.")
    _check_keys(params, _PARAMS_KEYS)
    key = _NAMED.get(method)
    name = params.get(key, "") if key else _completed(params) if method == "completion/complete" else ""
    # A method of another era may come without: then no server knows what it is about, and says so itself.
    if not isinstance(name, str) or (method in MIRRORED and not name):
        raise BadRequest(f"{method} does not say what it is about.", action=f"Send params.{key}.")
    if key == "uri" and name and not has_one_spelling(name):
        raise BadRequest(
            "The URI of the resource has more than one spelling.",
            action="Send it in normal form (RFC 3986 §6.2.2): no dot segments, no upper case in the scheme, ASCII.",
        )
    arguments = params.get("arguments")
    if arguments is not None and not isinstance(arguments, dict):
        raise BadRequest("The arguments are not an object.", action="Name each argument.")
    return Operation(method=method, name=name, arguments=arguments)


def _completed(params: Mapping[str, Any]) -> object:
    """The prompt, or the template of resources, that completions are asked for."""
    reference = params.get("ref")
    if not isinstance(reference, dict):
        return ""
    _check_keys(reference, _REFERENCE_KEYS)
    if "name" in reference and "uri" in reference:
        return None  # which of them counts, its type says to one server and its order to another
    return reference.get("name", reference.get("uri", ""))


def _check_keys(found: Mapping[str, Any], ours: Mapping[str, str]) -> None:
    """Refuse a key that equals one of ours but for its case: some readers would take it for ours."""
    for key in found:
        if ours.get(key.casefold(), key) != key:
            raise BadRequest(
                "A key of the message is spelled in another case than the protocol's.",
                action="Keys are case-sensitive: send them as the specification has them.",
            )


def _check_headers(mirrored: Mapping[bytes, bytes], operation: Operation) -> None:
    version = mirrored.get(b"mcp-protocol-version")
    if version is not None and Era.of(version.decode("latin-1")) is Era.MODERN:
        required = (b"mcp-method", b"mcp-name") if operation.method in MIRRORED else (b"mcp-method",)
        for name in required:
            if name not in mirrored:
                raise HeaderMismatch(
                    f"The header {name.decode()} is missing.",
                    action="MCP 2026-07-28 mirrors method and name of a request in its headers.",
                )
    _check_agrees("Mcp-Method", mirrored.get(b"mcp-method"), operation.method)
    if operation.method in MIRRORED:
        _check_agrees("Mcp-Name", mirrored.get(b"mcp-name"), operation.name)


def _check_agrees(name: str, value: bytes | None, said: str) -> None:
    if value is not None and decode_header(value) != said:
        raise HeaderMismatch(f"The header {name} is not what the body says.", action="Send the same in both.")
