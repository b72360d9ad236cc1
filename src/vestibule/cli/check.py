"""`vestibule check`: every fault of the configuration at once."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vestibule.cli.output import fault_as_json, list_faults, print_json, say

if TYPE_CHECKING:
    from vestibule.config import Configuration
    from vestibule.config.upstreams import UpstreamConfig


def check(
    config: Annotated[Path | None, typer.Option("--config", help="The file; ./vestibule.yaml if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    env: Annotated[bool, typer.Option("--env", help="List the environment names that are understood.")] = False,
    i_know: Annotated[bool, typer.Option("--i-know", help="Accept an upstream open to everybody.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)] = False,
) -> None:
    """Check the configuration: every fault with its key, the reason and the fix. Exit code 0: sound, 2: not."""
    from vestibule.config import load
    from vestibule.config.load import file_to_read
    from vestibule.config.notes import notes_on
    from vestibule.errors import ConfigurationError

    if env:
        _list_environment(as_json=as_json)
        return
    try:
        configuration = load(file=config, environ=os.environ, i_know=i_know)
    except ConfigurationError as error:
        if as_json:
            print_json({"sound": False, "faults": [fault_as_json(fault) for fault in error.faults]})
        else:
            list_faults(error.faults, stream=sys.stdout)
        raise typer.Exit(error.exit_code) from None
    file = file_to_read(config, os.environ)
    notes = notes_on(configuration, os.environ)
    if as_json:
        print_json({"sound": True, "faults": [], "notes": list(notes), **_summary(configuration)})
    else:
        _print_summary(configuration, str(file) if file else "The environment", notes)


def _summary(configuration: "Configuration") -> dict[str, Any]:
    return {
        "public_url": configuration.public_url,
        "listen": configuration.listen,
        "upstreams": [
            {
                "name": one.name,
                "url": one.url,
                "transport": one.spoken if one.served_by == "gateway" else "",
                "served_by": one.served_by,
                "served_at": f"{configuration.public_url}/{one.name}/mcp",
                "access": one.access,
                "credential": one.credential.kind,
            }
            for one in configuration.upstreams
        ],
        "identity_providers": [{"name": one.name, "kind": one.kind} for one in configuration.identity_providers],
        "resource_server": {
            "mode": configuration.resource_server.mode,
            "issuers": [one.issuer for one in configuration.resource_server.issuers],
        },
        "policy": configuration.policy.file if configuration.policy is not None else None,
        "tenants": sorted(configuration.named_tenants),
        "tls": configuration.tls is not None,
        "workers": configuration.workers,
        "store": "postgresql" if configuration.store.startswith("postgres") else "sqlite",
    }


def _where(upstream: "UpstreamConfig") -> str:
    """Who answers. Of a command only the program: its arguments may be secrets."""
    if upstream.served_by == "proxy":
        return "your own proxy, which asks at /auth"
    if upstream.command:
        return f"{upstream.command[0]} …, on its standard input and output"
    socket = f" at {upstream.socket}" if upstream.socket else ""
    return f"{upstream.url}{socket}{', by HTTP+SSE' if upstream.spoken == 'sse' else ''}"


def _print_summary(configuration: "Configuration", file: str, notes: Sequence[str]) -> None:
    from vestibule.config.aggregate_rules import members_of

    say(f"{file} is sound.", style="bold green")
    say(f"  clients reach it at   {configuration.public_url}")
    ends = " (TLS ends here)" if configuration.tls is not None else ""
    by = f", {configuration.workers} workers" if configuration.workers > 1 else ""
    say(f"  it listens on         {configuration.listen}{ends}{by}")
    for one in configuration.upstreams:
        shown = "" if one.credential.kind == "none" else f", shown a {one.credential.kind} credential"
        say(f"  /{one.name}/mcp  →  {_where(one)}  (access {one.access}{shown})")
    if members := members_of(configuration):
        say(f"  /all/mcp  →  {', '.join(members)}")
    for provider in configuration.identity_providers:
        say(f"  people sign in with   {provider.name} ({provider.kind})")
    for issuer in configuration.resource_server.issuers:
        say(f"  tokens accepted of    {issuer.issuer}")
    if configuration.policy is not None:
        say(f"  who may do what       {configuration.policy.file}; try it with vestibule policy test")
    if configuration.tenants is not None:
        by, default = ", ".join(configuration.tenants.order), configuration.tenants.default
        say(f"  tenants               {', '.join(sorted(configuration.named_tenants))}")
        say(f"  by                    {by or 'the default'}; everybody else: {default}")
    for note in notes:
        say(f"  note: {note}", style="yellow")


def _list_environment(*, as_json: bool) -> None:
    from vestibule.config.environment import CONFIG_FILE
    from vestibule.config.foreign import FOREIGN_NAMES

    if as_json:
        print_json(
            [
                {"name": one.name, "key": one.key, "note": one.note, "set": bool(os.environ.get(one.name))}
                for one in FOREIGN_NAMES
            ]
        )
        return
    say("Every key of vestibule.yaml is also a variable; it wins over the file:", style="bold")
    say(f"  {CONFIG_FILE:<38}the file itself")
    for name, key in (
        ("VESTIBULE_LISTEN", "listen"),
        ("VESTIBULE_TOKENS__REFRESH_GRACE", "tokens.refresh_grace"),
        ("VESTIBULE_UPSTREAMS__0__URL", "upstreams[0].url"),
    ):
        say(f"  {name:<38}{key}")
    say("Names that other systems used are taken where the file says nothing:", style="bold")
    for one in FOREIGN_NAMES:
        is_set = "  [set]" if os.environ.get(one.name) else ""
        told = f"{one.key}, {one.note}" if one.key and one.note else one.key or one.note
        say(f"  {one.name:<38}{told}{is_set}")
