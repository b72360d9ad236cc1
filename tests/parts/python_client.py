"""The Python SDK's client with its own OAuth provider."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl


class TokensInMemory:
    """The SDK's own idea of a token storage."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@asynccontextmanager
async def python_client(
    url: str,
    redirect_uri: str,
    browser: Callable[[str], Awaitable[str]],
    *,
    storage: TokensInMemory | None = None,
    mode: Any = "auto",
    **options: Any,
) -> AsyncIterator[Client]:
    """A connected client. `browser` is given the authorization URL and returns the URL that comes back.

    A URL that ends in /sse is spoken to by HTTP+SSE.
    """
    came_back: list[str] = []

    async def redirect(authorize: str) -> None:
        came_back.append(await browser(authorize))

    async def callback() -> AuthorizationCodeResult:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(came_back[-1]).query).items()}
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))

    auth = OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="Python client", redirect_uris=[AnyUrl(redirect_uri)]),
        storage or TokensInMemory(),
        redirect_handler=redirect,
        callback_handler=callback,
    )
    if url.endswith("/sse"):
        async with Client(sse_client(url, auth=auth), mode=mode, **options) as client:
            yield client
        return
    async with (
        httpx2.AsyncClient(auth=auth, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client,
    ):
        yield client
