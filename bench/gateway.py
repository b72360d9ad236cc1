"""How fast is the front door? `python -m bench.gateway` (or `make bench`).

An authenticated tools/call of about 1 KB, 32 connections, warm token, one worker: our gateway beside nginx proxy_pass
(no authentication at all) and the upstream itself, interleaved round by round on this machine. Needs nginx and wrk
(Debian packages nginx-light and wrk).
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
import time
from pathlib import Path
from typing import Any

import httpx2
from tests.support.house import Door, Flow, Visitor

_NGINX = """\
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
  upstream one {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{upstream};
    location / {{ default_type application/json; return 200 '{body}'; }} }}
  server {{ listen 127.0.0.1:{proxy};
    location / {{ proxy_pass http://one; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    for tool, package in (("nginx", "nginx-light"), ("wrk", "wrk")):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is missing. Install it: apt-get install {package}")
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as folder:
        figures = run(Path(folder), options.seconds, options.rounds, options.connections)
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def run(folder: Path, seconds: int, rounds: int, connections: int) -> dict[str, Any]:
    upstream, proxy, gateway = 18301, 18302, 18303
    (folder / "nginx.conf").write_text(
        _NGINX.format(folder=folder, upstream=upstream, proxy=proxy, body=json.dumps(_ANSWER))
    )
    processes = [
        subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)], stderr=subprocess.DEVNULL),
        subprocess.Popen(
            [
                *(sys.executable, "-m", "vestibule", "serve", "--listen", f"127.0.0.1:{gateway}"),
                *("--upstream", f"http://127.0.0.1:{upstream}/mcp"),
            ],
            cwd=folder,
            stderr=subprocess.DEVNULL,
        ),
    ]
    try:
        token = asyncio.run(_token(f"http://127.0.0.1:{gateway}", folder))
        idle_rss = _rss(processes[1].pid)
        script = _script(folder, token)
        targets = {"direct": upstream, "nginx": proxy, "vestibule": gateway}
        results: dict[str, list[dict[str, float]]] = {name: [] for name in targets}
        for port in targets.values():
            _wrk(script, port, 1, connections)
        for _ in range(rounds):
            for name, port in targets.items():
                results[name].append(_wrk(script, port, seconds, connections))
        return {"results": results, "idle_rss_mb": idle_rss, "rss_mb": _rss(processes[1].pid)}
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


async def _token(url: str, folder: Path, *, path: str = "/mcp") -> str:
    """Sign in as a real client does."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        for _ in range(200):
            try:
                if (await http.get(f"{url}/healthz")).status_code == 200:
                    break
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)
        door = Door(url, None, None, folder, http)  # type: ignore[arg-type]  # another process: only its URL is used
        client = await door.register()
        flow = Flow(door, client, resource=f"{url}{path}")
        flow.code = (await Visitor(door).approve(flow))["code"]
        return str((await flow.redeem()).json()["access_token"])


def _script(folder: Path, token: str, *, path: str = "/mcp") -> Path:
    file = folder / "call.lua"
    file.write_text(
        f"""wrk.method = "POST"
wrk.path = "{path}"
wrk.body = [[{json.dumps(_CALL)}]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2026-07-28"
wrk.headers["Mcp-Method"] = "tools/call"
wrk.headers["Mcp-Name"] = "search"
wrk.headers["Authorization"] = "Bearer {token}"
"""
    )
    return file


def _wrk(script: Path, port: int, seconds: int, connections: int) -> dict[str, float]:
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), f"http://127.0.0.1:{port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in out:
        raise RuntimeError(f"answers other than 2xx from port {port}:\n{out}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    return {"rps": rate, "p50_ms": _latency(out, "50%"), "p99_ms": _latency(out, "99%")}


def _latency(out: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", out)
    assert found is not None, out
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def report(figures: dict[str, Any]) -> None:
    base = [one["rps"] for one in figures["results"]["nginx"]]
    print(f"{time.strftime('%Y-%m-%d')}  nginx proxy_pass = 1 (median {statistics.median(base):.0f} requests/s)")
    for name, rounds in figures["results"].items():
        ratios = [one["rps"] / nginx for one, nginx in zip(rounds, base, strict=True)]
        print(
            f"  {name:10s} {statistics.median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
            f"   p50 {statistics.median(one['p50_ms'] for one in rounds):.2f} ms"
            f"   p99 {statistics.median(one['p99_ms'] for one in rounds):.2f} ms"
        )
    print(f"  RSS of the gateway: idle {figures['idle_rss_mb']} MB, after the run {figures['rss_mb']} MB")


if __name__ == "__main__":
    main()
