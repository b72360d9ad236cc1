"""Whose assertions are taken as grants (RFC 7523): an enterprise's provider, or the platform that runs a workload.

Each is named by the operator. Where its keys come from, and for how long they are kept, is not decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from vestibule.errors import FetchError, TemporarilyUnavailable
from vestibule.ports import IssuerKeys


@dataclass(frozen=True, slots=True)
class AssertionIssuer:
    """What the operator says of one issuer."""

    issuer: str
    kind: Literal["enterprise", "workload"]
    name: str  # whose people or workloads these are: the first part of what we call them
    jwks_uri: str = ""  # empty: by discovery
    audience: str = ""  # workload: what `aud` must say; empty: our issuer
    clients: tuple[str, ...] = ()  # enterprise: which clients may use it; empty: every confidential one
    workloads: tuple["Workload", ...] = ()
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA")


@dataclass(frozen=True, slots=True)
class Workload:
    """Which workloads of a platform are which client, by the subject that the platform gives them."""

    subject: str  # to the letter, or with * for a part of it
    client_id: str

    def fits(self, subject: str) -> bool:
        # `[` and `?` are no wildcards here: a subject may have them
        return fnmatchcase(subject, self.subject.replace("[", "[[]").replace("?", "[?]"))


class AssertionIssuers:
    def __init__(self, issuers: Sequence[AssertionIssuer], keys: Mapping[str, IssuerKeys]) -> None:
        """`keys`: of each issuer, by its name to the letter."""
        self._issuers = {one.issuer: one for one in issuers}
        self._keys = keys

    def __bool__(self) -> bool:
        return bool(self._issuers)

    def find(self, issuer: object) -> AssertionIssuer | None:
        return self._issuers.get(issuer) if isinstance(issuer, str) else None

    async def verify(self, assertion: str, issuer: AssertionIssuer) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, once the signature is the issuer's. Raises `JwtError`, `TemporarilyUnavailable`."""
        try:
            verified = await self._keys[issuer.issuer].verified(assertion, algorithms=issuer.algorithms)
        except FetchError as error:
            raise TemporarilyUnavailable(
                "The keys of the assertion's issuer cannot be read right now.",
                action="Try again in a minute.",
                detail=f"{issuer.issuer}: {error.detail or error.message}",
            ) from error
        return verified.header, verified.claims
