"""The schema. Times are microseconds since the epoch, UTC; secrets are digests or sealed; every row names its tenant.

docs/storage.md tells what each record is for and how long it lives; a test keeps the two together. A change here needs
a migration beside the others; a test compares what they make with what stands here.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

from vestibule.model import DEFAULT_TENANT

metadata = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"},
)


def _tenant() -> Column[str]:
    return Column("tenant", String(64), nullable=False, server_default=DEFAULT_TENANT)


clients = Table(
    "clients",
    metadata,
    Column("client_id", String(2048), primary_key=True),
    _tenant(),
    Column("name", Text, nullable=False),
    Column("redirect_uris", Text, nullable=False),  # JSON
    Column("auth_method", String(40), nullable=False),
    Column("secret_digest", LargeBinary(32)),
    Column("grant_types", Text, nullable=False),  # JSON
    Column("scopes", Text, nullable=False),  # JSON
    Column("client_uri", Text, nullable=False),
    Column("logo_uri", Text, nullable=False),
    Column("application_type", String(10), nullable=False),
    Column("registered_at", BigInteger, nullable=False),
)

requests = Table(
    "authorization_requests",
    metadata,
    Column("request_id", String(100), primary_key=True),
    _tenant(),
    Column("state", String(10), nullable=False),
    Column("client_id", String(2048), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("redirect_uri_given", Boolean, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON
    Column("resource", Text, nullable=False),
    Column("code_challenge", String(43), nullable=False),
    Column("client_state", Text),
    Column("browser_digest", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("prompt", Text, nullable=False),  # JSON
    Column("login_hint", Text, nullable=False),
    Column("max_age", Integer),
    Column("provider", String(64)),
    Column("sign_in_state_digest", LargeBinary(32), unique=True),
    Column("sign_in_browser_digest", LargeBinary(32)),
    Column("nonce", String(100)),
    Column("sealed_verifier", LargeBinary),
)

consents = Table(
    "consents",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("user", String(512), primary_key=True),
    Column("question_digest", LargeBinary(32), primary_key=True),  # of client, redirect URI and resource
    Column("client_id", String(2048), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON
    Column("approved", Boolean, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    _tenant(),
    Column("identity", Text, nullable=False),  # JSON: issuer, subject, provider, name, email
    Column("signed_in_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

grants = Table(
    "grants",
    metadata,
    Column("grant_id", String(64), primary_key=True),
    _tenant(),
    Column("identity", Text, nullable=False),  # JSON
    Column("client_id", String(2048), nullable=False),
    Column("scopes", Text, nullable=False),  # JSON
    Column("resource", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

codes = Table(
    "authorization_codes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    _tenant(),
    Column("grant_id", String(64), nullable=False),
    Column("client_id", String(2048), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("redirect_uri_given", Boolean, nullable=False),
    Column("code_challenge", String(43), nullable=False),
    Column("scopes", Text, nullable=False),  # JSON
    Column("resource", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("redeemed_at", BigInteger),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    _tenant(),
    Column("grant_id", String(64), nullable=False, index=True),
    Column("client_id", String(2048), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("spent_at", BigInteger),
    Column("successor_digest", LargeBinary(32)),
    Column("sealed_successor", LargeBinary),
)

revocations = Table(
    "revocations",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("value", String(100), primary_key=True),
    _tenant(),
    Column("revoked_at", BigInteger, nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False),
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("action", String(64), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("actor", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("facts", Text, nullable=False),  # JSON
    sqlite_autoincrement=True,
)
Index("ix_audit_events_at", audit_events.c.at)

key_checks = Table(
    "key_checks",
    metadata,
    Column("kid", String(16), primary_key=True),
    _tenant(),
    Column("check_value", LargeBinary(16), nullable=False),
)
