"""A whole gateway in the test's own loop: real sockets, a real store, a clock that the test may move."""

import asyncio
import atexit
import os
import re
import secrets
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2
import yaml

from vestibule.config import load
from vestibule.protocol.pkce import challenge_of
from vestibule.stores import open_store
from vestibule.testing.clock import FrozenClock
from vestibule.wiring import House, Serving, listen

REDIRECT = "http://127.0.0.1:7777/callback"


@dataclass
class Door:
    """A running gateway and what a test needs to knock at it."""

    url: str
    serving: Serving
    clock: FrozenClock
    folder: Path
    http: httpx2.AsyncClient
    visitors: "list[Visitor]" = field(default_factory=list)
    trusting: ssl.SSLContext | None = None  # where it speaks https

    @property
    def house(self) -> House:
        return self.serving.house

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    async def register(self, **metadata: Any) -> dict[str, Any]:
        body = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "client_name": "Test", **metadata}
        answer = await self.http.post(f"{self.url}/register", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def browser(self) -> "Visitor":
        return Visitor(self)

    async def post(self, path: str, form: Mapping[str, str | None], **options: Any) -> httpx2.Response:
        """A form to one of the endpoints that programs talk to; None takes a field out."""
        data = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(f"{self.url}{path}", data=data, **options)

    async def sign_in(self, **overrides: Any) -> "SignedIn":
        """Register, approve, sign in as ada, redeem."""
        client = overrides.pop("client", None) or await self.register()
        flow = Flow(self, client, **overrides)
        visitor = self.browser()
        flow.code = (await visitor.approve(flow))["code"]
        answer = await flow.redeem()
        assert answer.status_code == 200, answer.text
        return SignedIn(self, flow, visitor, answer.json())

    async def call(self, token: str | None, **options: Any) -> httpx2.Response:
        """An MCP request with a token."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/list",
            **({"Authorization": f"Bearer {token}"} if token is not None else {}),
            **options.pop("headers", {}),
        }
        url = options.pop("url", self.mcp)
        method = options.pop("method", "POST")
        if method == "POST":
            options.setdefault("content", b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
        return await self.http.request(method, url, headers=headers, **options)


@dataclass
class Flow:
    """One authorization code flow of one client."""

    door: Door
    client: Mapping[str, Any]
    redirect_uri: str = REDIRECT
    resource: str | None = ""
    scope: str | None = None
    state: str = "s1"
    code: str = ""
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def query(self, **overrides: str | None) -> str:
        """The authorization request; None takes a parameter out."""
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client["client_id"],
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            "state": self.state,
            "resource": self.door.mcp if self.resource == "" else self.resource,
            "scope": self.scope,
            **overrides,
        }
        return urlencode({name: value for name, value in parameters.items() if value is not None})

    def authorize_url(self, **overrides: str | None) -> str:
        return f"{self.door.url}/authorize?{self.query(**overrides)}"

    def form(self, **overrides: str | None) -> dict[str, str]:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": self.code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.client["client_id"],
            "code_verifier": self.verifier,
            "resource": self.door.mcp if self.resource == "" else self.resource,
            **overrides,
        }
        return {name: value for name, value in form.items() if value is not None}

    async def redeem(self, **overrides: str | None) -> httpx2.Response:
        return await self.door.http.post(f"{self.door.url}/token", data=self.form(**overrides))


@dataclass
class SignedIn:
    door: Door
    flow: Flow
    visitor: "Visitor"
    tokens: dict[str, Any]

    @property
    def access_token(self) -> str:
        return str(self.tokens["access_token"])

    @property
    def refresh_token(self) -> str:
        return str(self.tokens["refresh_token"])

    async def refresh(self, token: str | None = None, **extra: str) -> httpx2.Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": token or self.refresh_token,
            "client_id": self.flow.client["client_id"],
            **extra,
        }
        return await self.door.http.post(f"{self.door.url}/token", data=form)


class Visitor:
    """A browser without JavaScript: cookies, links, forms."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.http = httpx2.AsyncClient(follow_redirects=False, trust_env=False, verify=door.trusting or True)
        door.visitors.append(self)

    async def get(self, url: str, **options: Any) -> httpx2.Response:
        return await self.http.get(urljoin(self.door.url, url), **options)

    async def post(self, url: str, form: Mapping[str, str], **options: Any) -> httpx2.Response:
        return await self.http.post(urljoin(self.door.url, url), data=dict(form), **options)

    async def ask(self, flow: Flow, **overrides: str | None) -> httpx2.Response:
        """Open /authorize and follow it to the consent page (or to wherever else it leads)."""
        answer = await self.get(flow.authorize_url(**overrides))
        location = answer.headers.get("location", "")
        if location.startswith(f"{self.door.url}/consent"):
            return await self.get(location)
        return answer

    async def decide(self, page: httpx2.Response, decision: str = "approve", **overrides: str) -> httpx2.Response:
        return await self.post("/consent", {**hidden_fields(page.text), "decision": decision, **overrides})

    async def sign_in_at(self, redirect: httpx2.Response, login: str = "ada") -> httpx2.Response:
        """From the redirect to the development sign-in, to the callback's answer."""
        page = await self.get(redirect.headers["location"])
        assert page.status_code == 200, page.text
        chosen = await self.post("/development/sign-in", {**hidden_fields(page.text), "login": login})
        assert chosen.status_code == 303, chosen.text
        return await self.get(chosen.headers["location"])

    async def approve(self, flow: Flow, login: str = "ada", **overrides: str | None) -> dict[str, str]:
        """All the way; the parameters that the client gets."""
        answer = await self.ask(flow, **overrides)
        if answer.status_code == 200:
            answer = await self.decide(answer)
            if "/development/sign-in" in answer.headers.get("location", ""):
                answer = await self.sign_in_at(answer, login)
        assert answer.status_code in (302, 303), answer.text
        return response_parameters(answer, flow.redirect_uri)

    def cookie(self, name: str) -> str | None:
        return self.http.cookies.get(f"vestibule_{name}")


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden inputs of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {name: unescape(value) for name, value in found}


def response_parameters(answer: httpx2.Response, redirect_uri: str) -> dict[str, str]:
    """What an authorization response says; every parameter at most once."""
    location = answer.headers["location"]
    assert location.startswith(redirect_uri), location
    parameters = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in parameters.values()), location
    return {name: values[0] for name, values in parameters.items()}


