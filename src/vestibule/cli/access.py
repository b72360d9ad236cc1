"""`vestibule client`, `grant` and `user`: who has access, and ending it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.cli.operate import ConfigOption, JsonOption, ReasonOption, configuration, show, with_server
from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from vestibule.authorization_server.replies import Context
    from vestibule.authorization_server.server import AuthorizationServer
    from vestibule.errors import StartError

clients = typer.Typer(help="OAuth clients that have registered, or were approved by somebody.", no_args_is_help=True)
grants = typer.Typer(help="What people have allowed.", no_args_is_help=True)
users = typer.Typer(help="People, as provider:subject.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", help="Whose person it is; needed where there are tenants.")]
OnlyTenantOption = Annotated[str, typer.Option("--tenant", help="Only of this tenant.")]
UserArgument = Annotated[str, typer.Argument(help="provider:subject, as `user list` and `grant list` show it.")]


@clients.command("list")
def list_clients(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Clients that the store knows, the last registered first."""

    async def work(server: "AuthorizationServer", _: "Context") -> list[dict[str, Any]]:
        return [
            {
                "client_id": one.client_id,
                "name": one.name,
                "origin": one.origin.value,
                "registered_at": one.registered_at,
                "last_used_at": one.last_used_at,
                "redirect_uris": one.redirect_uris,
            }
            for one in await server.store.clients.list_all()
        ]

    show(with_server(config, work), as_json=as_json, empty="No client has registered.")


@clients.command("revoke")
def revoke_client(
    client_id: Annotated[str, typer.Argument(help="Its id.")],
    config: ConfigOption = None,
    reason: ReasonOption = "revoked by the operator",
    as_json: JsonOption = False,
) -> None:
    """End everything that this client ever got, and forget its registration."""
    from vestibule.authorization_server import endings
    from vestibule.model import ClientOrigin

    async def work(server: "AuthorizationServer", context: "Context") -> tuple[int, bool, bool]:
        known = await server.clients.for_token(client_id)
        is_in_file = known is not None and known.origin is ClientOrigin.CONFIGURED
        has_row = await server.store.clients.get(client_id) is not None
        return await endings.revoke_client(client_id, server, context, reason=reason), is_in_file, has_row

    ended, is_in_file, has_row = with_server(config, work)
    if not ended and not is_in_file and not has_row:
        raise _unknown("client", client_id)
    _ended(ended, client_id, as_json=as_json)
    if is_in_file and not as_json:
        say("  It stands in the configuration, and can get new tokens: take it out there, and restart.", style="yellow")


@grants.command("list")
def list_grants(
    config: ConfigOption = None,
    user: Annotated[str, typer.Option("--user", help="Only of this person (provider:subject).")] = "",
    client: Annotated[str, typer.Option("--client", help="Only of this client.")] = "",
    tenant: OnlyTenantOption = "",
    as_json: JsonOption = False,
) -> None:
    """What is allowed right now, the newest first."""

    from vestibule.admin.grants import facts_of_grant

    async def work(server: "AuthorizationServer", _: "Context") -> list[dict[str, Any]]:
        found = await server.store.grants.list_live(tenant=tenant or None, user=user, client_id=client)
        return [facts_of_grant(one) for one in found]

    show(with_server(config, work), as_json=as_json, empty="Nothing is allowed to anybody.")


@grants.command("revoke")
def revoke_grant(
    grant_id: Annotated[str, typer.Argument(help="Its id.")],
    config: ConfigOption = None,
    tenant: OnlyTenantOption = "",
    reason: ReasonOption = "revoked by the operator",
    as_json: JsonOption = False,
) -> None:
    """End one grant and all that hangs on it."""
    from vestibule.authorization_server import endings

    async def work(server: "AuthorizationServer", context: "Context") -> bool:
        return await endings.revoke_grant(grant_id, server, context, reason=reason, tenant=tenant or None)

    if not with_server(config, work):
        raise _unknown("live grant", grant_id)
    _ended(1, grant_id, as_json=as_json)


