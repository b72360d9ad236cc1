"""What an issuer publishes of itself: its metadata, and the keys that its signatures are verified with."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vestibule.protocol.jwt import Verified  # brings the JOSE library: 3 MB


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """What is used of an issuer's discovery document. Empty: it does not say."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    signing_algorithms: tuple[str, ...]
    auth_methods: tuple[str, ...]
    assertion_algorithms: tuple[str, ...]  # for private_key_jwt
    sends_iss: bool


class IssuerKeys(Protocol):
    """The keys of one issuer, kept and renewed."""

    async def verified(self, token: str, *, algorithms: Collection[str] = ()) -> "Verified":
        """Header and claims of a token that one of the issuer's keys signed; the claims are not judged.

        `algorithms`: empty means those of its metadata, or what its keys can do where that has no list. A token whose
        key is known, while its set is trusted, never waits for the issuer. Raises `JwtError`; `FetchError` when the
        issuer does not answer and only it could tell.
        """


class IssuerDocuments(IssuerKeys, Protocol):
    async def metadata(self) -> IssuerMetadata:
        """Raises `FetchError`, with the reason in its detail."""
