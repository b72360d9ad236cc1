"""The little that a bridge reads of a JSON-RPC message, and what it puts in the place of ids and tokens.

A message is taken apart at its top, and deeper only where an id or a token stands. Every other member passes as the
bytes it came as; what a later revision adds passes with it. What is written again is one line, to every reader of
lines: inside a JSON text no line break can stand as it is, but U+2028, U+2029 and U+0085 can, and some readers end a
line there. Behind such a reader a caller could write messages of its own into what is shared with others.

Nor may a reader find another id or token than the one that is ours: of keys that stand twice some take the first, some
join two objects, and some take `ID` for `id` (Go). On a shared server it could be the number of another caller's.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020

ID = ("id",)
PROGRESS_TOKEN = ("params", "_meta", "progressToken")
PROGRESS = ("params", "progressToken")
CANCELLED = ("params", "requestId")
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
SUBSCRIPTION = ("params", "_meta", _SUBSCRIPTION)
SUBSCRIPTION_RESULT = ("result", "_meta", _SUBSCRIPTION)
LOG_LEVEL = ("params", "_meta", "io.modelcontextprotocol/logLevel")
VERSION = ("params", "_meta", "io.modelcontextprotocol/protocolVersion")
CAPABILITIES = ("params", "_meta", "io.modelcontextprotocol/clientCapabilities")

_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    -32021: 400,  # MissingRequiredClientCapability
    -32022: 400,  # UnsupportedProtocolVersion
}
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
_NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BREAKS = re.compile(rb"[\n\r\x0b\x0c\x1c-\x1e]|\xe2\x80[\xa8\xa9]|\xc2\x85")
_WRITTEN = {b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029", b"\xc2\x85": b"\\u0085"}
_KEYS = frozenset(("jsonrpc", "id", "method", "params", "result", "error"))
_PARAMS_KEYS = frozenset(("_meta", "requestId"))
_META_KEYS = frozenset(("progressToken",))
_ESCAPES = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)", re.DOTALL)
_PAIR = 12  # characters of an escaped pair
_LONGEST_ID = 1024  # bytes, as it is written
_LONGEST_NUMBER = 15  # digits


class UnreadableMessage(ValueError):
    """It is no JSON-RPC message. `code`: what JSON-RPC calls that."""

    def __init__(self, reason: str, code: int = INVALID_REQUEST) -> None:
        super().__init__(reason)
        self.code = code


class Kind(Enum):
    REQUEST = "request"
    NOTIFICATION = "notification"
    ANSWER = "answer"


@dataclass(slots=True)
class Message:
    """One JSON-RPC message; `members` are those of its object, each as it was written."""

    kind: Kind
    method: str
    members: dict[str, msgspec.Raw]

    @property
    def id(self) -> bytes:
        """As it was written; nothing in a notification."""
        return self.find(ID) or b""

    def find(self, path: tuple[str, ...]) -> bytes | None:
        """What stands there, as it was written."""
        members = self.members
        for name in path[:-1]:
            inner = _members(members.get(name))
            if inner is None:
                return None
            members = inner
        found = members.get(path[-1])
        return None if found is None else bytes(found).strip()

    def put(self, path: tuple[str, ...], value: bytes) -> None:
        """Let `value`, which is JSON, stand there. What does not lead there is left alone."""
        self.members = _put(self.members, path, value)

    def remove(self, path: tuple[str, ...]) -> None:
        self.members = _put(self.members, path, None)

    def encode(self) -> bytes:
        return one_line(msgspec.json.encode(self.members))


def read_message(data: bytes) -> Message:
    """Raises `UnreadableMessage`. Of a key that stands twice the last is the one, and the only one that is passed."""
    try:
        members = _object.decode(_mended(data))
    except _NOT_READ as error:
        if data.lstrip().startswith(b"["):
            raise UnreadableMessage("It is a batch; send one message at a time.") from error
        code = INVALID_REQUEST if isinstance(error, msgspec.ValidationError) else PARSE_ERROR
        raise UnreadableMessage("It is not one JSON object.", code) from error
    is_answer = "result" in members or "error" in members
    if "method" not in members:
        if not is_answer or "id" not in members:
            raise UnreadableMessage("It has neither a method nor a result.")
        return Message(Kind.ANSWER, "", members)
    method = value_of(bytes(members["method"]))
    if not isinstance(method, str) or not method or is_answer:
        raise UnreadableMessage("Its method is not a text, or it is an answer as well.")
    if "id" not in members:
        return Message(Kind.NOTIFICATION, method, members)
    if not is_id(bytes(members["id"])):
        raise UnreadableMessage("Its id is neither a text nor a number, or too long.")
    return Message(Kind.REQUEST, method, members)


def read_asked(data: bytes) -> Message:
    """A client's message, with one id and one token to every reader. Raises `UnreadableMessage`."""
    message = read_message(data)
    _check_keys(message.members, _KEYS)
    message.members = _settled(message.members, ("params", _PARAMS_KEYS), ("_meta", _META_KEYS))
    return message


