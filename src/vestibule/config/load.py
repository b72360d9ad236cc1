"""From the operator's file, environment and command line to a `Configuration`, or to all of its faults at once.

file → environment → command line      later wins
never allowed → comes later → empty    taken out, each with its fault
types → rules between keys             what cannot be read is set aside, so that the rules see the rest
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from vestibule.config import defaults
from vestibule.config.addresses import is_loopback_host
from vestibule.config.checks import check_configuration
from vestibule.config.environment import CONFIG_FILE, overlay_environment
from vestibule.config.faults import faults_of
from vestibule.config.later import take_what_comes_later
from vestibule.config.models import Configuration
from vestibule.config.never import faults_of_dangerous_forms, take_what_is_never_allowed
from vestibule.config.paths import dotted, is_under, remove, walk
from vestibule.config.provider_environment import overlay_provider_environment
from vestibule.config.salvage import salvage
from vestibule.config.secrets import SecretReader
from vestibule.config.yaml_file import read_file
from vestibule.errors import ConfigurationError, Fault

DEFAULT_FILE = Path("vestibule.yaml")
COMMAND_LINE = "the command line"


def load(
    *,
    file: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    i_know: bool = False,
) -> Configuration:
    """The configuration. Raises `ConfigurationError` with every fault.

    `file`: None means VESTIBULE_CONFIG, then ./vestibule.yaml when there is one. `overrides`: from the command line, in
    the form of the file; a list replaces the file's. `i_know`: the operator accepts an upstream that is open to
    everybody off loopback.
    """
    document, sources, faults = _read(file, environ, overrides or {})
    faults += faults_of_dangerous_forms(document)
    faults += take_what_is_never_allowed(document)
    faults += take_what_comes_later(document)
    told = {fault.key for fault in faults}
    faults += [fault for fault in _take_what_is_empty(document) if fault.key not in told]
    configuration, more = _validate(document, environ)
    faults = list(dict.fromkeys(faults))
    faults += [fault for fault in more if fault.key not in {known.key for known in faults}]
    if configuration is not None:
        faults += _not_about(faults, check_configuration(configuration, i_know=i_know))
    if faults or configuration is None:
        raise ConfigurationError(_in_order(faults, sources))
    return configuration


def file_to_read(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Which file `load` reads, if any."""
    if file is not None:
        return file
    if environ.get(CONFIG_FILE, "").strip():
        return Path(environ[CONFIG_FILE])
    return DEFAULT_FILE if DEFAULT_FILE.exists() else None


def _read(
    file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str], list[Fault]]:
    """The three sources laid over each other, where each key comes from, and what could not be read."""
    document: dict[str, Any] = {}
    sources: dict[str, str] = {}
    faults: list[Fault] = []
    if CONFIG_FILE in environ and not environ[CONFIG_FILE].strip():
        faults.append(Fault(CONFIG_FILE, "the variable is empty", "unset it, or name a file"))
    path = file_to_read(file, environ)
    if path is not None:
        read = read_file(path)
        faults += read.faults
        if not isinstance(read.values, dict):  # nothing can be said about the rest
            raise ConfigurationError(tuple(faults))
        document = read.values
        sources = {key: f"{path.name}:{line}" for key, line in read.lines.items() if key}
    faults += overlay_environment(document, environ, sources)
    _lay_over(document, overrides)
    faults += overlay_provider_environment(document, environ, sources)
    sources |= {dotted(key): COMMAND_LINE for key, _ in walk(overrides)}
    return document, sources, faults


def _lay_over(document: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    for key, value in overrides.items():
        if isinstance(value, Mapping) and isinstance(document.get(key), dict):
            _lay_over(document[key], value)
        else:
            document[key] = deepcopy(value)


def _take_what_is_empty(document: dict[str, Any]) -> list[Fault]:
    """`client_secret:` with nothing behind it is a mistake, not a decision."""
    faults = []
    for path, value in list(walk(document)):
        if value is None or (isinstance(value, str) and not value.strip()) or value in ([], {}):
            faults.append(Fault(dotted(path), "it is empty", "give it a value, or leave it out"))
            remove(document, path)
    return faults


def _validate(document: dict[str, Any], environ: Mapping[str, str]) -> tuple[Configuration | None, list[Fault]]:
    """The configuration, or what could be saved of it, with the faults."""
    context = {"read_secret": SecretReader(environ, literals=_is_for_this_computer(document))}
    try:
        return Configuration.model_validate(document, context=context), []
    except ValidationError as error:
        faults = list(faults_of(error, document))
        return salvage(deepcopy(document), error, context), faults


def _is_for_this_computer(document: Mapping[str, Any]) -> bool:
    """Whether a secret may stand in the file itself: only where the file serves this computer alone."""
    listen = document.get("listen", defaults.LISTEN)
    url = document.get("public_url", f"http://{listen}")
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return False
    return is_loopback_host(host or "")


def _not_about(faults: Iterable[Fault], more: Iterable[Fault]) -> list[Fault]:
    """What the rules found, without what they say of keys that were replaced because they could not be read."""
    known = [fault.key for fault in faults]
    return [fault for fault in more if not any(is_under(fault.key, key) or is_under(key, fault.key) for key in known)]


def _in_order(faults: Sequence[Fault], sources: Mapping[str, str]) -> tuple[Fault, ...]:
    """Each with its place: the file's from top to bottom, then those of other files (rules)."""
    ours = sorted((_with_source(fault, sources) for fault in faults if not fault.source), key=_line_of)
    return (*ours, *sorted((fault for fault in faults if fault.source), key=_line_of))


def _with_source(fault: Fault, sources: Mapping[str, str]) -> Fault:
    """The file and line, or the variable, that the key (or what it stands in) comes from."""
    key = fault.key
    while key:
        if key in sources:
            return Fault(fault.key, fault.reason, fault.fix, sources[key])
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return fault


def _line_of(fault: Fault) -> int:
    """In the order of the file; what came from elsewhere follows."""
    line = fault.source.rpartition(":")[2]
    return int(line) if line.isdecimal() else sys.maxsize
