"""Where clients of the old HTTP+SSE transport find the upstreams: beside each …/mcp an …/sse, with its …/message."""

from collections.abc import Sequence

from vestibule.config import Configuration
from vestibule.model import Resource


def sse_resources(configuration: Configuration, resources: Sequence[Resource]) -> tuple[Resource, ...]:
    """Resources of their own, with tokens of their own. Who names none means the …/mcp beside it."""
    relayed = (one for one in resources if one.upstream.served_by == "gateway")
    return tuple(map(_beside, relayed)) if configuration.serves_sse_clients else ()


def _beside(resource: Resource) -> Resource:
    identifier, path = resource.identifier.removesuffix("/mcp"), resource.path.removesuffix("/mcp")
    return Resource(
        f"{identifier}/sse", f"{path}/sse", resource.upstream, must_be_named=True, message_path=f"{path}/message"
    )
