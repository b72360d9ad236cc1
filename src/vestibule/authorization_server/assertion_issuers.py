"""Whose assertions are taken as grants (RFC 7523): an enterprise's provider, or the platform that runs a workload.

Each is named by the operator. Keys come by discovery or from a named address, are kept for an hour, and an unknown
`kid` allows one fresh look a minute; while the issuer is down, what was last read keeps serving.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from vestibule.errors import FetchError, TemporarilyUnavailable
from vestibule.ports import Clock, HttpClient
from vestibule.protocol.json_body import UnreadableJson, read_object

KEEP = timedelta(hours=1)
COOLDOWN = timedelta(minutes=1)
PAUSE = timedelta(seconds=5)  # after a failure, while there are no keys at all


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
    tenant: str = ""  # whose people or workloads these all are; empty: each as at a sign-in, or as its client
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA")


@dataclass(frozen=True, slots=True)
class Workload:
    """Which workloads of a platform are which client, by the subject that the platform gives them."""

    subject: str  # to the letter, or with * for a part of it
    client_id: str

    def fits(self, subject: str) -> bool:
        # `[` and `?` are no wildcards here: a subject may have them
        return fnmatchcase(subject, self.subject.replace("[", "[[]").replace("?", "[?]"))


@dataclass(slots=True)
class _Keys:
    jwks: Mapping[str, Any] = field(repr=False)
    read_at: datetime


class AssertionIssuers:
    def __init__(self, issuers: Sequence[AssertionIssuer], http: HttpClient, clock: Clock) -> None:
        self._issuers = {one.issuer: one for one in issuers}
        self._http = http
        self._clock = clock
        self._kept: dict[str, _Keys] = {}
        self._tried_at: dict[str, datetime] = {}  # whether it was in vain or not
        self._locks: dict[str, asyncio.Lock] = {}

    def __bool__(self) -> bool:
        return bool(self._issuers)

    def find(self, issuer: object) -> AssertionIssuer | None:
        return self._issuers.get(issuer) if isinstance(issuer, str) else None

    async def verify(self, assertion: str, issuer: AssertionIssuer) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims, once the signature is the issuer's. Raises `JwtError`, `TemporarilyUnavailable`."""
        from vestibule.protocol import jwt  # brings the JOSE library: 3 MB

        keys = await self._keys(issuer)
        try:
            return jwt.verify(assertion, keys, algorithms=issuer.algorithms)
        except jwt.UnknownKey:
            return jwt.verify(assertion, await self._keys(issuer, fresh=True), algorithms=issuer.algorithms)

    async def _keys(self, issuer: AssertionIssuer, *, fresh: bool = False) -> Mapping[str, Any]:
        async with self._locks.setdefault(issuer.issuer, asyncio.Lock()):
            kept, now = self._kept.get(issuer.issuer), self._clock()
            if kept is not None and now - kept.read_at < (COOLDOWN if fresh else KEEP):
                return kept.jwks
            tried = self._tried_at.get(issuer.issuer)
            if tried is not None and now - tried < (COOLDOWN if kept is not None else PAUSE):
                if kept is not None:
                    return kept.jwks
                raise _unavailable(f"{issuer.issuer}: failed a moment ago")
            self._tried_at[issuer.issuer] = now
            try:
                jwks = await self._fetch(issuer)
            except (FetchError, UnreadableJson) as error:
                if kept is not None:
                    return kept.jwks
                detail = error.detail if isinstance(error, FetchError) else str(error)
                raise _unavailable(f"{issuer.issuer}: {detail}") from error
            self._kept[issuer.issuer] = _Keys(jwks, self._clock())
            return jwks

    async def _fetch(self, issuer: AssertionIssuer) -> Mapping[str, Any]:
        url = issuer.jwks_uri or await self._discover(issuer.issuer)
        return await self._get(url)

    async def _discover(self, issuer: str) -> str:
        document = await self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != issuer or not isinstance(url, str):
            raise FetchError("The discovery document is another issuer's.", detail=issuer)
        if issuer.startswith("https://") and not url.startswith("https://"):
            raise FetchError("The jwks_uri is not https.", detail=url[:200])
        return url

    async def _get(self, url: str) -> Mapping[str, Any]:
        answer = await self._http.get(url)
        if answer.status != 200:
            raise FetchError("The document did not come.", detail=f"{url} answered {answer.status}")
        return read_object(answer.body)


def _unavailable(detail: str) -> TemporarilyUnavailable:
    return TemporarilyUnavailable(
        "The keys of the assertion's issuer cannot be read right now.", action="Try again in a minute.", detail=detail
    )