@users.command("list")
def list_users(config: ConfigOption = None, tenant: OnlyTenantOption = "", as_json: JsonOption = False) -> None:
    """People who have allowed something, and people who are blocked."""

    async def work(server: "AuthorizationServer", _: "Context") -> list[dict[str, Any]]:
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for grant in await server.store.grants.list_live(tenant=tenant or None, limit=10_000):
            row = rows.setdefault((grant.tenant, grant.identity.user), _nobody(grant.tenant, grant.identity.user))
            row["name"], row["grants"] = grant.identity.name, row["grants"] + 1
        for block in await server.store.blocks.list_all():
            if tenant not in ("", block.tenant):
                continue
            row = rows.setdefault((block.tenant, block.value), _nobody(block.tenant, block.value))
            row["blocked_at"], row["reason"] = block.blocked_at, block.reason
        return list(rows.values())

    show(with_server(config, work), as_json=as_json, empty="Nobody has allowed anything.")


def _nobody(tenant: str, user: str) -> dict[str, Any]:
    return {"user": user, "tenant": tenant, "name": "", "grants": 0, "blocked_at": None, "reason": ""}


@users.command("revoke")
def revoke_user(
    user: UserArgument,
    config: ConfigOption = None,
    tenant: TenantOption = "",
    reason: ReasonOption = "revoked by the operator",
    as_json: JsonOption = False,
) -> None:
    """End everything in this person's name, and sign their browsers out. They may sign in again."""
    from vestibule.authorization_server import endings

    _check_user(user)
    whose = _whose(config, tenant)

    async def work(server: "AuthorizationServer", context: "Context") -> int:
        return await endings.revoke_user(whose, user, server, context, reason=reason)

    _ended(with_server(config, work), user, as_json=as_json)


@users.command("block")
def block_user(
    user: UserArgument,
    config: ConfigOption = None,
    tenant: TenantOption = "",
    reason: ReasonOption = "blocked by the operator",
    as_json: JsonOption = False,
) -> None:
    """End everything in this person's name, and let them in no more."""
    from vestibule.authorization_server import endings

    _check_user(user)
    whose = _whose(config, tenant)

    async def work(server: "AuthorizationServer", context: "Context") -> int:
        return await endings.block_user(whose, user, server, context, reason=reason)

    ended = with_server(config, work)
    if as_json:
        print_json({"user": user, "blocked": True, "grants": ended})
    else:
        _ended(ended, user, as_json=False)
        say("  Blocked: nobody signs in by this name any more.")


@users.command("unblock")
def unblock_user(
    user: UserArgument, config: ConfigOption = None, tenant: TenantOption = "", as_json: JsonOption = False
) -> None:
    """Let this person sign in again. What was ended stays ended."""
    from vestibule.authorization_server import endings

    whose = _whose(config, tenant)

    async def work(server: "AuthorizationServer", context: "Context") -> bool:
        return await endings.unblock_user(whose, user, server, context)

    found = with_server(config, work)
    if as_json:
        print_json({"user": user, "unblocked": found})
    else:
        say(f"{user} may sign in again." if found else f"{user} was not blocked.")


def _whose(config: Path | None, tenant: str) -> str:
    """A person is one of a tenant, and the same name may be another's in the next."""
    from vestibule.errors import StartError
    from vestibule.model import DEFAULT_TENANT

    if not tenant and configuration(config).tenants is not None:
        raise StartError("There are several tenants here.", action="Say whose person it is: --tenant NAME.")
    return tenant or DEFAULT_TENANT


def _check_user(user: str) -> None:
    from vestibule.errors import StartError

    provider, colon, subject = user.partition(":")
    if not (provider and colon and subject):
        raise StartError(
            f"{user} names nobody: a person is provider:subject.", action="Look at `vestibule user list` for the name."
        )


def _unknown(what: str, value: str) -> "StartError":
    from vestibule.errors import StartError

    return StartError(f"There is no {what} {value}.", action="Look at the list for its id.")


def _ended(count: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": what, "grants": count})
        return
    grants_ended = "one grant" if count == 1 else f"{count} grants"
    say(f"{what}: {grants_ended} ended. Every replica refuses its tokens within five seconds.")
