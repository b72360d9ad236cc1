"""A tools/list result with some of its tools left out; everything else of the message stays as the server wrote it.

A message that is no listing is not touched. One that cannot be read raises: what cannot be judged is not shown.
Source: MCP 2026-07-28, server/tools ("may vary by authorization") and server/utilities/caching (`cacheScope`).
"""

from collections.abc import Callable

import msgspec

MayList = Callable[[str], bool]

_PRIVATE = msgspec.Raw(b'"private"')
_message = msgspec.json.Decoder(dict[str, msgspec.Raw])
_tools = msgspec.json.Decoder(list[msgspec.Raw])


class _Tool(msgspec.Struct):
    name: str


_tool = msgspec.json.Decoder(_Tool)


class UnreadableListing(ValueError):
    """The message is no JSON, or its tools are none."""


def leave_out(message: bytes, may_list: MayList, *, is_modern: bool) -> bytes:
    """The message as this caller may see it. A result that was left something out of is for this caller alone."""
    try:
        envelope = _message.decode(message)
        result = envelope.get("result")
        if result is None or not bytes(result).lstrip().startswith(b"{"):
            return message
        members = _message.decode(result)
        if "tools" not in members:
            return message
        members["tools"] = msgspec.Raw(msgspec.json.encode(_kept(members["tools"], may_list)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableListing(str(error)) from error
    if is_modern or "cacheScope" in members:
        members["cacheScope"] = _PRIVATE
    envelope["result"] = msgspec.Raw(msgspec.json.encode(members))
    return msgspec.json.encode(envelope)


def _kept(tools: msgspec.Raw, may_list: MayList) -> list[msgspec.Raw]:
    return [tool for tool in _tools.decode(tools) if may_list(_tool.decode(tool).name)]
