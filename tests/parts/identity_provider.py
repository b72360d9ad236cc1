"""npm oidc-provider as identity provider, and a person without JavaScript who uses its pages."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx2

from tests.parts.node import FOLDER, node
from tests.parts.processes import running


@dataclass(frozen=True)
class OidcProvider:
    issuer: str
    client_id: str
    client_secret: str

    async def sign_in(self, http: httpx2.AsyncClient, authorize_url: str, login: str) -> str:
        """Through the provider's login and consent pages; the first URL that leads away from it, not followed."""
        answer = await http.get(authorize_url)
        for _ in range(20):
            if answer.is_redirect:
                location = urljoin(str(answer.url), answer.headers["location"])
                if not location.startswith(self.issuer):
                    return location
                answer = await http.get(location)
                continue
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
            assert form is not None, answer.text
            assert prompt is not None, answer.text
            fields = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = await http.post(urljoin(str(answer.url), form[1]), data=fields)
        raise AssertionError("the provider goes round in circles")


@contextmanager
def oidc_provider(port: int, redirect_uri: str, log: Path) -> Iterator[OidcProvider]:
    provider = OidcProvider(f"http://127.0.0.1:{port}", "gateway", "Zq7mW2xK9vT4bN8rJ3hL")
    environ = {
        "PORT": str(port),
        "CLIENT_ID": provider.client_id,
        "CLIENT_SECRET": provider.client_secret,
        "REDIRECT_URI": redirect_uri,
        "NODE_NO_WARNINGS": "1",
    }
    with running([node(), str(FOLDER / "oidc-provider.mjs")], port=port, log=log, environ=environ):
        yield provider
