"""npm oidc-provider as identity provider, and a person without JavaScript who uses its pages."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
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
        location = await self._through_pages(http, await http.get(authorize_url), login)
        assert location is not None, "the provider kept the person"
        return location

    async def approve_device(self, http: httpx2.AsyncClient, verification_uri: str, user_code: str, login: str) -> None:
        """A person types the code of a device, confirms it, signs in and consents."""
        page = await http.get(verification_uri)
        confirm = await http.post(str(page.url), data={**_inputs(page.text), "user_code": user_code})
        answer = await http.post(str(page.url), data=_inputs(confirm.text))
        assert await self._through_pages(http, answer, login) is None

    async def _through_pages(self, http: httpx2.AsyncClient, answer: httpx2.Response, login: str) -> str | None:
        """Answer every page that asks; the URL that leads away, or None at a page that asks nothing."""
        for _ in range(20):
            if answer.is_redirect:
                location = urljoin(str(answer.url), answer.headers["location"])
                if not location.startswith(self.issuer):
                    return location
                answer = await http.get(location)
                continue
            assert answer.status_code == 200, answer.text
            prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
            if prompt is None:
                return None
            form = re.search(r'<form[^>]*action="([^"]+)"', answer.text)
            assert form is not None, answer.text
            fields = {"prompt": prompt[1], "login": login, "password": "any"}
            answer = await http.post(urljoin(str(answer.url), form[1]), data=fields)
        raise AssertionError("the provider goes round in circles")


def _inputs(page: str) -> dict[str, str]:
    """The hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


@contextmanager
def oidc_provider(
    port: int,
    redirect_uri: str,
    log: Path,
    *,
    features: Sequence[str] = (),
    clients: Sequence[Mapping[str, Any]] = (),
    kid: str = "k1",
) -> Iterator[OidcProvider]:
    """With one client, and with more `clients` and more of the provider's own `features`. `kid`: of its new key."""
    provider = OidcProvider(f"http://127.0.0.1:{port}", "gateway", "Zq7mW2xK9vT4bN8rJ3hL")
    environ = {
        "PORT": str(port),
        "CLIENT_ID": provider.client_id,
        "CLIENT_SECRET": provider.client_secret,
        "REDIRECT_URI": redirect_uri,
        "NODE_NO_WARNINGS": "1",
    }
    more = json.dumps({"features": features, "clients": clients, "kid": kid})
    with running([node(), str(FOLDER / "oidc-provider.mjs"), more], port=port, log=log, environ=environ):
        yield provider
