"""`vestibule tenant`: the organisations whose people come in here."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from vestibule.cli.operate import ConfigOption, JsonOption, ReasonOption, show, with_house
from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from vestibule.admin.tenants import TenantAdmin
    from vestibule.authorization_server.replies import Context
    from vestibule.model import Tenant

app = typer.Typer(help="The organisations whose people come in here.", no_args_is_help=True)

Result = TypeVar("Result")
NameArgument = Annotated[str, typer.Argument(help="Its name, as `tenant list` shows it.")]


def _with_tenants(config: Path | None, work: "Callable[[TenantAdmin, Context], Awaitable[Result]]") -> Result:
    return with_house(config, lambda house, context: work(house.tenants.admin, context))


@app.command("list")
def list_tenants(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Those that the configuration names, and those that were made, suspended or deleted."""

    async def work(tenants: "TenantAdmin", _: "Context") -> "list[dict[str, Any]]":
        return [_row(one) for one in await tenants.list_all()]

    show(_with_tenants(config, work), as_json=as_json, empty="There is no tenant.")


@app.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="a-z, 0-9 and -. It is never given again.")],
    title: Annotated[str, typer.Option("--title", help="What people call it.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a tenant, with a database of its own. Who belongs to it, the configuration says."""
    made = _with_tenants(config, lambda tenants, context: tenants.create(name, context, title=title))
    _told(made, as_json, f"The tenant {name} is there. Who belongs to it, `tenants` in the configuration says.")


@app.command("suspend")
def suspend_tenant(
    name: NameArgument,
    config: ConfigOption = None,
    reason: ReasonOption = "suspended by the operator",
    as_json: JsonOption = False,
) -> None:
    """Let nobody of it in, and end what is under way. Everything is kept."""
    changed = _with_tenants(config, lambda tenants, context: tenants.suspend(name, context, reason=reason))
    _told(changed, as_json, f"{name} is suspended. Every replica refuses its tokens within five seconds.")


@app.command("resume")
def resume_tenant(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Let its people in again. Tokens of before stay dead; clients refresh, or people sign in."""
    changed = _with_tenants(config, lambda tenants, context: tenants.resume(name, context))
    _told(changed, as_json, f"{name} is open again. What was issued before, or in the last ten seconds, stays dead.")


@app.command("delete")
def delete_tenant(
    name: NameArgument,
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: ReasonOption = "deleted by the operator",
    as_json: JsonOption = False,
) -> None:
    """End everything of it, and delete what it keeps here. This cannot be undone; its name is never given again."""
    from vestibule.errors import StartError

    if not yes:
        say(f"Deleting {name} ends all its sign-ins, grants, API keys and sessions, forgets its consents and blocks,")
        say("gives its people's provider tokens back, and drops its own database with everything in it.")
        say("The audit trail stays. Backups are yours to delete. The name is never given again.")
        if not typer.confirm(f"Delete {name}?", default=False):
            raise StartError("Nothing was deleted.", action="Say --yes, or answer y.")
    ended = _with_tenants(config, lambda tenants, context: tenants.delete(name, context, reason=reason))
    if as_json:
        print_json({"tenant": name, "state": "deleted", "grants": ended})
    else:
        say(f"{name} is deleted; {ended} grants ended. Every replica refuses its tokens within five seconds.")


def _row(one: "Tenant") -> dict[str, Any]:
    from vestibule.admin.tenant_requests import facts_of_tenant

    return facts_of_tenant(one)


def _told(one: "Tenant", as_json: bool, text: str) -> None:
    if as_json:
        show([_row(one)], as_json=True, empty="")
    else:
        say(text)
