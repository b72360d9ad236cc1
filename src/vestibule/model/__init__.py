"""The nouns of the product, as frozen values. See docs/glossary.md for what each word means here, and does not."""

from vestibule.model.api_key import ApiKey
from vestibule.model.audit import AuditEvent, AuditFilter, AuditHead, AuditLink, AuditPlace, AuditWords, Outcome
from vestibule.model.authorization import (
    AccessToken,
    AuthorizationCode,
    AuthorizationRequest,
    Block,
    BlockKind,
    Consent,
    ConsentKey,
    DeviceRequest,
    DeviceState,
    Grant,
    GrantId,
    KeptTokens,
    Purpose,
    PushedRequest,
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
from vestibule.model.operation import NO_OPERATION, Operation, Presented, Reading
from vestibule.model.policy import Effect, Policy, PolicyExample, Rule
from vestibule.model.proof import Proof
from vestibule.model.rate import Rate
from vestibule.model.secret import Secret, TokenDigest, digest
from vestibule.model.tenant import Tenant, TenantState
from vestibule.model.trusted_issuer import TrustedIssuer
from vestibule.model.upstream import Command, Resource, ScopePattern, StaticCredential, Timeouts, Upstream

__all__ = [
    "DEFAULT_TENANT",
    "HANDSHAKE_VERSIONS",
    "NO_OPERATION",
    "AccessToken",
    "ApiKey",
    "AuditEvent",
    "AuditFilter",
    "AuditHead",
    "AuditLink",
    "AuditPlace",
    "AuditWords",
    "AuthMethod",
    "AuthorizationCode",
    "AuthorizationRequest",
    "Block",
    "BlockKind",
    "Client",
    "ClientId",
    "ClientOrigin",
    "Command",
    "Consent",
    "ConsentKey",
    "DeviceRequest",
    "DeviceState",
    "Effect",
    "Era",
    "Grant",
    "GrantId",
    "Identity",
    "KeptTokens",
    "Operation",
    "Outcome",
    "Policy",
    "PolicyExample",
    "Presented",
    "Principal",
    "Proof",
    "ProviderTokens",
    "Purpose",
    "PushedRequest",
    "Rate",
    "Reading",
    "RefreshToken",
    "RequestState",
    "Resource",
    "Revocation",
    "RevocationKind",
    "Rule",
    "ScopePattern",
    "Secret",
    "Session",
    "SignIn",
    "SignedIn",
    "StaticCredential",
    "Tenant",
    "TenantId",
    "TenantState",
    "Timeouts",
    "TokenDigest",
    "TrustedIssuer",
    "Upstream",
    "digest",
]
