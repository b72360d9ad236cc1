"""`vestibule apikey`: keys that programs show instead of access tokens."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.cli.operate import ConfigOption, JsonOption, ReasonOption, configuration, plain_row, show, with_office
from vestibule.cli.output import print_json, say

if TYPE_CHECKING:
    from datetime import timedelta

    from vestibule.admin import Administrator, ApiKeyOffice
    from vestibule.model import ApiKey, Secret

_INITIALIZE = (
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
    '"capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
)

app = typer.Typer(help="API keys: for programs that cannot sign in.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What it is for.")],
    config: ConfigOption = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose key it is.")] = "default",
    scope: Annotated[list[str] | None, typer.Option("--scope", help="What it may do; repeat it for several.")] = None,
    upstream: Annotated[
        list[str] | None, typer.Option("--upstream", help="The only upstreams that it opens; all, when left out.")
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", help="How long it lives, such as 90d; for ever if left out.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a key, and show it this once."""
    from vestibule.admin import NewKey, facts_of

    new = NewKey(name, tenant, _each_once(scope), _each_once(upstream), _lifetime(expires))

    async def work(office: "ApiKeyOffice", by: "Administrator") -> "tuple[ApiKey, Secret]":
        return await office.create(new, by)

    key, secret = with_office(config, work)
    if as_json:
        print_json({**plain_row(facts_of(key)), "key": secret.reveal()})
        return
    ends = f"until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at is not None else "until it is revoked"
    say(f"{key.key_id} ({key.name}), tenant {key.tenant}, scopes {' '.join(key.scopes)}, {ends}.")
    say("This is the key. It is shown this once; keep it where your program reads its secrets:", style="yellow")
    say(f"  {secret.reveal()}")
    say("A client sends it as a header:")
    say(f"  X-API-Key: {secret.reveal()}")
    say("To try it:")
    say(f"  {_curl(config, key)}")


@app.command("list")
def list_keys(
    config: ConfigOption = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Only of this tenant.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Keys of the store, the newest first; revoked and expired ones for another 90 days."""
    from vestibule.admin import facts_of

    async def work(office: "ApiKeyOffice", by: "Administrator") -> list[dict[str, Any]]:
        return [facts_of(key) for key in await office.list_for(by, tenant or None)]

    show(with_office(config, work), as_json=as_json, empty="There is no API key.")


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    config: ConfigOption = None,
    reason: ReasonOption = "revoked by the operator",
    as_json: JsonOption = False,
) -> None:
    """End a key. Every replica refuses it within five seconds."""

    async def work(office: "ApiKeyOffice", by: "Administrator") -> "ApiKey":
        return await office.revoke(key_id, by, reason=reason)

    key = with_office(config, work)
    if as_json:
        print_json({"revoked": key.key_id})
    else:
        say(f"{key.key_id} ({key.name}) ended. Every replica refuses it within five seconds.")


def _each_once(names: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names or ()))


def _lifetime(text: str) -> "timedelta | None":
    from vestibule.config.values import read_duration
    from vestibule.errors import StartError

    if not text:
        return None
    try:
        return read_duration(text)
    except ValueError as error:
        raise StartError("--expires is not a duration.", action="Write 12h, 90d or 365d.") from error


def _curl(config: Any, key: "ApiKey") -> str:
    """Without the key: a line with it would stay in the shell's history."""
    read = configuration(config)
    name = key.upstreams[0] if key.upstreams else read.upstreams[0].name
    url = f"{read.public_url}/mcp" if len(read.upstreams) == 1 else f"{read.public_url}/{name}/mcp"
    return (  # initialize, because a server with sessions answers nothing before it
        "read -rs KEY; curl -H \"X-API-Key: $KEY\" -H 'Content-Type: application/json' "
        "-H 'Accept: application/json, text/event-stream' "
        f"-d '{_INITIALIZE}' {url}"
    )
