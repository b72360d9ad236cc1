"""npm emulate as GitHub and Google: services of their shapes that nobody here wrote, and a person who uses their pages.

What it does not have: GitHub's teams, PKCE errors and expiring tokens, https. The scripted services have those.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2

from tests.parts.node import MODULES, node
from tests.parts.processes import free_port, running


@dataclass(frozen=True)
class Emulated:
    url: str
    client_id: str
    client_secret: str

    async def sign_in(self, http: httpx2.AsyncClient, authorize_url: str, person: str) -> str:
        """Click on `person`; the URL that leads back to us, not followed."""
        page = await http.get(authorize_url)
        forms = re.findall(r'<form[^>]*action="([^"]+)">(.*?)</form>', page.text, re.DOTALL)
        for action, form in forms:
            fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
            values = {name: unescape(value) for name, value in fields}
            if person in (values.get("login"), values.get("email")):
                answer = await http.post(urljoin(str(page.url), action), data=values)
                assert answer.status_code == 302, answer.text
                return answer.headers["location"]
        raise AssertionError(f"nobody is called {person}: {page.text[:2000]}")


@contextmanager
def emulated(service: str, redirect_uri: str, folder: Path, **seed: Any) -> Iterator[Emulated]:
    """`seed`: what the service knows beside our client (see the package's README)."""
    port = free_port()
    made = Emulated(f"http://localhost:{port}", "gateway.of.tests", "Zq7mW2xK9vT4bN8rJ3hL")
    client = {
        "client_id": made.client_id,
        "client_secret": made.client_secret,
        "name": "Vestibule",
        "redirect_uris": [redirect_uri],
    }
    clients = {"github": "oauth_apps", "google": "oauth_clients"}[service]
    file = folder / "emulate.json"
    file.write_text(json.dumps({service: {**seed, clients: [client]}}))
    command = [node(), str(MODULES / "emulate" / "dist" / "index.js"), "--service", service, "--port", str(port)]
    with running([*command, "--seed", str(file)], port=port, log=folder / "emulate.log"):
        yield made
