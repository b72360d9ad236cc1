"""Going on after a fault, so that an operator reads all of them at once and not one a start.

What cannot be read is taken out, or replaced by something harmless where it cannot be left out; then the rest is read
again. What comes of it is for finding more faults only: it is thrown away.
"""

from typing import Any

from pydantic import ValidationError

from vestibule.config.models import Configuration
from vestibule.config.paths import KeyPath, parent_of, remove
from vestibule.model import Secret

_ROUNDS = 4
_SECRET = Secret("a placeholder that nothing is opened with")


def put_placeholder(document: Any, path: KeyPath) -> bool:
    """Replace what stands at `path`, an item of one of our lists or a key that must be there; False: nothing fits."""
    index = next((part for part in reversed(path) if isinstance(part, int)), 0)
    found = _placeholder(path, index)
    if found is None:
        return False
    parent_of(document, path)[path[-1]] = found
    return True


def _placeholder(path: KeyPath, index: int) -> Any:
    match path:
        case ("upstreams", int()):
            return {"name": f"unnamed-{index}", "url": "https://unnamed.invalid/mcp"}
        case ("identity_providers", int()):
            return {
                "kind": "oidc",
                "name": f"unnamed-{index}",
                "issuer": "https://unnamed.invalid",
                "client_id": f"unnamed-{index}",
            }
        case ("clients", int()):
            return {"client_id": f"unnamed-{index}", "redirect_uris": ["https://unnamed.invalid/callback"]}
        case (*_, "credential", "value"):
            return _SECRET
        case (str() as kind, int(), str() as key):
            return (_placeholder((kind, index), index) or {}).get(key)
    return None


def salvage(document: dict[str, Any], error: ValidationError, context: dict[str, Any]) -> Configuration | None:
    """What is left of `document` without what `error` tells of; None when too little is. Changes the document."""
    for _ in range(_ROUNDS):
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        for path in _outermost([_what_to_take(place_of(document, details["loc"])) for details in errors]):
            _take_out(document, path)
        try:
            return Configuration.model_validate(document, context=context)
        except ValidationError as another:
            error = another
    return None


def _outermost(paths: list[KeyPath]) -> list[KeyPath]:
    """Each once, without what stands in another: that goes with it."""
    return [path for path in dict.fromkeys(paths) if not any(path[:end] in paths for end in range(len(path)))]


def _what_to_take(path: KeyPath) -> KeyPath:
    """A provider without the secret or the tenant that could not be read is another one: the rules do not see it."""
    match path:
        case ("identity_providers", int(), str() as key, *_) if key.startswith(("client_", "tenant")):
            return path[:2]
    return path


def _take_out(document: dict[str, Any], path: KeyPath) -> None:
    try:
        if not path or put_placeholder(document, path):
            return
        parent = parent_of(document, path)
    except (KeyError, IndexError, TypeError):
        return
    if isinstance(parent, list):
        _take_out(document, path[:-1])  # the whole list: its items have no placeholder, and must keep their places
    elif isinstance(parent, dict) and path[-1] in parent:
        remove(document, path)
    else:
        _take_out(document, path[:-1])  # what it stands in cannot be without it


def place_of(document: Any, location: tuple[int | str, ...]) -> KeyPath:
    """The path in the file of a pydantic location, which also names the member of a union (`oidc`)."""
    path: list[int | str] = []
    node = document
    for part in location:
        if part == "[key]" and not (isinstance(node, dict) and part in node):
            break  # the key itself is wrong, not its value
        if isinstance(node, dict) and part not in node and part == node.get("kind"):
            continue
        path.append(part)
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            node = None
    return tuple(path)