def _settled(members: dict[str, msgspec.Raw], *path: tuple[str, frozenset[str]]) -> dict[str, msgspec.Raw]:
    """With each of its keys once, all along the path. Raises `UnreadableMessage`."""
    if not path:
        return members
    (name, keys), *rest = path
    if not bytes(members.get(name, b"")).lstrip().startswith(b"{"):
        return members
    inner = _members(members[name])
    if inner is None:
        raise UnreadableMessage(f"Its {name} cannot be read.")
    _check_keys(inner, keys)
    return {**members, name: msgspec.Raw(msgspec.json.encode(_settled(inner, *rest)))}


def _check_keys(found: dict[str, msgspec.Raw], ours: frozenset[str]) -> None:
    known = {key.casefold(): key for key in ours}
    for key in found:
        if known.get(key.casefold(), key) != key:
            raise UnreadableMessage("A key of it is spelled in another case than the protocol's.")


def _mended(data: bytes) -> bytes:
    """With U+FFFD for each half of a surrogate pair: JavaScript writes them where it has cut a text in two, and no
    strict reader takes them."""
    if b"\\ud" not in data and b"\\uD" not in data:
        return data

    def mend(found: re.Match[bytes]) -> bytes:
        escape = found[0]
        is_half = len(escape) != _PAIR and escape[1:3] in (b"ud", b"uD")
        return b"\\ufffd" if is_half else escape

    return _ESCAPES.sub(mend, data)


def is_id(written: bytes) -> bool:
    """Whether it may be an id, or a token. Each waits here for its answer, so none is longer than anybody needs."""
    if len(written) > _LONGEST_ID:
        return False
    return isinstance(value_of(written), str | int | float) and written.strip() not in (b"true", b"false")


def value_of(written: bytes | None) -> Any:
    """The value of a piece of JSON; None for what cannot be read, too."""
    try:
        return None if written is None else _any.decode(written)
    except _NOT_READ:
        return None


def number_of(written: bytes | None) -> int | None:
    """One of our own numbers, as somebody wrote it back."""
    return int(written) if written is not None and written.isdigit() and len(written) <= _LONGEST_NUMBER else None


def one_line(written: bytes) -> bytes:
    """The same JSON without anything that a reader of lines could take for the end of one."""
    if _BREAKS.search(written) is None:
        return written
    return _BREAKS.sub(lambda found: _WRITTEN.get(found[0], b" "), written)


def error_answer(rpc_id: bytes, code: int, text: str, error_code: str = "") -> bytes:
    """`rpc_id`: JSON. `error_code`: one of docs/errors.md."""
    error: dict[str, Any] = {"code": code, "message": text}
    if error_code:
        error["data"] = {"error_code": error_code}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": msgspec.Raw(rpc_id or b"null"), "error": error})


def result_answer(rpc_id: bytes, result: bytes = b"{}") -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (rpc_id, result)


def make_request(method: str, params: dict[str, Any] | None = None) -> Message:
    """Of ours; it has no number yet."""
    members = {"jsonrpc": '"2.0"', "id": "0", "method": msgspec.json.encode(method).decode()}
    if params is not None:
        members["params"] = msgspec.json.encode(params).decode()
    return Message(Kind.REQUEST, method, {name: msgspec.Raw(text) for name, text in members.items()})


def make_notification(method: str, params: dict[str, Any] | None = None) -> bytes:
    message = make_request(method, params)
    del message.members["id"]
    return message.encode()


def http_status(answer: Message) -> int:
    """Of an answer in the modern era that is a document (2026-07-28, transports; conformance suite)."""
    code = value_of(answer.find(("error", "code")))
    return _STATUS.get(code, 200) if isinstance(code, int) else 200


def _members(written: msgspec.Raw | None) -> dict[str, msgspec.Raw] | None:
    try:
        return None if written is None else _object.decode(written)
    except _NOT_READ:
        return None


def _put(members: dict[str, msgspec.Raw], path: tuple[str, ...], value: bytes | None) -> dict[str, msgspec.Raw]:
    name, rest = path[0], path[1:]
    if not rest and value is None:
        return {key: one for key, one in members.items() if key != name}
    if not rest and value is not None:
        return {**members, name: msgspec.Raw(value)}
    inner = _members(members.get(name))
    if inner is None:
        return members
    return {**members, name: msgspec.Raw(msgspec.json.encode(_put(inner, rest, value)))}
