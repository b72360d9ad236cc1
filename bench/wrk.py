"""wrk, where a simple load will do: a sign-in as a real client has it, a script with its token, what it measured."""

import asyncio
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
from tests.support.house import Door, Flow, Visitor

from bench.requests import call_body


async def token(url: str, folder: Path, *, path: str = "/mcp") -> str:
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


def script(folder: Path, token: str, *, path: str = "/mcp") -> Path:
    file = folder / "call.lua"
    file.write_text(
        f"""wrk.method = "POST"
wrk.path = "{path}"
wrk.body = [[{call_body()}]]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.headers["MCP-Protocol-Version"] = "2026-07-28"
wrk.headers["Mcp-Method"] = "tools/call"
wrk.headers["Mcp-Name"] = "search"
wrk.headers["Authorization"] = "Bearer {token}"
"""
    )
    return file


def wrk(script: Path, port: int, seconds: int, connections: int) -> dict[str, float]:
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


def rss(pid: int) -> float:
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
