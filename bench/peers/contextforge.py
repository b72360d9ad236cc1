"""ContextForge (PyPI's mcp-contextforge-gateway) with the sign-in it is shipped with: a token of its own for an
administrator, SQLite, a cache in memory, no plug-ins, no pages. The upstream is registered as its users do it. It
speaks the eras up to 2025-11-25.
"""

import json
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from bench.machine import Missing, Program, free_port
from bench.peers.environments import environment
from bench.peers.stage import Running, Stage

PACKAGE = "mcp-contextforge-gateway"
_ADMIN = "admin@example.com"
_TOOL = "bench-search"


def start(stage: Stage) -> Running:
    """Raises `Missing`."""
    programs = environment(stage.cache, "contextforge", [PACKAGE])
    port = free_port()
    folder = stage.folder / f"contextforge-{port}"
    folder.mkdir()
    environ = _environ(folder)
    program = Program(
        [str(programs / "mcpgateway"), "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"],
        folder,
        cores=stage.cores,
        environ=environ,
    )
    program.wait_until_ready(port, "/health", seconds=120)
    try:
        token = _token(programs, folder, environ)
        server = {"name": "bench", "url": f"http://127.0.0.1:{stage.upstream}/mcp", "transport": "STREAMABLEHTTP"}
        _post(port, "/gateways", token, {**server, "visibility": "public"})
    except (OSError, URLError, subprocess.CalledProcessError) as error:
        program.stop()
        raise Missing(f"it did not take the upstream: {error}") from error
    return Running(port, program, token=token, version="2025-11-25", tool=_TOOL)


def _environ(folder: Path) -> Mapping[str, str]:
    return {
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "AUTH_ENCRYPTION_SECRET": secrets.token_urlsafe(48),
        "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
        "PLATFORM_ADMIN_EMAIL": _ADMIN,
        "PLATFORM_ADMIN_PASSWORD": f"{secrets.token_urlsafe(24)}aA1!",
        "BASIC_AUTH_PASSWORD": f"{secrets.token_urlsafe(24)}aA1!",
        "MCPGATEWAY_UI_ENABLED": "false",
        "MCPGATEWAY_ADMIN_API_ENABLED": "true",
        "LOG_LEVEL": "ERROR",
        "CACHE_TYPE": "memory",
        "PLUGINS_ENABLED": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
    }


def _token(programs: Path, folder: Path, environ: Mapping[str, str]) -> str:
    command = [str(programs / "python"), "-m", "mcpgateway.utils.create_jwt_token", "--username", _ADMIN]
    made = subprocess.run(
        [*command, "--exp", "600", "--secret", environ["JWT_SECRET_KEY"], "--admin"],
        cwd=folder,
        env={**environ, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip().splitlines()[-1]


def _post(port: int, path: str, token: str, body: Mapping[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urlopen(request, timeout=60) as answer:
        answer.read()
