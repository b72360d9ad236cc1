"""What the things of several servers are called behind one address, and whose they are when a client names them.

A tool or prompt is `{member}{separator}{name}`, a resource `{member}+{uri}`: a scheme of its own, so that the whole is
a URI still (RFC 3986 §3.1: `+` stands in a scheme, and a member's name is letters, digits and hyphens). No member's
name has any of the separators in it, so the first one ends it: there is one reading, and no two things meet in a name.
What a server asks of its client gets the member's name before its id, for the answer to find its way back.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from vestibule.model import Operation

Separator: TypeAlias = Literal["_", "__", ".", "/"]

LONGEST_NAME = 128  # MCP 2025-11-25, server/tools, "Tool names"
MEMBER = re.compile(r"[a-z][a-z0-9-]{0,39}")  # what can begin a scheme
_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,128}")
_ID = re.compile(r'-?(?:0|[1-9][0-9]{0,18})|"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_BY_NAME = frozenset({"tools/call", "prompts/get"})
_BY_URI = frozenset({"resources/read", "resources/subscribe", "resources/unsubscribe"})


class Named(NamedTuple):
    """`name`: what the member itself calls it."""

    member: str
    name: str


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The names of one aggregate. Its own ones come in as they were made, or not at all."""

    members: frozenset[str]
    separator: Separator = "_"

    def name(self, member: str, name: str) -> str:
        return f"{member}{self.separator}{name}"

    def is_nameable(self, member: str, name: str) -> bool:
        """Whether a tool of that name can have one here: legal itself, and short enough with its prefix."""
        return _NAME.fullmatch(self.name(member, name)) is not None and bool(name)

    def of_name(self, name: str) -> Named | None:
        """Whose tool or prompt that is; None: nobody's."""
        return self._split(name, self.separator)

    def uri(self, member: str, uri: str) -> str:
        """Of a resource or a template of resources."""
        return f"{member}+{uri}"

    def of_uri(self, uri: str) -> Named | None:
        return self._split(uri, "+")

    def id(self, member: str, rpc_id: str) -> str:
        """`rpc_id`: the JSON of a number or a text."""
        return f"{member}:{rpc_id}"

    def of_id(self, rpc_id: str) -> Named | None:
        """`name` is the JSON that the member sent; None for what cannot have been one."""
        found = self._split(rpc_id, ":")
        return found if found is not None and _ID.fullmatch(found.name) else None

    def of_operation(self, operation: Operation) -> Named | None:
        """Whose business a request is; None where it is everybody's or nobody's."""
        if operation.method in _BY_NAME:
            return self.of_name(operation.name)
        if operation.method in _BY_URI:
            return self.of_uri(operation.name)
        if operation.method == "completion/complete":  # a prompt's or a template's; no name can be both
            return self.of_uri(operation.name) or self.of_name(operation.name)
        return None

    def _split(self, text: str, separator: str) -> Named | None:
        member, found, rest = text.partition(separator)
        return Named(member, rest) if found and rest and member in self.members else None
