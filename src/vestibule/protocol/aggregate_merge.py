"""One answer from the answers of several servers: what they can do, what they say about themselves.

What is merged is what can be carried: extensions, experiments and tasks would need ids and names of theirs to be known
here, so they are not offered. Where servers differ, the aggregate can what one of them can.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from vestibule.protocol.aggregate_messages import Message

MODERN_VERSIONS = ("2026-07-28",)
HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
SERVER_INFO = "io.modelcontextprotocol/serverInfo"

_CARRIED: Mapping[str, tuple[str, ...]] = {
    "tools": ("listChanged",),
    "prompts": ("listChanged",),
    "resources": ("subscribe", "listChanged"),
    "completions": (),
    "logging": (),
}
_MAX_INSTRUCTIONS = 16 * 1024  # characters of one server's


class About(msgspec.Struct, rename="camel"):
    """What a server says of itself, in `initialize` or `server/discover`."""

    capabilities: dict[str, Any] = {}
    instructions: str = ""
    protocol_version: str = ""


_about = msgspec.json.Decoder(About)


def read_about(result: bytes) -> About | None:
    try:
        return _about.decode(result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def merge_capabilities(found: Sequence[About]) -> dict[str, dict[str, bool]]:
    merged: dict[str, dict[str, bool]] = {}
    for kind, flags in _CARRIED.items():
        theirs = [one.capabilities[kind] for one in found if isinstance(one.capabilities.get(kind), dict)]
        if theirs:
            merged[kind] = {flag: True for flag in flags if any(one.get(flag) is True for one in theirs)}
    return merged


def merge_instructions(found: Sequence[tuple[str, str, About]]) -> str:
    """`found`: for each server its title, what its tools and prompts begin with, and what it says.

    Who reads it must be able to tell whose words these are: each stands under a heading of ours.
    """
    parts = []
    for title, prefix, about in found:
        text = about.instructions.strip()[:_MAX_INSTRUCTIONS]
        if text:
            parts.append(f"# {title}\nIts tools and prompts begin with `{prefix}`.\n\n{text}")
    return "\n\n".join(parts)


def least_ttl(results: Sequence[Message]) -> int:
    """Milliseconds; 0 where one does not say."""
    found = [msgspec.json.decode(one["ttlMs"]) if "ttlMs" in one else 0 for one in results]
    return min((one if isinstance(one, int) and one > 0 else 0 for one in found), default=0)
