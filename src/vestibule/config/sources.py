"""Where values come from: a YAML file, the environment, files and variables that hold secrets.

YAML is read strictly: a key that stands twice, an anchor or an alias is a fault, because it is read differently by
different eyes (or costs gigabytes). The environment is an argument; nothing here looks at os.environ.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vestibule.errors import ConfigurationError, Fault
from vestibule.model import Secret

PREFIX = "VESTIBULE_"
NOT_CONFIGURATION = frozenset({"VESTIBULE_CONFIG"})

# The names that other systems used for the same things (interface.md §2); the rest of theirs come with their features.
FOREIGN_NAMES: Mapping[str, str] = {
    "MCP_HTTP_DATABASE_CONNECTION_STRING": "store",
    "DATABASE_URL": "store",
    "LOG_LEVEL": "logging.level",
}
FOREIGN_LATER = (
    "AUTH_MODE RESOURCE_IDENTIFIER ALLOWED_ISSUERS JWKS_CACHE_TTL SCOPES_SUPPORTED CHECKLIST_DIR PROCESS_DIR MCP_PORT "
    "AZURE_CLIENT_ID AZURE_TENANT_ID MCP_HTTP_GOOGLE_CLIENT_ID MCP_HTTP_GOOGLE_CLIENT_SECRET MCP_HTTP_AUTH0_DOMAIN "
    "MCP_HTTP_AUTH0_AUDIENCE MCP_HTTP_GITHUB_ENABLED MCP_HTTP_API_KEY MCP_HTTP_API_KEYS MCP_HTTP_ENVIRONMENT "
    "MCP_HTTP_HOST MCP_HTTP_PORT MCP_HTTP_TLS_CERT_PATH MCP_HTTP_TLS_KEY_PATH MCP_HTTP_CORS_ORIGINS"
).split()


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without anchors, aliases and repeated keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not used here", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key is a string", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_file(path: Path) -> dict[str, Any]:
    """The file's mapping. Raises `ConfigurationError`."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise _fault(
            str(path), "there is no such file", "name the file with --config, or use --upstream URL"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(str(path), "the file cannot be read", "make it readable for this user, in UTF-8") from error
    try:
        document = yaml.load(text, _StrictLoader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise _fault(where, str(error.problem), "correct the YAML") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise _fault(str(path), "it is not YAML", "correct the YAML") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _fault(str(path), "it is not a mapping of keys", "begin with public_url: or upstreams:")
    return document


def overlay_environment(document: dict[str, Any], environ: Mapping[str, str]) -> list[Fault]:
    """Put VESTIBULE_A__B=value into `document`; returns the faults."""
    faults = []
    for name in sorted(environ):
        if name in FOREIGN_NAMES and environ[name]:
            _set_default(document, FOREIGN_NAMES[name].split("."), _foreign(name, environ[name]))
        if not name.startswith(PREFIX) or name in NOT_CONFIGURATION:
            continue
        if not environ[name]:
            faults.append(Fault(name, "the variable is empty", "unset it, or give it a value"))
            continue
        try:
            value = yaml.load(environ[name], _StrictLoader)  # noqa: S506
        except yaml.YAMLError:
            value = environ[name]
        if not _put(document, name.removeprefix(PREFIX).lower().split("__"), value):
            faults.append(Fault(name, "it does not fit what the file says", "set the key in one place"))
    return faults


def _foreign(name: str, value: str) -> str:
    return value.lower() if name == "LOG_LEVEL" else value


def _set_default(document: dict[str, Any], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        document = document.setdefault(key, {})
    document.setdefault(keys[-1], value)


def _put(node: Any, keys: list[str], value: Any) -> bool:
    """Set one value deep inside; numbers are places in a list, which may grow by one."""
    key, rest = keys[0], keys[1:]
    if isinstance(node, list):
        if not key.isdigit() or int(key) > len(node):
            return False
        if int(key) == len(node):
            node.append({} if rest else value)
        if rest:
            return _put(node[int(key)], rest, value)
        node[int(key)] = value
        return True
    if not isinstance(node, dict):
        return False
    if not rest:
        node[key] = value
        return True
    if key not in node:
        node[key] = [] if rest[0].isdigit() else {}
    return _put(node[key], rest, value)


class SecretReader:
    """Resolves `file:` and `env:` references. What it raises never repeats a value."""

    def __init__(self, environ: Mapping[str, str], *, literals: bool) -> None:
        self._environ = environ
        self._literals = literals

    def __call__(self, reference: str) -> Secret:
        kind, _, name = reference.partition(":")
        if kind == "env":
            if not self._environ.get(name):
                raise ValueError(f"names the environment variable {name}, which is not set or empty")
            return Secret(self._environ[name])
        if kind == "file":
            return Secret(_read_secret_file(Path(name)))
        if not self._literals:
            raise ValueError("is a secret in the file itself; write env:NAME or file:/path")
        return Secret(reference)


def _read_secret_file(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise ValueError(f"names a file that cannot be opened ({error.strerror}); it must not be a link") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
            raise ValueError(f"names a file that others may read; run: chmod 600 {path}")
        try:
            text = file.read(64 * 1024).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError("names a file that is not text") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError("names an empty file")
    return text


def _fault(key: str, reason: str, fix: str) -> ConfigurationError:
    return ConfigurationError((Fault(key, reason, fix),))
