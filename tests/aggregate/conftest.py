"""An aggregate of two real servers and one that answers what a test says."""

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.parts.processes import free_port, running
from tests.parts.python_client import TokensInMemory, python_client
from tests.support.house import Door, Flow, SignedIn, open_door
from vestibule.testing.recording_upstream import RecordingUpstream, raw_answer

REDIRECT = "http://127.0.0.1:7777/callback"


@pytest.fixture(scope="session")
def demo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "vestibule", "server", "demo", "--http", str(port)]
    with running(command, port=port, log=tmp_path_factory.mktemp("demo") / "log"):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.fixture(scope="session")
def wiki_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.parts.wiki_server", str(port)]
    with running(command, port=port, log=tmp_path_factory.mktemp("wiki") / "log"):
        yield f"http://127.0.0.1:{port}/mcp"


@dataclass
class Together:
    """A gateway whose /all/mcp stands for several servers."""

    door: Door
    broken: RecordingUpstream | None = None
    scope: str | None = None
    people: list[SignedIn] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.door.url}/all/mcp"

    async def browser(self, url: str) -> str:
        visitor = self.door.browser()
        answer = await visitor.get(url)
        page = await visitor.get(answer.headers["location"])
        answer = await visitor.sign_in_at(await visitor.decide(page))
        return str(answer.headers["location"])

    def client(self, mode: Any = "auto", **options: Any) -> Any:
        return python_client(self.url, REDIRECT, self.browser, storage=TokensInMemory(), mode=mode, **options)

    async def sign_in(self, scope: str | None = None, login: str = "ada") -> SignedIn:
        flow = Flow(self.door, await self.door.register(), resource=self.url, scope=scope)
        visitor = self.door.browser()
        flow.code = (await visitor.approve(flow, login))["code"]
        answer = await flow.redeem()
        assert answer.status_code == 200, answer.text
        return SignedIn(self.door, flow, visitor, answer.json())


@pytest.fixture
async def broken() -> AsyncIterator[RecordingUpstream]:
    async with RecordingUpstream() as upstream:
        upstream.answer = raw_answer(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{{{"
        )
        yield upstream


@pytest.fixture
async def together(tmp_path: Path, demo_url: str, wiki_url: str, broken: RecordingUpstream) -> AsyncIterator[Together]:
    upstreams = [
        {"name": "demo", "url": demo_url},
        {"name": "broken", "url": broken.url},
        {"name": "wiki", "url": wiki_url, "title": "The wiki"},
    ]
    async with open_door(
        tmp_path, demo_url, upstreams=upstreams, aggregate={"enabled": True, "deadline": "2s"}
    ) as door:
        yield Together(door, broken)
