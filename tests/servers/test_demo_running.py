"""How the sample server starts, stops, and guards its port."""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from mcp import MCPError

from tests.servers.sample_server import COMMAND, Running, Way, connected, has_output, sample_server, stopped
from vestibule.servers.demo import serve_http
from vestibule.servers.demo.__main__ import main


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def test_a_taken_port_is_an_oserror_before_anything_is_said(taken_port: int) -> None:
    said: list[str] = []
    with pytest.raises(OSError, match="in use"):
        await serve_http(host="127.0.0.1", port=taken_port, ready=said.append)
    assert said == []


@pytest.fixture
def signals() -> Iterator[None]:
    """As they were, afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("signals")
def test_a_taken_port_is_told_in_one_line(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--http", str(taken_port)]) == 1
    assert capsys.readouterr() == (
        "",
        f"Cannot listen on 127.0.0.1:{taken_port}: Address already in use. Choose another port.\n",
    )


@pytest.mark.parametrize("arguments", [["--stdio", "--http", "3000"], ["--http", "65536"], ["--http", "here"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "--http" in capsys.readouterr().err


@pytest.fixture
def own_server() -> Iterator[Running]:
    with sample_server() as running:
        yield running


@pytest.mark.parametrize("way", ["http modern", "http legacy"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
async def test_it_stops_soon_and_quietly_though_a_call_runs(
    way: Way, number: signal.Signals, code: int, own_server: Running
) -> None:
    runs = anyio.Event()

    async def report(progress: float, total: float | None, message: str | None) -> None:
        runs.set()

    async with connected(way, own_server.url) as client:
        call = asyncio.create_task(client.call_tool("count_down", {"seconds": 60}, progress_callback=report))
        with anyio.fail_after(8):
            await runs.wait()
        own_server.process.send_signal(number)
        assert await asyncio.to_thread(stopped, own_server.process, seconds=5) == (code, "")
        with pytest.raises(MCPError):
            await call


def test_stdio_ends_with_its_input_and_says_nothing_of_its_own() -> None:
    ended = subprocess.run([*COMMAND, "--stdio"], stdin=subprocess.DEVNULL, capture_output=True, timeout=15)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stdio_stops_at_a_signal_though_its_input_stays_open(number: signal.Signals) -> None:
    process = subprocess.Popen([*COMMAND, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()
        assert has_output(process, seconds=10)  # so it serves
        process.send_signal(number)
        assert process.wait(5) == -number
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Host", "evil.example", 421),
        ("Host", "evil.example:80", 421),
        ("Host", "127.0.0.1.evil.example:80", 421),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://localhost:6274", 200),
    ],
)
@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25"])
async def test_only_loopback_names_are_answered(
    header: str, value: str, status: int, version: str, demo_url: str
) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    modern = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
    hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    legacy = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": "server/discover",
        header: value,
    }
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(demo_url, json=modern if version == "2026-07-28" else legacy, headers=headers)
    assert answer.status_code == status


async def test_it_answers_to_localhost_too(demo_url: str) -> None:
    url = demo_url.replace("127.0.0.1", "localhost")
    assert urlsplit(url).hostname == "localhost"
    async with connected("http modern", url) as client:
        assert client.server_info is not None
        assert client.server_info.name == "vestibule-demo"
