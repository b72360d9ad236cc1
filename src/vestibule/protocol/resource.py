"""Resource identifiers (RFC 8707, RFC 9728): which of ours a request means.

Comparison is of strings, after folding what RFC 3986 §6.2.2.1 calls equal without doubt: the case of scheme and host,
and a default port. Paths are compared to the letter.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from vestibule.errors import InvalidTarget
from vestibule.model import Resource

_DEFAULT_PORTS = {"https": 443, "http": 80}


def find_resource(requested: Sequence[str], resources: Sequence[Resource]) -> Resource:
    """The one resource that a request's `resource` parameters name. Raises `InvalidTarget`.

    None at all (a client of 2025-03-26) means the first resource when it is the only one to mean.
    """
    if len(requested) > 1 and len(set(requested)) > 1:
        raise InvalidTarget("One access token is for one resource; this request names several.")
    if not requested:
        default = default_resource(resources)
        if default is None:
            raise InvalidTarget(
                "The request does not say which resource the token is for.",
                action=f"Send resource= with one of: {_names(resources)}.",
            )
        return default
    wanted = fold(requested[0])
    for resource in resources:
        if wanted == fold(resource.identifier) or wanted in map(fold, resource.aliases):
            return resource
    raise InvalidTarget("There is no such resource here.", action=f"There are: {_names(resources)}.")


def default_resource(resources: Sequence[Resource]) -> Resource | None:
    """What a request without `resource` means: the only upstream's shortest address, or nothing."""
    resources = [resource for resource in resources if not resource.must_be_named]
    if len({resource.upstream.name for resource in resources}) != 1:
        return None
    return min(resources, key=lambda resource: len(resource.path))


def fold(identifier: str) -> str:
    """The identifier with scheme and host in lower case and without a default port; anything unreadable as it came."""
    try:
        parts = urlsplit(identifier)
        port = parts.port
    except ValueError:
        return identifier
    if "@" in parts.netloc or "#" in identifier or not parts.hostname:
        return identifier
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def is_same_resource(left: str, right: str) -> bool:
    return fold(left) == fold(right)


def _names(resources: Sequence[Resource]) -> str:
    return ", ".join(resource.identifier for resource in resources[:10])
