"""What the core asks of the outside, one Protocol per noun.

A port promises behaviour, not only shapes: what happens to concurrent callers, what is durable when a call returns, and
which errors come. Every store raises `StoreUnavailable` when it cannot be reached; when a method that writes returns,
what it wrote survives SIGKILL. No `add` replaces anything: a key that is taken, or a code or refresh token without its
grant, is a `ValueError`. `vestibule.testing.store_contract` proves these promises for any implementation.
"""

from vestibule.errors import Allowance
from vestibule.ports.calls import (
    CallLimits,
    CallTrail,
    CredentialSource,
    Doorkeeper,
    Permission,
    ProofChecker,
    ProviderTokenKeeper,
    TenantGate,
    TenantMap,
    TokenReader,
    TokenVerifier,
)
from vestibule.ports.issuers import IssuerDocuments, IssuerKeys, IssuerMetadata
from vestibule.ports.keys import Authenticator, Sealer, SigningKeys
from vestibule.ports.limits import Given, SharedCounters, Throttle, Want
from vestibule.ports.outside import DocumentFetcher, FetchedDocument, HttpAnswer, HttpClient
from vestibule.ports.providers import IdentityProvider, SignInRequest
from vestibule.ports.seams import Clock, Entropy, Resolver
from vestibule.ports.stores import (
    ApiKeyStore,
    AuditHistory,
    AuditLog,
    AuditStore,
    AuthorizationRequestStore,
    BlockStore,
    ClientStore,
    CodeStore,
    ConsentStore,
    DeviceRequestStore,
    GrantStore,
    Housekeeping,
    KeptTokenStore,
    OneTimeStore,
    PushedRequestStore,
    RefreshTokenStore,
    RevocationFeed,
    SessionStore,
    Store,
    TenantDatabases,
    TenantStore,
)

__all__ = [
    "Allowance",
    "ApiKeyStore",
    "AuditHistory",
    "AuditLog",
    "AuditStore",
    "Authenticator",
    "AuthorizationRequestStore",
    "BlockStore",
    "CallLimits",
    "CallTrail",
    "ClientStore",
    "Clock",
    "CodeStore",
    "ConsentStore",
    "CredentialSource",
    "DeviceRequestStore",
    "DocumentFetcher",
    "Doorkeeper",
    "Entropy",
    "FetchedDocument",
    "Given",
    "GrantStore",
    "Housekeeping",
    "HttpAnswer",
    "HttpClient",
    "IdentityProvider",
    "IssuerDocuments",
    "IssuerKeys",
    "IssuerMetadata",
    "KeptTokenStore",
    "OneTimeStore",
    "Permission",
    "ProofChecker",
    "ProviderTokenKeeper",
    "PushedRequestStore",
    "RefreshTokenStore",
    "Resolver",
    "RevocationFeed",
    "Sealer",
    "SessionStore",
    "SharedCounters",
    "SignInRequest",
    "SigningKeys",
    "Store",
    "TenantDatabases",
    "TenantGate",
    "TenantMap",
    "TenantStore",
    "Throttle",
    "TokenReader",
    "TokenVerifier",
    "Want",
]
