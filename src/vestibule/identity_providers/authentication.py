"""Showing a provider who we are: nothing, a secret, a key of ours, or what our platform says about us.

The last one needs no secret at all: the platform (a managed identity, Kubernetes) signs who this process is, and the
provider has been told to believe it. What it says is asked for again at each use, because it is short-lived.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vestibule.errors import FetchError
from vestibule.model import Secret
from vestibule.oauth_client.client_authentication import (
    FormAndHeaders,
    as_public,
    assertion_claims,
    with_assertion,
    with_secret,
)
from vestibule.ports import Clock, Entropy
from vestibule.protocol.jwt import PrivateKey

MAX_ASSERTION = 64 * 1024  # bytes


class ClientAuthentication(Protocol):
    async def apply(self, form: Mapping[str, str], *, endpoint: str, auth_methods: Sequence[str]) -> FormAndHeaders:
        """The form and the headers to send to `endpoint`. Raises `FetchError` when we cannot show who we are."""


class AssertionSource(Protocol):
    async def assertion(self) -> str:
        """A JWT about this process, valid now. Raises `FetchError`."""


class PublicClient:
    def __init__(self, client_id: str) -> None:
        self._client_id = client_id

    async def apply(self, form: Mapping[str, str], *, endpoint: str, auth_methods: Sequence[str]) -> FormAndHeaders:
        return as_public(form, client_id=self._client_id)


class ClientSecret:
    def __init__(self, client_id: str, client_secret: Secret, *, in_body: bool = False) -> None:
        """`in_body`: client_secret_post whatever the metadata says, where all clients do so (Entra, Google, GitHub)."""
        self._client_id = client_id
        self._client_secret = client_secret
        self._in_body = in_body

    async def apply(self, form: Mapping[str, str], *, endpoint: str, auth_methods: Sequence[str]) -> FormAndHeaders:
        methods = ("client_secret_post",) if self._in_body else auth_methods
        return with_secret(form, client_id=self._client_id, client_secret=self._client_secret, auth_methods=methods)


class SignedAssertion:
    """private_key_jwt (OpenID Connect Core §9), with a certificate's thumbprint where there is a certificate."""

    def __init__(
        self,
        client_id: str,
        key: PrivateKey,
        *,
        clock: Clock,
        entropy: Entropy,
        header: Mapping[str, str] | None = None,
        algorithm: str = "",
    ) -> None:
        """`header`: kid or x5t#S256. `algorithm`: the key's first one when left out (PS256, ES256)."""
        self._client_id = client_id
        self._key = key
        self._clock = clock
        self._entropy = entropy
        self._header = {"alg": algorithm or key.algorithms[0], "typ": "JWT", **(header or {})}

    async def apply(self, form: Mapping[str, str], *, endpoint: str, auth_methods: Sequence[str]) -> FormAndHeaders:
        claims = assertion_claims(
            client_id=self._client_id,
            audience=endpoint,
            now=int(self._clock().timestamp()),
            assertion_id=base64.urlsafe_b64encode(self._entropy(18)).decode(),
        )
        return with_assertion(form, client_id=self._client_id, assertion=self._key.sign(claims, self._header))


class FederatedAssertion:
    """RFC 7521 §6.2: somebody else signs who we are."""

    def __init__(self, client_id: str, source: AssertionSource) -> None:
        self._client_id = client_id
        self._source = source

    async def apply(self, form: Mapping[str, str], *, endpoint: str, auth_methods: Sequence[str]) -> FormAndHeaders:
        return with_assertion(form, client_id=self._client_id, assertion=await self._source.assertion())


class ProjectedToken:
    """A file that the platform rewrites before its token ends (Kubernetes projects one an hour, or sooner)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def assertion(self) -> str:
        try:
            token = (await asyncio.to_thread(self._read)).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise FetchError("No answer came.", detail=f"{self._path} cannot be read: {error}") from error
        if token.count(".") != 2 or len(token) >= MAX_ASSERTION:
            raise FetchError("No answer came.", detail=f"{self._path} holds no JWT")
        return token

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(MAX_ASSERTION)
