"""YAML read in one way only.

Only what YAML 1.2's core schema calls a number, a truth value or null is one: `no`, `08:30` and `2026-07-28` are text.
A key that stands twice, an anchor or an alias is a fault, because different eyes read it differently (or it costs
gigabytes), and so is a key that is not text, a tag, or a second document.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vestibule.config.paths import KeyPath, dotted
from vestibule.errors import Fault

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32

_TAG = "tag:yaml.org,2002:"
_CORE_SCHEMA = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), "~nN"),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), "tTfF"),
    ("int", re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+)\Z"), "-+0123456789"),
    ("float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z"), "-+.0123456789"),
)


@dataclass(slots=True)
class Document:
    """What a text says: its values, on which line each key stands, and what is wrong with it."""

    values: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """SafeLoader's grammar with the core schema's scalars, and no anchors."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as PyYAML has it

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases (&name, *name) are not used here; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


for _name, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(_TAG + _name, _pattern, list(_first) + ([""] if _name == "null" else []))


def read_yaml(text: str, where: str) -> Document:
    """The document in `text`. `where` names it in faults: a file, or a variable."""
    document = Document()
    try:
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        place = f"{where}:{error.problem_mark.line + 1}" if error.problem_mark is not None else where
        document.faults.append(Fault(place, f"the YAML cannot be read: {error.problem}", "correct it there"))
    except yaml.YAMLError:
        document.faults.append(Fault(where, "it has characters that YAML does not allow", "save it as UTF-8 text"))
    except RecursionError:
        document.faults.append(Fault(where, "it is nested too deeply", "see docs/configuration.md for its form"))
    else:
        if node is not None:
            document.values = _value(node, (), document, where)
    return document


def _value(node: yaml.Node, path: KeyPath, document: Document, where: str) -> Any:
    place = f"{where}:{node.start_mark.line + 1}"
    document.lines.setdefault(dotted(path), node.start_mark.line + 1)
    if len(path) > MAX_DEPTH:
        document.faults.append(Fault(place, "it is nested too deeply", "see docs/configuration.md for its form"))
        return None
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(node, path, document, where)
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
        return [_value(item, (*path, index), document, where) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.tag.startswith(_TAG):
        return _scalar(node, place, document)
    document.faults.append(Fault(place, "a tag (!name) is not used here", "remove it"))
    return None


def _mapping(node: yaml.MappingNode, path: KeyPath, document: Document, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str":
            document.faults.append(Fault(f"{where}:{line}", "a key is text", "put it in quotes"))
            continue
        key = key_node.value
        here = (*path, key)
        if key in found:
            document.faults.append(_twice(here, line, document))
            continue
        document.lines[dotted(here)] = line
        found[key] = _value(value_node, here, document, where)
    return found


def _twice(path: KeyPath, line: int, document: Document) -> Fault:
    first = document.lines[dotted(path)]
    if path[:2] == ("tenants", "domains"):
        return Fault(dotted(path), f"the domain is in two tenants (lines {first} and {line})", "give it to one")
    return Fault(dotted(path), f"the key stands twice (lines {first} and {line})", "keep one of them")


def _scalar(node: yaml.ScalarNode, place: str, document: Document) -> Any:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        case "float":
            return float(text)
    document.faults.append(Fault(place, "a tag (!name) is not used here", "remove it"))
    return None


def read_file(path: Path) -> Document:
    """The file's mapping; a file that cannot be read is a document with a fault."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return _unreadable(path, "there is no such file", "name the file with --config, or use --upstream URL")
    except OSError as error:
        return _unreadable(path, f"the file cannot be read ({error.strerror})", "check its owner and mode")
    except UnicodeDecodeError:
        return _unreadable(path, "the file is not UTF-8", "save it as UTF-8 text")
    if len(content) > MAX_BYTES:
        return _unreadable(path, "the file is larger than any configuration", "check the path")
    document = read_yaml(text, path.name)
    if document.values is None and not document.faults:
        document.values = {}
    if not isinstance(document.values, dict) and not document.faults:
        return _unreadable(path, "the file is not a mapping of keys", "begin with public_url: or upstreams:")
    return document


def _unreadable(path: Path, reason: str, fix: str) -> Document:
    return Document(faults=[Fault(str(path), reason, fix)])
