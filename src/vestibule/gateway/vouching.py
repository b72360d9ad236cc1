"""The identity headers of an answer at /auth, made once for each caller and half a minute.

Signing costs about as much as everything else at /auth together, so an assertion is used again for as long as it is
still good for as long when it leaves. What is kept is bounded; the oldest goes.
"""

from collections import OrderedDict

from vestibule.gateway.headers import Header
from vestibule.model import Principal, Resource
from vestibule.ports import Entropy, SigningKeys
from vestibule.protocol.vouching import ASSERTION, NOTHING, REUSED_FOR, TYP, assertion_claims, identity_lines

_MAX_KEPT = 4096  # callers; about 2 KB each


class Vouching:
    def __init__(self, *, issuer: str, signer: SigningKeys, entropy: Entropy) -> None:
        self._issuer = issuer
        self._signer = signer
        self._entropy = entropy
        self._kept: OrderedDict[tuple[Principal | None, str], tuple[float, bytes]] = OrderedDict()

    def lines_for(self, principal: Principal | None, resource: Resource, now: float) -> bytes:
        """All of the identity headers but the request's id, as they are written. `now`: seconds since the epoch."""
        key = (principal, resource.identifier)
        until, lines = self._kept.get(key, (0.0, b""))
        if until - REUSED_FOR <= now < until:  # a clock that was set back makes a new one
            return lines
        lines = b"".join(b"%b: %b\r\n" % line for line in self._made(principal, resource, now))
        self._kept[key] = (now + REUSED_FOR, lines)
        self._kept.move_to_end(key)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return lines

    def _made(self, principal: Principal | None, resource: Resource, now: float) -> list[Header]:
        assertion = NOTHING
        if principal is not None:
            claims = assertion_claims(
                principal,
                issuer=self._issuer,
                resource=resource.identifier,
                now=now,
                jti=self._entropy(16).hex(),
            )
            assertion = self._signer.sign_jwt(TYP, claims).encode("ascii")
        return [*identity_lines(principal), (ASSERTION, assertion)]
