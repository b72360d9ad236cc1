"""Several servers' sessions as one `Mcp-Session-Id`, without anything being kept here.

    1<16 hex digits>tickets,2025-11-25,32:<the server's id>wiki,2025-06-18,0:

What is its own, so that no two sessions are alike although stateless servers give no ids; and a part for each member
that took part in the handshake: the version that it speaks in it, and its own id, if it gave one. The whole is bound to
its principal like any other session's id (`gateway.sessions`), so what is read here is what was written here; a member
that has left the configuration since is passed over. It is at most 1,024 characters long, as `SessionBinding` has it: a
member whose id does not fit does not take part.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LONGEST = 1024
_BEGIN = 17
_OWN = re.compile(rb"1[0-9a-f]{16}")
_VISIBLE = re.compile(rb"[\x21-\x7e]*")
_PART = re.compile(rb"([a-z][a-z0-9-]{0,39}),([0-9-]{10}),([0-9]{1,4}):")


@dataclass(frozen=True, slots=True)
class MemberSession:
    """`session`: the member's own id of it; None for a server that keeps none."""

    version: bytes
    session: bytes | None


def write_sessions(own: str, sessions: Mapping[str, MemberSession]) -> tuple[bytes, tuple[str, ...]]:
    """The one id, and whose did not fit: the longest are left out first. `own`: 16 hex digits, never twice."""
    parts = {name: _part(name, one) for name, one in sessions.items() if _VISIBLE.fullmatch(one.session or b"")}
    out = [name for name in sessions if name not in parts]
    while sum(map(len, parts.values())) > LONGEST - _BEGIN:
        longest = max(parts, key=lambda name: len(parts[name]))
        del parts[longest]
        out.append(longest)
    return b"1%b%b" % (own.encode(), b"".join(parts.values())), tuple(out)


def read_sessions(text: bytes, members: Iterable[str]) -> dict[str, MemberSession] | None:
    """By member. None for what is no id of ours."""
    if not _OWN.match(text):
        return None
    found: dict[str, MemberSession] = {}
    known, at = frozenset(members), _BEGIN
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            return None
        end = part.end() + int(part[3])
        name = part[1].decode()
        if end > len(text) or name in found:
            return None
        if name in known:
            found[name] = MemberSession(part[2], text[part.end() : end] or None)
        at = end
    return found


def _part(name: str, one: MemberSession) -> bytes:
    session = one.session or b""
    return b"%b,%b,%d:%b" % (name.encode(), one.version, len(session), session)