_templates: list[Path] = []


async def migrated_store() -> Path:
    """An empty store at the newest revision: copying it is quicker than migrating anew for every test."""
    if not _templates:
        path = Path(tempfile.mkdtemp(prefix="vestibule-template-")) / "vestibule.db"
        await (await open_store(f"sqlite:///{path}")).close()
        _templates.append(path)
        atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    return _templates[0]


@asynccontextmanager
async def open_door(
    folder: Path,
    upstream: str,
    *,
    environ: Mapping[str, str] | None = None,
    clock: FrozenClock | None = None,
    **keys: Any,
) -> AsyncIterator[Door]:
    """A gateway on a free port of loopback, before `upstream`; `keys` go into its configuration."""
    listener = listen("127.0.0.1", keys.pop("port", 0))
    port = listener.getsockname()[1]
    document = {
        "listen": f"127.0.0.1:{port}",
        "upstreams": [{"name": "main", "url": upstream}],
        "store": f"sqlite:///{folder / 'vestibule.db'}",
        "keys": {"file": str(folder / "vestibule.keys")},
        **keys,
    }
    if "secret_key" in keys:
        del document["keys"]
    if str(document["store"]).startswith("sqlite") and not (folder / "vestibule.db").exists():
        shutil.copy(await migrated_store(), folder / "vestibule.db")
    file = folder / "vestibule.yaml"
    file.write_text(yaml.safe_dump(document))
    clock = clock or FrozenClock()
    house = await House.build(
        load(file=file, environ=environ or {}), clock=clock, entropy=os.urandom, monotonic=clock.monotonic
    )
    serving = Serving(house, read_again=lambda: load(file=file, environ=environ or {}))
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serving.run(listener, lambda _: ready.set_result(None)))
    try:
        await asyncio.wait({ready, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        async with httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=20) as http:
            door = Door(f"http://127.0.0.1:{port}", serving, clock, folder, http)
            try:
                yield door
            finally:
                for visitor in door.visitors:
                    await visitor.http.aclose()
    finally:
        serving.stop()
        await asyncio.wait_for(running, 20)
        await serving.close()
        listener.close()
