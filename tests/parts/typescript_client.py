"""The TypeScript SDK's client, in a Node of its own, told what to do line by line."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.parts.node import FOLDER, node


class TypeScriptClient:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, go: str, **values: Any) -> dict[str, Any]:
        """Give a command; returns the next line that the client prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"go": go, **values}).encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(20):
            line = await self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer
        return answer


@asynccontextmanager
async def typescript_client(url: str, redirect_uri: str) -> AsyncIterator[TypeScriptClient]:
    process = await asyncio.create_subprocess_exec(
        node(),
        str(FOLDER / "typescript-client.mjs"),
        url,
        redirect_uri,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield TypeScriptClient(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
