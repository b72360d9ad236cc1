"""The nouns of the product, as frozen values. See docs/glossary.md for what each word means here, and does not."""

from vestibule.model.audit import AuditEvent, Outcome
from vestibule.model.authorization import (
    AccessToken,
    AuthorizationCode,
    AuthorizationRequest,
    Consent,
    ConsentKey,
    Grant,
    GrantId,
    RefreshToken,
    RequestState,
    Revocation,
    RevocationKind,
    SignIn,
)
from vestibule.model.client import AuthMethod, Client, ClientId, ClientOrigin
from vestibule.model.era import HANDSHAKE_VERSIONS, Era
from vestibule.model.identity import (
    DEFAULT_TENANT,
    Identity,
    Principal,
    ProviderTokens,
    Session,
    SignedIn,
    TenantId,
)
from vestibule.model.secret import Secret, TokenDigest, digest
from vestibule.model.upstream import Resource, StaticCredential, Timeouts, Upstream

__all__ = [
    "DEFAULT_TENANT",
    "HANDSHAKE_VERSIONS",
    "AccessToken",
    "AuditEvent",
    "AuthMethod",
    "AuthorizationCode",
    "AuthorizationRequest",
    "Client",
    "ClientId",
    "ClientOrigin",
    "Consent",
    "ConsentKey",
    "Era",
    "Grant",
    "GrantId",
    "Identity",
    "Outcome",
    "Principal",
    "ProviderTokens",
    "RefreshToken",
    "RequestState",
    "Resource",
    "Revocation",
    "RevocationKind",
    "Secret",
    "Session",
    "SignIn",
    "SignedIn",
    "StaticCredential",
    "TenantId",
    "Timeouts",
    "TokenDigest",
    "Upstream",
    "digest",
]
