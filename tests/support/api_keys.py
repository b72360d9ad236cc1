"""API keys for tests, made as an operator makes them; and tokens for administration."""

from datetime import UTC, datetime
from typing import Any

from tests.support.house import Door
from vestibule.admin import Administrator, NewKey
from vestibule.authorization_server.issue import write_access_token
from vestibule.authorization_server.replies import Context
from vestibule.model import AccessToken, ApiKey, Secret, Tenant, TenantState

OPERATOR = Administrator("operator", None, "test")


async def make_key(door: Door, **wanted: Any) -> tuple[ApiKey, str]:
    if "tenant" in wanted:
        await make_tenant(door, wanted["tenant"])
    key, secret = await door.house.office.create(NewKey(**{"name": "ci", **wanted}), OPERATOR)
    return key, secret.reveal()


async def revoke_key(door: Door, key: ApiKey) -> None:
    await door.house.office.revoke(key.key_id, OPERATOR)


async def make_tenant(door: Door, tenant: str) -> None:
    if tenant not in door.house.configuration.named_tenants:
        now = door.clock()
        await door.house.store.tenants.add(Tenant(tenant, TenantState.ACTIVE, now, now))


async def set_tenant(door: Door, tenant: str, state: TenantState) -> None:
    """As an operator does it: this replica knows at once."""
    await make_tenant(door, tenant)
    admin, acting = door.house.tenants.admin, Context("test", address="", actor="operator")
    if state is TenantState.SUSPENDED:
        await admin.suspend(tenant, acting, reason="test")
    if state is TenantState.DELETED:
        await admin.delete(tenant, acting, reason="test")


def mint(door: Door, **changes: Any) -> str:
    """An access token of this server's own, as `/token` would write it: for administration, unless said otherwise."""
    now = int(door.clock().timestamp())
    token = AccessToken(
        **{
            "token_id": f"minted-{now}",
            "grant_id": "minted",
            "issuer": door.url,
            "identity_issuer": "https://id.example",
            "subject": "ada",
            "user": "work:ada",
            "tenant": "default",
            "client_id": "desk",
            "scopes": ("vestibule.admin",),
            "resource": f"{door.url}/admin",
            "issued_at": now,
            "expires_at": now + 600,
            "roles": ("admins",),
            **changes,
        }
    )
    return write_access_token(token, door.house.plane.server)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


__all__ = ["OPERATOR", "Secret", "make_key", "make_tenant", "mint", "moment", "revoke_key", "set_tenant"]
