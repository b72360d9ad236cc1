"""The sample server as a program of its own, and the real client before it: over HTTP or stdio, in either era."""

import select
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, NamedTuple

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

COMMAND = [sys.executable, "-m", "vestibule.servers.demo"]
SAYS = "The sample server is at "


class Running(NamedTuple):
    url: str
    process: "subprocess.Popen[str]"


@contextmanager
def sample_server() -> Iterator[Running]:
    """Over HTTP, on a free port. It has said where before this yields; what else it says stays in its stderr."""
    process = subprocess.Popen([*COMMAND, "--http", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()  # empty if it ended
        assert line.startswith(SAYS), line + (process.stderr.read() if process.poll() is not None else "")
        yield Running(line.removeprefix(SAYS).strip(), process)
    finally:
        process.terminate()
        stopped(process)


def stopped(process: "subprocess.Popen[str]", *, seconds: float = 8) -> tuple[int, str]:
    """Its exit code and what it said besides, or a failure if it goes on."""
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    except ValueError:  # its pipes were read to the end before
        said = ""
    return process.wait(), said or ""


def has_output(process: "subprocess.Popen[bytes]", *, seconds: float) -> bool:
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], seconds)[0])


Way = Literal["http modern", "http legacy", "stdio modern", "stdio legacy"]
VERSION = {"modern": "2026-07-28", "legacy": "2025-11-25"}


@asynccontextmanager
async def connected(
    way: Way, url: str, *, headers: Mapping[str, str] | list[tuple[str, str]] | None = None, **options: Any
) -> AsyncIterator[Client]:
    """A connected client. Over stdio it starts a server of its own, and `url` is not used."""
    wire, _, era = way.partition(" ")
    options["mode"] = "legacy" if era == "legacy" else "auto"
    if wire == "stdio":
        async with Client(
            StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "--stdio"]), **options
        ) as client:
            yield client
        return
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, verify=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 8) -> None:
    """Until the condition holds; a failure when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come about"
        await anyio.sleep(0.02)
