"""FastMCP 4's proxy (`create_proxy`), without any authentication: see fastmcp_program.py for its two forms."""

from pathlib import Path
from typing import Literal

from bench.machine import Program, free_port
from bench.peers.environments import environment
from bench.peers.stage import Running, Stage

VERSION = "4.1.6"
_PROGRAM = Path(__file__).with_name("fastmcp_program.py")
_OVERRIDES = ("certifi>=2026.1.4",)  # it wants a newer one than the index has, and works with this


def start(stage: Stage, *, form: Literal["shipped", "tuned"]) -> Running:
    """Raises `Missing`."""
    programs = environment(stage.cache, "fastmcp", [f"fastmcp=={VERSION}"], _OVERRIDES)
    port = free_port()
    url = f"http://127.0.0.1:{stage.upstream}/mcp"
    command = [str(programs / "python"), "-P", str(_PROGRAM), str(port), url, form]
    program = Program(command, stage.folder, cores=stage.cores)
    program.wait_for(port, 60)
    return Running(port, program)
