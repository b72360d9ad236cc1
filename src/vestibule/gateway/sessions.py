"""Legacy sessions: an `Mcp-Session-Id` works for the principal it was given to, at the resource it was given for.

The client gets the upstream's id with a tag behind it: `<id>.<22 characters>`. The tag is a MAC over the principal, the
resource and the id, so that any replica can check it, nothing is stored, and knowing somebody's session id is worth
nothing (CVE-2026-52869). A wrong tag is an unknown session: 404, and a client starts anew.
"""

import re

from vestibule.errors import SessionNotFound
from vestibule.model import Principal, Resource
from vestibule.ports import Authenticator

PURPOSE = "mcp-session"
_TAG = 22
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,1024}\Z")


class SessionBinding:
    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def bind(self, upstream_id: bytes, principal: Principal | None, resource: Resource) -> bytes | None:
        """What the client is given, or None when the upstream's id is not one that MCP allows."""
        if not _VISIBLE.match(upstream_id):
            return None
        tag = self._authenticator.tag(PURPOSE, _message(upstream_id, principal, resource))
        return b"%b.%b" % (upstream_id, tag.encode("ascii"))

    def unbind(self, presented: bytes, principal: Principal | None, resource: Resource) -> bytes:
        """The upstream's id. Raises `SessionNotFound`."""
        upstream_id, dot, tag = presented[: -_TAG - 1], presented[-_TAG - 1 : -_TAG], presented[-_TAG:]
        if not _VISIBLE.match(upstream_id) or dot != b"." or not self._is_ours(upstream_id, tag, principal, resource):
            raise SessionNotFound(
                "There is no such session for this sign-in.", action="Send initialize again, without Mcp-Session-Id."
            )
        return upstream_id

    def _is_ours(self, upstream_id: bytes, tag: bytes, principal: Principal | None, resource: Resource) -> bool:
        return self._authenticator.verify(
            PURPOSE, _message(upstream_id, principal, resource), tag.decode("ascii", "replace")
        )


def _message(upstream_id: bytes, principal: Principal | None, resource: Resource) -> bytes:
    who = principal.key if principal is not None else ""
    return b"\0".join((who.encode(), resource.identifier.encode(), upstream_id))
