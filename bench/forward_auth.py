"""What asking at /auth costs a proxy: `python -m bench.forward_auth` (or `make bench-auth`).

An authenticated tools/call of about 1 KB, 32 connections, warm token, one worker each: nginx as examples/forward-auth
has it, beside the same nginx without asking, and /auth itself without any proxy; interleaved round by round on this
machine. Needs nginx and wrk (Debian packages nginx-light and wrk).
"""

import argparse
import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
from tests.parts.processes import free_port
from tests.parts.reverse_proxy import example
from tests.support.house import Door, Flow, Visitor

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
_CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "search", "arguments": {"text": "x" * 850}, "_meta": {}},
}
_ANSWER = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {"resultType": "complete", "content": [{"type": "text", "text": "y" * 900}]},
}
_CALLS = """\
wrk.method, wrk.path, wrk.body = "POST", "/tickets/mcp", [[{body}]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2026-07-28"
wrk.headers["Mcp-Method"], wrk.headers["Mcp-Name"] = "tools/call", "search"
wrk.headers["Authorization"] = "Bearer {token}"
"""
_QUESTIONS = """\
wrk.path = "/auth/tickets/mcp"
wrk.headers["Host"], wrk.headers["X-Original-Method"] = "127.0.0.1:{proxy}", "POST"
wrk.headers["Mcp-Method"], wrk.headers["Mcp-Name"] = "tools/call", "search"
wrk.headers["Authorization"] = "Bearer {token}"
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
    around.write_text(_AROUND.format(folder=folder, plain=plain, backend=ports["backend"], body=json.dumps(_ANSWER)))
    processes = [
        subprocess.Popen(["nginx", "-c", str(around), "-p", str(folder)], stderr=subprocess.DEVNULL),
        subprocess.Popen([sys.executable, "-m", "vestibule", "serve"], cwd=folder, stderr=subprocess.DEVNULL),
    ]
    try:
        token = asyncio.run(_token(f"http://127.0.0.1:{ports['proxy']}", folder))
        calls, questions = folder / "call.lua", folder / "ask.lua"
        calls.write_text(_CALLS.format(body=json.dumps(_CALL), token=token))
        questions.write_text(_QUESTIONS.format(token=token, **ports))
        targets = {"nginx": (calls, plain), "asking": (calls, ports["proxy"]), "/auth": (questions, ports["vestibule"])}
        rates: dict[str, list[float]] = {name: [] for name in targets}
        for number in range(rounds + 1):
            for name, (script, port) in targets.items():
                rate = _wrk(script, port, seconds if number else 1, connections)
                if number:
                    rates[name].append(rate)
        report(rates)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


async def _token(url: str, folder: Path) -> str:
    """Sign in as a real client does, through nginx."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        for _ in range(200):
            try:
                if (await http.get(f"{url}/healthz")).status_code == 200:
                    break
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
        door = Door(url, None, None, folder, http)  # type: ignore[arg-type]  # another process: only its URL is used
        flow = Flow(door, await door.register(), resource=f"{url}/tickets/mcp")
        flow.code = (await Visitor(door).approve(flow))["code"]
        return str((await flow.redeem()).json()["access_token"])


def _wrk(script: Path, port: int, seconds: int, connections: int) -> float:
    """Requests a second."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", out)
    if "Non-2xx" in out or found is None:
        raise RuntimeError(f"answers other than 2xx from port {port}:\n{out}")
    return float(found[1])


def report(rates: dict[str, list[float]]) -> None:
    print(f"nginx proxy_pass = 1 (median {statistics.median(rates['nginx']):.0f} requests/s)")
    for name, found in rates.items():
        ratios = [rate / nginx for rate, nginx in zip(found, rates["nginx"], strict=True)]
        print(f"  {name:8s} {statistics.median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
