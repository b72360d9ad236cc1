"""From the operator's file, environment and command line to a `Configuration`, or to all of its faults at once."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vestibule.config import defaults
from vestibule.config.checks import check_configuration
from vestibule.config.later import faults_of_later_keys
from vestibule.config.models import Configuration
from vestibule.config.sources import SecretReader, overlay_environment, read_file
from vestibule.config.values import is_loopback_host
from vestibule.errors import ConfigurationError, Fault

DEFAULT_FILE = Path("vestibule.yaml")
_TAGS = frozenset({"oidc", "development", "none", "static"})


def load(
    *,
    file: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    i_know: bool = False,
) -> Configuration:
    """The configuration. Raises `ConfigurationError` with every fault.

    `file`: None means VESTIBULE_CONFIG, then ./vestibule.yaml when there is one. `overrides`: from the command line.
    `i_know`: the operator accepts an upstream that is open to everybody off loopback.
    """
    path = file or (Path(environ["VESTIBULE_CONFIG"]) if environ.get("VESTIBULE_CONFIG") else None)
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    document = read_file(path) if path is not None else {}
    faults = overlay_environment(document, environ)
    document.update(overrides or {})
    faults += faults_of_later_keys(document)
    faults += _empty_values(document, ())
    configuration = None
    try:
        reader = SecretReader(environ, literals=_is_loopback(document))
        configuration = Configuration.model_validate(document, context={"read_secret": reader})
    except ValidationError as error:
        faults += [_fault(details) for details in error.errors(include_url=False, include_input=False)]
    if configuration is not None:
        faults += check_configuration(configuration, i_know=i_know)
    if faults or configuration is None:
        raise ConfigurationError(_once(faults))
    return configuration


def _is_loopback(document: Mapping[str, Any]) -> bool:
    """Whether a secret may stand in the file itself: only where the file is for this computer alone."""
    listen = document.get("listen", defaults.LISTEN)
    url = document.get("public_url") or f"http://{listen}"
    if not isinstance(listen, str) or not isinstance(url, str):
        return False
    return is_loopback_host(listen.rpartition(":")[0].strip("[]")) and is_loopback_host(urlsplit(url).hostname or "")


def _empty_values(node: Any, where: tuple[str | int, ...]) -> list[Fault]:
    """`client_secret:` with nothing behind it is a mistake, not a decision."""
    if isinstance(node, dict):
        return [fault for key, value in node.items() for fault in _empty_values(value, (*where, key))]
    if isinstance(node, list):
        return [fault for index, value in enumerate(node) for fault in _empty_values(value, (*where, index))]
    if node is None or node == "":
        return [Fault(dotted(where), "the key is empty", "give it a value, or leave the key out")]
    return []


def dotted(where: tuple[str | int, ...]) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(file)"


def _fault(details: ErrorDetails) -> Fault:
    where = tuple(part for part in details["loc"] if part not in _TAGS)
    key = dotted(where)
    match details["type"]:
        case "extra_forbidden":
            return Fault(key, "this key is not known", _did_you_mean(where))
        case "missing":
            return Fault(key, "this key is missing", "add it; `vestibule config schema` tells what belongs there")
        case "union_tag_invalid" | "union_tag_not_found" | "literal_error":
            expected = details.get("ctx", {}).get("expected") or details.get("ctx", {}).get("expected_tags", "")
            return Fault(key, "this value is not one of those there are", f"use one of: {expected}")
        case "value_error":
            reason = str(details["ctx"]["error"])
            return Fault(key, f"it {reason}", "correct it")
        case _:
            return Fault(key, details["msg"][:1].lower() + details["msg"][1:], "correct it")


def _did_you_mean(where: tuple[str | int, ...]) -> str:
    names = {name for model in _models(Configuration) for name in model.model_fields}
    close = difflib.get_close_matches(str(where[-1]), sorted(names), n=1)
    return f"did you mean {close[0]}?" if close else "remove it; `vestibule config schema` lists the keys"


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    from vestibule.config import models

    return [model, *(kind for kind in vars(models).values() if isinstance(kind, type) and issubclass(kind, BaseModel))]


def _once(faults: list[Fault]) -> tuple[Fault, ...]:
    """One fault a key: an empty value is also of the wrong type, and saying it twice helps nobody."""
    kept: dict[str, Fault] = {}
    for fault in faults:
        kept.setdefault(fault.key, fault)
    return tuple(kept.values())
