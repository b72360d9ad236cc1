"""PyPI's mcp-proxy, without any authentication. It bridges HTTP and stdio, so between two HTTP sides there are two of
it, back to back; both are counted. It speaks the eras up to 2025-11-25.
"""

from bench.machine import Program, free_port
from bench.peers.environments import environment
from bench.peers.stage import Running, Stage

VERSION = "0.13.0"


def start(stage: Stage) -> Running:
    """Raises `Missing`."""
    program = str(environment(stage.cache, "mcp-proxy", [f"mcp-proxy=={VERSION}"]) / "mcp-proxy")
    port = free_port()
    quiet = ["--log-level", "ERROR"]
    outside = [program, "--port", str(port), "--stateless", *quiet]
    inside = [program, *quiet, "--transport", "streamablehttp", f"http://127.0.0.1:{stage.upstream}/mcp"]
    running = Program([*outside, "--", *inside], stage.folder, cores=stage.cores)
    running.wait_for(port, 60)
    return Running(port, running, version="2025-11-25")
