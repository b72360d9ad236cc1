"""`vestibule key`: the keys that everything is sealed and signed with."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestibule.cli.operate import ConfigOption, JsonOption, configuration, show
from vestibule.cli.output import say

if TYPE_CHECKING:
    from vestibule.keys import KeyStatus

app = typer.Typer(help="The keys that everything is sealed and signed with.", no_args_is_help=True)


@app.command("list")
def list_keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The keys, newest first: published, used, old, retired."""
    from vestibule.keys import read_roots, status

    show(
        [_row(one) for one in status(read_roots(_file(config)), now=datetime.now(UTC))],
        as_json=as_json,
        empty="There is no key yet: the first start makes one.",
    )


@app.command("rotate")
def rotate_keys(
    config: ConfigOption = None,
    now: Annotated[
        bool, typer.Option("--now", help="For a key that others may know: a new one at once, the rest retired.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish a new key; it is used ten minutes later, and the old one is retired two days after that.

    Running processes take it up within seconds. Nobody is signed out; with --now, clients refresh within two minutes.
    """
    from vestibule.keys import read_roots, replace_leaked, rotate, status, write_roots

    file, moment = _file(config), datetime.now(UTC)
    before = read_roots(file)
    after = (replace_leaked if now else rotate)(before, os.urandom, now=moment)
    write_roots(file, after, expected=before, entropy=os.urandom)
    keys = status(after, now=moment)
    if as_json:
        show([_row(one) for one in keys], as_json=True, empty="")
        return
    newest = keys[0]
    say(f"The key {newest.key_id} is {newest.phase}.", style="bold green")
    if newest.phase == "published" and newest.used_from is not None:
        say(f"  It is used from {newest.used_from:%H:%M:%S UTC} on; by then every process must have read {file}.")
        say("  Replicas with files of their own need this file before that.")
    if (end := keys[-1].retired_at) is not None:
        say(f"  The keys before it open nothing any more after {end:%Y-%m-%d %H:%M:%S UTC}.")
    say("  Make a backup of the file.")


def _row(one: "KeyStatus") -> dict[str, object]:
    return {
        "key_id": one.key_id,
        "phase": one.phase,
        "created_at": one.created_at,
        "used_from": one.used_from,
        "retired_at": one.retired_at,
    }


def _file(config: Path | None) -> Path:
    from vestibule.errors import StartError

    read = configuration(config)
    if read.secret_key is not None:
        raise StartError(
            "The root secret stands in the configuration, so there is no key file to rotate.",
            action="Put the new secret into keys.previous on every replica first; then make it keys.secret, and put "
            "the old one into keys.previous for two days.",
        )
    file = Path(read.keys.file)
    if not file.exists():
        raise StartError(f"There is no key ring at {file} yet.", action="The first start of the server makes it.")
    return file
