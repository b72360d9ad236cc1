"""What the core asks of the outside, one Protocol per noun.

A port promises behaviour, not only shapes: what happens to concurrent callers, what is durable when a call returns, and
which errors come. Every store raises `StoreUnavailable` when it cannot be reached; when a method that writes returns,
what it wrote survives SIGKILL. No `add` replaces anything: a key that is taken, or a code or refresh token without its
grant, is a `ValueError`. `vestibule.testing.store_contract` proves these promises for any implementation.
"""

from vestibule.ports.calls import (
    Allowance,
    CallLimits,
    CallTrail,
    CredentialSource,
    Doorkeeper,
    Permission,
    ProofChecker,
    ProviderTokenKeeper,
    TenantMap,
    TokenReader,
    TokenVerifier,
)
from vestibule.ports.issuers import IssuerDocuments, IssuerKeys, IssuerMetadata
from vestibule.ports.keys import Authenticator, Sealer, SigningKeys
from vestibule.ports.outside import DocumentFetcher, FetchedDocument, HttpAnswer, HttpClient
from vestibule.ports.providers import IdentityProvider, SignInRequest
from vestibule.ports.seams import Clock, Entropy, Resolver
from vestibule.ports.stores import (
    ApiKeyStore,
    AuditLog,
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
    TenantStore,
)

__all__ = [
    "Allowance",
    "ApiKeyStore",
    "AuditLog",
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
    "SignInRequest",
    "SigningKeys",
    "Store",
    "TenantMap",
    "TenantStore",
    "TokenReader",
    "TokenVerifier",
]
