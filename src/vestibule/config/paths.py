"""Where a value stands in the document, and how that is written: upstreams[0].url."""

from collections.abc import Iterator
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]


def dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def walk(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value below `node` with its path, parents before children. The document may be changed meanwhile."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list):
        items = list(enumerate(node))
    for part, value in items:
        yield (*path, part), value
        yield from walk(value, (*path, part))


def parent_of(document: Any, path: KeyPath) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def remove(document: Any, path: KeyPath) -> None:
    """Take a key out of its mapping. Items of lists stay, so that the others keep their places."""
    parent = parent_of(document, path)
    if isinstance(parent, dict):
        parent.pop(path[-1], None)


def is_under(key: str, parent: str) -> bool:
    return key == parent or key.startswith((f"{parent}.", f"{parent}["))
