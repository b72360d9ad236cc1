"""A generation of the MCP wire, as the HTTP headers of a request tell it."""

from enum import StrEnum

HANDSHAKE_VERSIONS = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"})


class Era(StrEnum):
    LEGACY = "legacy"  # an initialize handshake; sessions, GET streams; a disconnect cancels nothing
    MODERN = "modern"  # 2026-07-28 and later: stateless; a disconnect cancels

    @classmethod
    def of(cls, protocol_version: str | None) -> "Era":
        """The era of a request with this MCP-Protocol-Version header; none at all means the oldest (2025-03-26)."""
        return cls.LEGACY if protocol_version is None or protocol_version in HANDSHAKE_VERSIONS else cls.MODERN
