"""Messages between a client of several servers and one of them, with the names that each side knows.

A message is taken apart only as far as there is something to rename, and its parts stay as they were written. Toward
the client: URIs that it may read, the state of a call that it is to bring back, and in the legacy eras the ids of what
a server asks. Toward the server: the name of what is asked for, the URI, that state.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from vestibule.protocol.aggregate_names import Prefixes

Message = dict[str, msgspec.Raw]

LISTINGS: Mapping[str, str] = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
_DECISIVE = frozenset(("id", "method", "result", "error"))
_LONGEST_TAGGED = 128  # bytes of an id that an event's id carries
_object = msgspec.json.Decoder(Message)
_any = msgspec.json.Decoder()
_array = msgspec.json.Decoder(list[msgspec.Raw])


class UnreadableMessage(ValueError):
    """It is no JSON, or not of the form that has to be rewritten."""


class ForeignState(ValueError):
    """The state of a call is not one that this member has given to this caller."""


def read_message(data: bytes | msgspec.Raw) -> Message:
    """Raises `UnreadableMessage`."""
    try:
        return _object.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(str(error)) from error


def read_items(data: msgspec.Raw) -> list[msgspec.Raw]:
    """Raises `UnreadableMessage`."""
    try:
        return _array.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableMessage(str(error)) from error


def text_of(raw: msgspec.Raw | None) -> str | None:
    """A JSON text, or None for anything else."""
    try:
        value = msgspec.json.decode(raw) if raw is not None and bytes(raw).lstrip()[:1] == b'"' else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, str) else None


def number_of(raw: msgspec.Raw | None) -> int | None:
    """A JSON number without a fraction, or None for anything else."""
    try:
        value = msgspec.json.decode(raw) if raw is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def members_of(raw: msgspec.Raw | None) -> Message:
    """An object's; none of anything else. Raises `UnreadableMessage` for one that cannot be read."""
    return read_message(raw) if raw is not None and bytes(raw).lstrip().startswith(b"{") else {}


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


# --- toward the server ----------------------------------------------------------------------------------------------


def named_in(method: str, params: Message) -> str:
    """What a request that is one member's business is about: the same reading as `protocol.operation` has."""
    key, about = _about(method, params)
    return text_of(about.get(key)) or ""


def _about(method: str, params: Message) -> tuple[str, Message]:
    if method == "completion/complete":
        reference = members_of(params.get("ref"))
        return "name" if "name" in reference else "uri", reference
    return "uri" if method.startswith("resources/") else "name", params


def rename_request(message: Message, method: str, name: str, *, open_state: Callable[[str], str | None]) -> bytes:
    """The request, about what its member calls so. Raises `UnreadableMessage`, `ForeignState`."""
    params = members_of(message.get("params"))
    key, about = _about(method, params)
    about[key] = raw(name)
    if about is not params:
        params["ref"] = raw(about)
    if "requestState" in params:
        state = text_of(params["requestState"])
        opened = open_state(state) if state is not None else None
        if opened is None:
            raise ForeignState("params.requestState")
        params["requestState"] = raw(opened)
    return msgspec.json.encode({**message, "params": raw(params)})


def read_event_id(event_id: str) -> tuple[str, msgspec.Raw | None, str] | None:
    """The member that an event's id is of, the request that it may still answer, and its own id of the event.

    None for what `Renamer.event_id` has not made.
    """
    begin, colon, rest = event_id.partition(":")
    member, comma, tag = begin.partition(",")
    if not colon or not rest:
        return None
    if not comma:
        return member, None, rest
    try:
        answers = _any.decode(base64.b64decode(tag + "=" * (-len(tag) % 4), altchars=b"-_", validate=True))
    except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return (member, raw(answers), rest) if isinstance(answers, str | int | float) else None


# --- toward the client ----------------------------------------------------------------------------------------------


