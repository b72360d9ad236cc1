"""Rules about upstreams that are commands: what would not start, and what would have no meaning."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.upstreams import StaticCredentialConfig, UpstreamConfig
from vestibule.config.values import write_duration
from vestibule.errors import Fault

_OF_COMMANDS = ("environment", "working_directory", "instances", "idle", "max_instances")


def upstream_is_reached_in_one_way(configuration: Configuration) -> Iterator[Fault]:
    for where, upstream in _upstreams(configuration):
        if upstream.url and upstream.command:
            yield Fault(f"{where}.command", "it has a url as well", "keep the one that the server is reached by")
        elif upstream.command and upstream.served_by == "proxy":
            yield Fault(f"{where}.command", "its calls do not pass here: your proxy relays them", "remove it")
        elif _is_nowhere(upstream):
            yield Fault(
                f"{where}.url",
                "nothing says where the server is",
                "give its url, or a command to start it; or served_by: proxy, if your own proxy relays the calls",
            )


def _is_nowhere(upstream: UpstreamConfig) -> bool:
    is_named = upstream.url or upstream.command or "command" in upstream.model_fields_set
    return upstream.served_by == "gateway" and not is_named


def command_is_a_program(configuration: Configuration) -> Iterator[Fault]:
    for where, upstream in _upstreams(configuration):
        if "command" in upstream.model_fields_set and not any(upstream.command[:1]):
            yield Fault(f"{where}.command", "it is empty", "write the program and its arguments as a list")
        elif any("\0" in word for word in upstream.command):
            yield Fault(f"{where}.command", "no program can be given a NUL", "remove it")
        elif upstream.working_directory and not Path(upstream.working_directory).is_dir():
            yield Fault(f"{where}.working_directory", "there is no such directory", "correct the path")
        elif upstream.command and _program(upstream) is None:
            yield Fault(f"{where}.command[0]", *_why_not(upstream.command[0]))


def _why_not(program: str) -> tuple[str, str]:
    """Reason and fix. The word itself is not repeated: it may hold a secret."""
    if "=" in program:
        fix = "write variables under environment; on the command line: env NAME=value python server.py"
        return "it sets a variable, as a shell would read it, and is no program", fix
    if " " in program:
        fix = "write each word by itself; no shell takes them apart"
        return "there is no such program, with blanks in its name", fix
    return "there is no such program", "install it, or write the whole path of it"


def _program(upstream: UpstreamConfig) -> str | None:
    program, path = upstream.command[0], upstream.environment.get("PATH")
    if Path(program).name != program:
        program = str(Path(upstream.working_directory) / program)
    return shutil.which(program, path=path.reveal() if path is not None else os.environ.get("PATH"))


def keys_of_commands_have_one(configuration: Configuration) -> Iterator[Fault]:
    for where, upstream in _upstreams(configuration):
        if upstream.command:
            continue
        for key in _OF_COMMANDS:
            if key in upstream.model_fields_set:
                yield Fault(f"{where}.{key}", "it is about a command, and there is none", "remove it")


def transport_fits(configuration: Configuration) -> Iterator[Fault]:
    for where, upstream in _upstreams(configuration):
        if upstream.transport == "stdio" and not upstream.command and upstream.url:
            yield Fault(f"{where}.transport", "a url is not spoken to by stdio", "leave it out, or give a command")
        elif upstream.transport != "stdio" and "transport" in upstream.model_fields_set and upstream.command:
            yield Fault(f"{where}.transport", "a command is spoken to by stdio", "leave it out")


def commands_are_shown_nothing(configuration: Configuration) -> Iterator[Fault]:
    for where, upstream in _upstreams(configuration):
        if upstream.command and isinstance(upstream.credential, StaticCredentialConfig):
            yield Fault(
                f"{where}.credential",
                "a command has no headers that it could be shown in",
                "give it in environment, as env: or file:",
            )


def idle_commands_are_kept_a_while(configuration: Configuration) -> Iterator[Fault]:
    shortest, longest = defaults.COMMAND_IDLE_BOUNDS
    for where, upstream in _upstreams(configuration):
        if not shortest <= upstream.idle <= longest:
            yield Fault(
                f"{where}.idle",
                f"it is not between {write_duration(shortest)} and {write_duration(longest)}",
                "choose one in between",
            )


def sessions_stay_with_their_process(configuration: Configuration) -> Iterator[Fault]:
    """A client's connections reach any of several workers, and its session is in one of them."""
    commands = [upstream.name for upstream in configuration.upstreams if upstream.command]
    if configuration.workers > 1 and commands:
        yield Fault(
            "workers",
            f"a session of {commands[0]} is a process of one worker, and the others would not know it",
            "use one worker; a gateway of its own for commands leaves the others as many as they like",
        )


def notes_on_commands(configuration: Configuration) -> list[str]:
    commands = [upstream.name for upstream in configuration.upstreams if upstream.command]
    if configuration.replicas > 1 and commands:
        return [
            f"a session of {', '.join(commands)} is a process of one replica: what balances between them has to send "
            "the same Mcp-Session-Id to the same one"
        ]
    return []


def _upstreams(configuration: Configuration) -> Iterator[tuple[str, UpstreamConfig]]:
    for index, upstream in enumerate(configuration.upstreams):
        yield f"upstreams[{index}]", upstream


COMMAND_RULES = (
    upstream_is_reached_in_one_way,
    command_is_a_program,
    keys_of_commands_have_one,
    transport_fits,
    commands_are_shown_nothing,
    idle_commands_are_kept_a_while,
    sessions_stay_with_their_process,
)
