"""An issuer that a test may script, tokens of it, and applications on sockets or in process."""

import asyncio
import importlib.util
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from tests.parts.processes import free_port
from vestibule.testing.identity_provider import ScriptedIdentityProvider

RESOURCE = "http://127.0.0.1:3000/mcp"
EXAMPLES = Path(__file__).parents[2] / "examples"

_numbers = itertools.count()


class Issuer(ScriptedIdentityProvider):
    """Signs access tokens for whomever a test names."""

    def access_token(self, scopes: str = "tickets.read", **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": RESOURCE,
            "client_id": "client-1",
            "scope": scopes,
            "iat": now,
            "exp": now + 600,
            "jti": f"t{next(_numbers)}",
            **claims,
        }
        return self.signing.sign({name: value for name, value in said.items() if value is not None}, {"typ": "at+jwt"})


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def in_process(app: Any, base: str = "http://127.0.0.1:3000") -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application that has been started, and is stopped in the end."""
    transport = httpx2.ASGITransport(app=app)
    async with lifespan_of(app), httpx2.AsyncClient(transport=transport, base_url=base, trust_env=False) as http:
        yield http


@asynccontextmanager
async def lifespan_of(app: Any) -> AsyncIterator[None]:
    """As a server would: the application is started, and stopped in the same task."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, to_app.get, from_app.put))

    async def do(what: str) -> None:
        to_app.put_nowait({"type": f"lifespan.{what}"})
        done = asyncio.create_task(from_app.get())
        await asyncio.wait((done, running), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            done.cancel()
            running.result()
        assert (await done)["type"] == f"lifespan.{what}.complete"

    await do("startup")
    try:
        yield
    finally:
        await do("shutdown")
        await running


@asynccontextmanager
async def served(app: Any, port: int) -> AsyncIterator[str]:
    """On a socket of loopback."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on", ws="websockets-sansio"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done()
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


Example = Callable[[str, str, str], Any]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Example:
    """The `app` of a file in examples/, made anew for a resource and an issuer."""

    def load(name: str, resource: str, issuer: str) -> Any:
        monkeypatch.setenv("RESOURCE", resource)
        monkeypatch.setenv("ISSUER", issuer)
        spec = importlib.util.spec_from_file_location(f"example_{name}_{next(_numbers)}", EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.app

    return load


@pytest.fixture
def port() -> int:
    return free_port()
