"""What a complete authorization server keeps: pushed and device requests, one-time items, blocks, providers' tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _add_columns()
    with op.batch_alter_table("revocations") as revocations:  # SQLite makes the table anew
        revocations.drop_constraint("pk_revocations", type_="primary")
        revocations.create_primary_key("pk_revocations", ["kind", "value", "tenant"])
    op.create_table(
        "pushed_requests",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed_parameters", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pushed_requests")),
    )
    op.create_index("ix_pushed_requests_expires_at", "pushed_requests", ["expires_at"])
    op.create_table(
        "device_requests",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_code", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.BigInteger(), nullable=False),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_device_requests")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_requests_user_code")),
    )
    op.create_index("ix_device_requests_expires_at", "device_requests", ["expires_at"])
    op.create_table(
        "one_time",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_one_time")),
    )
    op.create_index("ix_one_time_expires_at", "one_time", ["expires_at"])
    op.create_table(
        "blocks",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("blocked_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "tenant", "value", name=op.f("pk_blocks")),
    )
    op.create_table(
        "kept_tokens",
        sa.Column("tokens_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("tokens_id", name=op.f("pk_kept_tokens")),
    )


def _add_columns() -> None:
    moment, words, sealed, flag = sa.BigInteger(), sa.Text(), sa.LargeBinary(), sa.Boolean()
    empty = sa.text("''")
    for table, name, kind, default in (
        ("clients", "last_used_at", moment, None),
        ("clients", "issuer", words, empty),
        ("clients", "jwks", words, None),
        ("clients", "jwks_uri", words, empty),
        ("clients", "needs_pushed_requests", flag, sa.false()),
        ("clients", "needs_dpop", flag, sa.false()),
        ("authorization_requests", "purpose", words, "client"),
        ("authorization_requests", "device_digest", sealed, None),
        ("authorization_requests", "key_thumbprint", words, empty),
        ("authorization_codes", "key_thumbprint", words, empty),
        ("refresh_tokens", "key_thumbprint", words, empty),
        ("grants", "expires_at", moment, None),
        ("grants", "last_used_at", moment, None),
        ("grants", "roles", words, "[]"),
        ("grants", "tokens_id", words, empty),
        ("revocations", "announced_at", moment, sa.text("0")),
        ("sessions", "roles", words, "[]"),
        ("sessions", "tokens_id", words, empty),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=default))
    op.create_index("ix_revocations_announced_at", "revocations", ["announced_at"])
    op.create_index("ix_clients_registered_at", "clients", ["registered_at"])
    op.create_index("ix_consents_user_id", "consents", ["user_id"])
    op.create_index("ix_grants_client_id", "grants", ["client_id"])
    for table in ("grants", "sessions"):
        op.create_index(f"ix_{table}_subject", table, ["subject"])
        op.create_index(f"ix_{table}_tokens_id", table, ["tokens_id"])
