"""What is measured: us, the others, and the upstream itself. One module each; `start` starts it on a stage."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench.peers import contextforge, fastmcp, haproxy, mcp_proxy, nginx, vestibule
from bench.peers.stage import Running, Stage


def direct(stage: Stage) -> Running:
    """Nothing in between."""
    return Running(stage.upstream, None)


_HERE = Path(__file__).parent
DENIED = {"audit": {"calls": "denied"}}
PEERS: Mapping[str, Callable[[Stage], Running]] = {
    "direct": direct,
    "nginx": nginx.start,
    "haproxy": partial(haproxy.start, algorithm="RS256"),
    "haproxy ES256": partial(haproxy.start, algorithm="ES256"),
    "haproxy HS256": partial(haproxy.start, algorithm="HS256"),
    "vestibule": vestibule.start,
    "vestibule, calls: denied": partial(vestibule.start, keys=DENIED),
    "with rules": partial(vestibule.start, keys={**DENIED, "policy": {"file": str(_HERE / "rules.yaml")}}),
    "with scopes of tools": partial(vestibule.start, keys=DENIED, scopes={"tools": {"create_*": ["mcp.write"]}}),
    "fastmcp, as shipped": partial(fastmcp.start, form="shipped"),
    "fastmcp, tuned": partial(fastmcp.start, form="tuned"),
    "mcp-proxy": mcp_proxy.start,
    "contextforge": contextforge.start,
}
