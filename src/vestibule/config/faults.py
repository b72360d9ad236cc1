"""Pydantic's errors in the operator's words: which key, what is wrong, what to do. No value is ever repeated."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vestibule.config.models import Configuration
from vestibule.config.paths import KeyPath, dotted
from vestibule.config.salvage import place_of
from vestibule.config.values import WRONG
from vestibule.errors import Fault

_OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys("host port bind address listen_address".split(), "listen"),
    **dict.fromkeys("issuer base_url external_url url public_base_url".split(), "public_url"),
    **dict.fromkeys("upstream servers mcp_servers backends backend".split(), "upstreams"),
    **dict.fromkeys("providers identity_provider idp idps oidc".split(), "identity_providers"),
    **dict.fromkeys("database database_url db storage".split(), "store"),
    **dict.fromkeys("cors allowed_origins cors_allowed_origins".split(), "origins"),
    **dict.fromkeys("log_level log loglevel".split(), "logging.level"),
    **dict.fromkeys("secret root_secret key master_key".split(), "keys.secret"),
    **dict.fromkeys("dcr dynamic_client_registration".split(), "registration"),
    **dict.fromkeys("cimd client_id_metadata_documents".split(), "client_documents"),
    **dict.fromkeys("redis cache".split(), "shared"),
    "session": "tokens.session_lifetime",
    "limits_http": "http",
}

_WORDS: Mapping[str, tuple[str, str]] = {
    "string_type": ("it is not text", "put it in quotes"),
    "bool_parsing": ("it is neither true nor false", "write true or false"),
    "bool_type": ("it is neither true nor false", "write true or false"),
    "int_parsing": ("it is not a whole number", "write digits only"),
    "int_type": ("it is not a whole number", "write digits only"),
    "int_from_float": ("it is not a whole number", "write digits only"),
    "tuple_type": ("it is not a list", "write it as [one, two], or one below the other with hyphens"),
    "dict_type": ("it is not a mapping of keys", "write keys and values below it, indented"),
    "model_type": ("it is not a mapping of keys", "write keys and values below it, indented"),
    "model_attributes_type": ("it is not a mapping of keys", "write keys and values below it, indented"),
    "string_too_short": ("it is empty", "give it a value, or leave the key out"),
    "too_short": ("it has too few items", "name at least one"),
    "string_too_long": ("it is too long", "shorten it"),
}


def faults_of(error: ValidationError, document: Any, root: type[BaseModel] = Configuration) -> Iterator[Fault]:
    """`root`: the model of the whole document."""
    found = error.errors(include_url=False, include_input=False)
    for details in found:
        if details["type"] == "too_short" and any(_is_below(other["loc"], details["loc"]) for other in found):
            continue  # its items cannot be read, and are told of
        yield _fault(details, place_of(document, details["loc"]), root)


def _is_below(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> bool:
    return len(one) > len(other) and one[: len(other)] == other


def _fault(details: ErrorDetails, path: KeyPath, root: type[BaseModel]) -> Fault:
    key, context = dotted(path), details.get("ctx", {})
    match details["type"]:
        case str() as kind if kind == WRONG:
            return Fault(key, context["reason"], context["fix"])
        case "extra_forbidden":
            return Fault(key, "this key is not known", _did_you_mean(path, root))
        case "missing":
            return Fault(key, "this key is missing", f"add it{_for_example(path, root)}")
        case "union_tag_not_found":
            return Fault(f"{key}.kind", "this key is missing", "say which kind it is")
        case "union_tag_invalid":
            return Fault(f"{key}.kind", "there is no such kind", f"use one of: {_choices(context['expected_tags'])}")
        case "literal_error":
            return Fault(key, "it is none of the values there are", f"use {_choices(context['expected'])}")
        case "string_pattern_mismatch" if path[-1] == "name":
            return Fault(key, "it is not a name", "use a to z, 0 to 9 and hyphens within, at most 40 characters")
        case "string_pattern_mismatch":
            return Fault(key, "it has characters that do not belong there", f"correct it{_for_example(path, root)}")
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            limit = context.get("ge", context.get("le", context.get("gt", context.get("lt"))))
            smaller = details["type"].startswith("greater")
            return Fault(key, "it is too small" if smaller else "it is too large", f"the limit is {limit}")
        case str() as kind if kind in _WORDS:
            reason, fix = _WORDS[kind]
            return Fault(key, reason, f"{fix}{_for_example(path, root)}")
    return Fault(key, "it cannot be read", f"see docs/configuration.md{_for_example(path, root)}")


def _choices(expected: Any) -> str:
    return str(expected).replace("'", "")


def _for_example(path: KeyPath, root: type[BaseModel]) -> str:
    found = field_at(path, root)
    if found is None or not found.examples or not isinstance(found.examples[0], str | int):
        return ""
    return f", for example {path[-1]}: {found.examples[0]}"


def _did_you_mean(path: KeyPath, root: type[BaseModel]) -> str:
    import difflib  # only where something is wrong

    name = str(path[-1])
    here = _keys_beside(path, root)
    close = difflib.get_close_matches(name.lower().replace("-", "_"), here, n=1, cutoff=0.7)
    if close:
        return f"did you mean {close[0]}?"
    if root is Configuration and len(path) == 1 and name.lower() in _OTHER_NAMES:
        return f"did you mean {_OTHER_NAMES[name.lower()]}?"
    return f"remove it; the keys there are {', '.join(here)}" if here else "remove it"


def _keys_beside(path: KeyPath, root: type[BaseModel]) -> list[str]:
    names: set[str] = set()
    for model in models_at(path[:-1], root):
        names.update(field.alias or name for name, field in model.model_fields.items())
    return sorted(names)


def field_at(path: KeyPath, root: type[BaseModel] = Configuration) -> FieldInfo | None:
    if not path or not isinstance(path[-1], str):
        return None
    fields = (named for model in models_at(path[:-1], root) for named in model.model_fields.items())
    return next((field for name, field in fields if (field.alias or name) == path[-1]), None)


def models_at(path: KeyPath, root: type[BaseModel] = Configuration) -> list[type[BaseModel]]:
    """The models whose keys may stand at `path`: several where there are several kinds."""
    models: list[type[BaseModel]] = [root]
    for part in path:
        if isinstance(part, str):
            annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
            models = [found for annotation in annotations for found in models_in(annotation)]
    return models


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names: itself, or within tuples and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or isinstance(annotation, UnionType) or annotation is Union:
        for argument in get_args(annotation):
            yield from models_in(argument)
