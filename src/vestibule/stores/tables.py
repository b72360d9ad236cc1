"""The schema. Secrets are digests or sealed; times are UTC; every row names its tenant.

docs/storage.md tells what each record is for, how long it lives, and what is hashed or sealed; a test keeps the two
together. A change here needs a migration beside the others; a test compares what they make with what stands here.
Columns have the names of the model's fields, so that a row becomes a value without a dictionary between them.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, false, text

from vestibule.model import DEFAULT_TENANT
from vestibule.stores.columns import Digest, Document, Facts, Listing, Moment, NameSet, Words

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    },
)


_EMPTY = text("''")  # as a word "" is no default at all to SQLite's reflection


def _tenant() -> Column[str]:
    return Column("tenant", Words, nullable=False, default=DEFAULT_TENANT)


def _tenant_key() -> Column[str]:
    return Column("tenant", Words, primary_key=True, default=DEFAULT_TENANT)


def _identity() -> tuple[Column[Any], ...]:
    """Who it is. Claims are for the sign-in and are not kept: a store is no place for what nobody asked to keep."""
    return tuple(
        Column(name, Words, nullable=False) for name in ("issuer", "subject", "provider", "display_name", "email")
    )


def _of_sign_in() -> tuple[Column[Any], ...]:
    return (
        Column("roles", NameSet, nullable=False, server_default="[]"),
        Column("tokens_id", Words, nullable=False, server_default=_EMPTY, index=True),
    )


def _grant_id() -> Column[str]:
    return Column("grant_id", Words, ForeignKey("grants.grant_id"), nullable=False, index=True)


clients = Table(
    "clients",
    metadata,
    Column("client_id", Words, primary_key=True),
    _tenant(),
    Column("origin", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("redirect_uris", Listing, nullable=False),
    Column("auth_method", Words, nullable=False),
    Column("secret_digest", Digest),
    Column("grant_types", Listing, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("client_uri", Words, nullable=False),
    Column("logo_uri", Words, nullable=False),
    Column("application_type", Words, nullable=False),
    Column("registered_at", Moment, index=True),
    Column("last_used_at", Moment),
    Column("issuer", Words, nullable=False, server_default=_EMPTY),
    Column("jwks", Document),
    Column("jwks_uri", Words, nullable=False, server_default=_EMPTY),
    Column("needs_pushed_requests", Boolean, nullable=False, server_default=false()),
    Column("needs_dpop", Boolean, nullable=False, server_default=false()),
)

requests = Table(
    "authorization_requests",
    metadata,
    Column("request_id", Words, primary_key=True),
    _tenant(),
    Column("state", Words, nullable=False),
    Column("client_id", Words, nullable=False),
    Column("redirect_uri", Words, nullable=False),
    Column("redirect_uri_given", Boolean, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("resource", Words, nullable=False),
    Column("code_challenge", Words, nullable=False),
    Column("client_state", Words),
    Column("browser_digest", Digest, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("prompt", NameSet, nullable=False),
    Column("login_hint", Words, nullable=False),
    Column("max_age", BigInteger),
    Column("sign_in_provider", Words),
    Column("sign_in_state_digest", Digest, unique=True),
    Column("sign_in_browser_digest", Digest),
    Column("sign_in_nonce", Words),
    Column("sign_in_sealed_verifier", Digest),
    Column("purpose", Words, nullable=False, server_default="client"),
    Column("device_digest", Digest),
    Column("key_thumbprint", Words, nullable=False, server_default=_EMPTY),
)

pushed_requests = Table(
    "pushed_requests",
    metadata,
    Column("digest", Digest, primary_key=True),
    _tenant(),
    Column("client_id", Words, nullable=False),
    Column("sealed_parameters", Digest, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

device_requests = Table(
    "device_requests",
    metadata,
    Column("digest", Digest, primary_key=True),
    _tenant(),
    Column("user_code", Words, nullable=False, unique=True),
    Column("client_id", Words, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("resource", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("interval", BigInteger, nullable=False),
    Column("polled_at", Moment),
    Column("state", Words, nullable=False),
    Column("grant_id", Words, nullable=False),
)

one_time = Table(
    "one_time",
    metadata,
    Column("kind", Words, primary_key=True),
    Column("digest", Digest, primary_key=True),
    _tenant(),
    Column("expires_at", Moment, nullable=False, index=True),
)

blocks = Table(
    "blocks",
    metadata,
    Column("kind", Words, primary_key=True),
    _tenant_key(),
    Column("value", Words, primary_key=True),
    Column("blocked_at", Moment, nullable=False),
    Column("reason", Words, nullable=False),
)

kept_tokens = Table(
    "kept_tokens",
    metadata,
    Column("tokens_id", Words, primary_key=True),
    _tenant(),
    Column("user_id", Words, nullable=False),
    Column("sealed", Digest, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("leased_until", Moment),
)

consents = Table(
    "consents",
    metadata,
    # Of tenant, user, client, redirect URI and resource: PostgreSQL's b-tree has no room for three URLs.
    Column("key_digest", Digest, primary_key=True),
    _tenant(),
    Column("user_id", Words, nullable=False),  # "user" is a function in PostgreSQL: it would answer with something else
    Column("client_id", Words, nullable=False),
    Column("redirect_uri", Words, nullable=False),
    Column("resource", Words, nullable=False),
    Column("scopes", NameSet, nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Index("ix_consents_user_id", "user_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Digest, primary_key=True),
    _tenant(),
    *_identity(),
    Column("signed_in_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    *_of_sign_in(),
    Index("ix_sessions_subject", "subject"),
)

grants = Table(
    "grants",
    metadata,
    Column("grant_id", Words, primary_key=True),
    _tenant(),
    *_identity(),
    Column("client_id", Words, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("resource", Words, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("revoked_at", Moment),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    *_of_sign_in(),
    Index("ix_grants_subject", "subject"),
    Index("ix_grants_client_id", "client_id"),
)

codes = Table(
    "authorization_codes",
    metadata,
    Column("digest", Digest, primary_key=True),
    _tenant(),
    _grant_id(),
    Column("client_id", Words, nullable=False),
    Column("redirect_uri", Words, nullable=False),
    Column("redirect_uri_given", Boolean, nullable=False),
    Column("code_challenge", Words, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("resource", Words, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("redeemed_at", Moment),
    Column("key_thumbprint", Words, nullable=False, server_default=_EMPTY),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", Digest, primary_key=True),
    _tenant(),
    _grant_id(),
    Column("client_id", Words, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("spent_at", Moment, index=True),
    Column("successor_digest", Digest),
    Column("sealed_successor", Digest),
    Column("key_thumbprint", Words, nullable=False, server_default=_EMPTY),
)

revocations = Table(
    "revocations",
    metadata,
    Column("kind", Words, primary_key=True),
    Column("value", Words, primary_key=True),
    _tenant_key(),  # two tenants may call two people the same
    Column("revoked_at", Moment, nullable=False, index=True),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("announced_at", BigInteger, nullable=False, server_default=text("0"), index=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Words, primary_key=True),
    _tenant(),
    Column("digest", Digest, nullable=False, unique=True),
    Column("name", Words, nullable=False),
    Column("scopes", Listing, nullable=False),
    Column("upstreams", Listing, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
)

tenants = Table(
    "tenants",
    metadata,
    Column("tenant", Words, primary_key=True),
    Column("title", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("tenant", Words, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", Words, nullable=False),
    Column("tag", Words, nullable=False),  # ours, over the three before it: nobody else can make another head
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _tenant(),
    Column("at", Moment, nullable=False),
    Column("action", Words, nullable=False),
    Column("outcome", Words, nullable=False),
    Column("request_id", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("client_id", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("facts", Facts, nullable=False),
    Column("tool", Words, nullable=False, server_default=_EMPTY),
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),  # 0: of a time before the chains
    Column("hash", Words, nullable=False, server_default=_EMPTY),
    Index("ix_audit_events_at", "at"),
    Index("ix_audit_events_tenant", "tenant", "sequence"),
    sqlite_autoincrement=True,  # an id is never given twice, not even the last one's
)

key_checks = Table(
    "key_checks",
    metadata,
    Column("key_id", Words, primary_key=True),
    _tenant(),
    Column("check_value", Digest, nullable=False),
)