class Renamer:
    """Of what one member says to one client."""

    def __init__(
        self,
        prefixes: Prefixes,
        member: str,
        *,
        is_modern: bool,
        answers: msgspec.Raw | None,
        seal_state: Callable[[str], str],
    ) -> None:
        """`answers`: the id of the only request that the member may answer here; None: it may answer none.

        `seal_state`: makes of a call's state what only this client can bring back, to this member only.
        """
        self._prefixes = prefixes
        self._member = member
        self._is_modern = is_modern
        self._answers = answers
        self._seal_state = seal_state

    def rename(self, data: bytes, *, lists: bool = True) -> bytes:
        """The message as the client may read it.

        Empty for what may not come: an answer to another request than this one's, which would be another member's, and
        a listing where nobody has chosen from it what this caller may see (`lists`). Raises `UnreadableMessage` where
        that cannot be told.
        """
        if not data.strip():  # a legacy server's first event: nothing but an id
            return data
        message = read_message(data)
        _check_kind(message)
        if "method" in message:
            return self._spoken(message, data)
        if message.keys() & _DECISIVE:
            if not self._is_answer(message):
                return b""
            message["id"] = self._answers or message["id"]
        if bytes(message.get("result", b"")).lstrip().startswith(b"{"):
            result = read_message(message["result"])
            if not lists and any(key in result for key in LISTINGS.values()):
                return b""
            renamed = self._result(result)
            message["result"] = raw(renamed) if renamed is not None else message["result"]
        return msgspec.json.encode(message)

    def _is_answer(self, message: Message) -> bool:
        """Whether it is the one that is waited for here. An error may be without an id (JSON-RPC 2.0, §5)."""
        if self._answers is None:
            return False
        given, waited = _value(message.get("id")), _value(self._answers)
        if given is None:
            return "error" in message and "result" not in message
        # Neither true nor "1" is 1, whatever a client makes of it.
        return given == waited and isinstance(given, str) == isinstance(waited, str) and not isinstance(given, bool)

    def event_id(self, event_id: bytes) -> bytes:
        """By which the client may come back for what it has missed; with it comes what may be answered then."""
        answers = b"" if self._answers is None else bytes(self._answers).strip()
        if not 0 < len(answers) <= _LONGEST_TAGGED:
            return b"%b:%b" % (self._member.encode(), event_id)
        return b"%b,%b:%b" % (self._member.encode(), base64.urlsafe_b64encode(answers).rstrip(b"="), event_id)

    def uri(self, found: msgspec.Raw | None) -> msgspec.Raw | None:
        uri = text_of(found)
        return raw(self._prefixes.uri(self._member, uri)) if uri is not None else found

    def _spoken(self, message: Message, data: bytes) -> bytes:
        """A request or a notification of the server's."""
        params = members_of(message.get("params"))
        if text_of(message["method"]) == "notifications/resources/updated" and "uri" in params:
            params["uri"] = self.uri(params["uri"]) or params["uri"]
        elif self._is_modern:
            return data
        if "id" in message:
            message["id"] = self._id(message["id"])
            self._rename_token(params)
        elif "requestId" in params:
            params["requestId"] = self._id(params["requestId"])
        if "params" in message:
            message["params"] = raw(params) if params else message["params"]
        return msgspec.json.encode(message)

    def _rename_token(self, params: Message) -> None:
        meta = members_of(params.get("_meta"))
        if "progressToken" in meta:
            meta["progressToken"] = self._id(meta["progressToken"])
            params["_meta"] = raw(meta)

    def _id(self, found: msgspec.Raw) -> msgspec.Raw:
        return raw(self._prefixes.id(self._member, bytes(found).decode().strip()))

    def _result(self, result: Message) -> Message | None:
        changed = dict(result)
        if "content" in result:
            changed["content"] = self._each(result["content"], self._content)
        if "messages" in result:
            changed["messages"] = self._each(result["messages"], self._prompt_message)
        if "contents" in result:
            changed["contents"] = self._each(result["contents"], self._with_uri)
        if (state := text_of(result.get("requestState"))) is not None:
            changed["requestState"] = raw(self._seal_state(state))
        return changed if changed != result else None

    def _each(self, found: msgspec.Raw, rename: Callable[[Message], Message]) -> msgspec.Raw:
        if not bytes(found).lstrip().startswith(b"["):
            return found
        before = read_items(found)
        after = [self._item(one, rename) for one in before]
        return found if before == after else raw(after)

    def _item(self, item: msgspec.Raw, rename: Callable[[Message], Message]) -> msgspec.Raw:
        before = members_of(item)
        after = rename(dict(before))
        return item if after == before else raw(after)

    def _content(self, item: Message) -> Message:
        kind = text_of(item.get("type"))
        if kind == "resource_link":
            return self._with_uri(item)
        if kind == "resource" and "resource" in item:
            item["resource"] = self._item(item["resource"], self._with_uri)
        return item

    def _prompt_message(self, item: Message) -> Message:
        content = item.get("content")
        if content is not None:
            is_list = bytes(content).lstrip().startswith(b"[")
            item["content"] = self._each(content, self._content) if is_list else self._item(content, self._content)
        return item

    def _with_uri(self, item: Message) -> Message:
        if "uri" in item:
            item["uri"] = self.uri(item["uri"]) or item["uri"]
        return item


def _check_kind(message: Message) -> None:
    """Raises `UnreadableMessage` for what is an answer to one reader, and none to another."""
    if "method" in message and ("result" in message or "error" in message):
        raise UnreadableMessage("it is an answer, and something else as well")
    if any(key not in _DECISIVE and key.casefold() in _DECISIVE for key in message):
        raise UnreadableMessage("a key of it is spelled in another case than the protocol's")


def _value(found: msgspec.Raw | None) -> Any:
    try:
        return _any.decode(found) if found is not None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return object()  # equal to nothing
