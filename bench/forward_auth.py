"""What asking at /auth costs a proxy: `python -m bench.forward_auth` (or `make bench-auth`).

An authenticated tools/call of about 1 KB, 32 connections, warm token, one worker each: nginx as examples/forward-auth
has it, beside the same nginx without asking, and /auth itself without any proxy; interleaved round by round on this
machine. Needs nginx and wrk (Debian packages nginx-light and wrk).
"""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.parts.processes import free_port
from tests.parts.reverse_proxy import example

from bench.lane import ANSWER
from bench.wrk import report, rss, script, token, wrk

_AROUND = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
  include {folder}/asking.conf;
  server {{ listen 127.0.0.1:{backend};
    location / {{ default_type application/json; return 200 '{body}'; }} }}
  server {{ listen 127.0.0.1:{plain};
    location / {{ proxy_pass http://tickets/mcp; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--told", choices=["none", "denied", "all"], default="denied", help="audit.calls")
    options = parser.parse_args()
    for tool, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing. Install it: apt-get install {package}")
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        run(Path(folder), options.seconds, options.rounds, options.connections, options.told)


def run(folder: Path, seconds: int, rounds: int, connections: int, told: str) -> None:
    ports = {"proxy": free_port(), "vestibule": free_port(), "backend": free_port()}
    plain = free_port()
    for name, becomes in (("nginx.conf", "asking.conf"), ("vestibule.yaml", "vestibule.yaml")):
        (folder / becomes).write_text(example(name, **ports))
    with (folder / "vestibule.yaml").open("a") as file:
        file.write(f"audit: {{calls: {told}}}\n")
    around = folder / "around.conf"
    around.write_text(_AROUND.format(folder=folder, plain=plain, backend=ports["backend"], body=ANSWER.decode()))
    processes = [
        subprocess.Popen(["nginx", "-c", str(around), "-p", str(folder)], stderr=subprocess.DEVNULL),
        subprocess.Popen([sys.executable, "-m", "vestibule", "serve"], cwd=folder, stderr=subprocess.DEVNULL),
    ]
    try:
        shown = asyncio.run(token(f"http://127.0.0.1:{ports['proxy']}", folder, path="/tickets/mcp"))
        idle = rss(processes[1].pid)
        calls = script(folder, shown, path="/tickets/mcp")
        questions = folder / "ask.lua"
        questions.write_text(
            f'wrk.path = "/auth/tickets/mcp"\nwrk.headers["Authorization"] = "Bearer {shown}"\n'
            f'wrk.headers["Host"] = "127.0.0.1:{ports["proxy"]}"\nwrk.headers["X-Original-Method"] = "POST"\n'
        )
        targets = {"nginx": (calls, plain), "asking": (calls, ports["proxy"]), "/auth": (questions, ports["vestibule"])}
        results: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
        for number in range(rounds + 1):
            for name, (calls_script, port) in targets.items():
                measured = wrk(calls_script, port, seconds if number else 1, connections)
                if number:
                    results[name].append(measured)
        report({"results": results, "idle_rss_mb": idle, "rss_mb": rss(processes[1].pid)})
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


if __name__ == "__main__":
    main()
