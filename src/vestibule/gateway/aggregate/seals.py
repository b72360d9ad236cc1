"""What a client keeps for us between two requests: where a listing goes on, and the state of a call.

A cursor holds those of the members, sealed: no member sees another's, and a client cannot make one up. The state of a
call stays the server's own text, with a tag before it over the principal and the member: shown to another member, or by
another principal, it goes to nobody.
"""

import base64
import binascii

import msgspec

from vestibule.model import Principal, Resource
from vestibule.ports import Authenticator, Sealer

_CURSOR, _STATE = "aggregate-cursor", "aggregate-request-state"
_TAG = 22
LONGEST_CURSOR = 2048  # characters of one member's
_LONGEST = 64 * 1024
_cursors = msgspec.json.Decoder(dict[str, str])


class Seals:
    """Of one aggregate. `sealer` and `authenticator` are the key ring."""

    def __init__(self, sealer: Sealer, authenticator: Authenticator, resource: Resource) -> None:
        self._sealer = sealer
        self._authenticator = authenticator
        self._resource = resource

    def seal_cursor(self, principal: Principal | None, method: str, cursors: dict[str, str]) -> str:
        """`cursors`: of the members that have more to list."""
        sealed = self._sealer.seal(_CURSOR, msgspec.json.encode(cursors), self._bound(principal, method))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open_cursor(self, principal: Principal | None, method: str, cursor: str) -> dict[str, str] | None:
        """None for one that was not given to this caller for this method."""
        if len(cursor) > _LONGEST:
            return None
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            opened = self._sealer.open(_CURSOR, sealed, self._bound(principal, method))
            return _cursors.decode(opened) if opened is not None else None
        except (binascii.Error, ValueError, msgspec.DecodeError):
            return None

    def seal_state(self, principal: Principal | None, member: str, state: str) -> str:
        return f"{self._authenticator.tag(_STATE, self._bound(principal, member, state))}.{state}"

    def open_state(self, principal: Principal | None, member: str, sealed: str) -> str | None:
        """What the member gave; None for what it did not give this caller."""
        tag, dot, state = sealed[:_TAG], sealed[_TAG : _TAG + 1], sealed[_TAG + 1 :]
        is_ours = dot == "." and self._authenticator.verify(_STATE, self._bound(principal, member, state), tag)
        return state if is_ours else None

    def _bound(self, principal: Principal | None, *what: str) -> bytes:
        who = principal.key if principal is not None else ""
        return "\0".join((who, self._resource.identifier, *what)).encode("utf-8", "surrogatepass")
