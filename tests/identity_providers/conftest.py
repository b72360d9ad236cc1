"""Sign-ins at scripted providers, by what the configuration makes of them: no gateway around."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import yaml

from tests.outbound.certificates import Authority
from vestibule.config import load
from vestibule.keys import KeyRing
from vestibule.model import Secret, SignedIn
from vestibule.outbound import OutboundClient
from vestibule.outbound.tls import client_context
from vestibule.ports import IdentityProvider, SignInRequest
from vestibule.testing.clock import FrozenClock
from vestibule.wiring.providers import make_providers, metadata_hosts

ROOT = "q3Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4Jw6Ea-TuIoPyQk"
CALLBACK = "http://127.0.0.1:8080/callback/work"


@dataclass
class Desk:
    """One provider of a configuration, and a browser that goes there."""

    provider: IdentityProvider
    clock: FrozenClock
    browser: httpx2.AsyncClient
    log: list[tuple[str, dict[str, Any]]]
    asked: dict[str, str] = field(default_factory=dict)  # the last authorization request

    def request(self, **changed: Any) -> SignInRequest:
        return SignInRequest(
            **{
                "state": secrets.token_urlsafe(16),
                "nonce": secrets.token_urlsafe(16),
                "code_verifier": secrets.token_urlsafe(48),
                "callback_url": CALLBACK,
                **changed,
            }
        )

    async def go(self, request: SignInRequest) -> dict[str, str]:
        """To the provider and back: what arrives at our callback."""
        url = await self.provider.begin(request)
        self.asked = dict(parse_qsl(urlsplit(url).query))
        answer = await self.browser.get(url)
        assert answer.status_code == 302, answer.text
        location = answer.headers["location"]
        assert location.startswith(CALLBACK), location
        return dict(parse_qsl(urlsplit(location).query))

    async def sign_in(self, **changed: Any) -> SignedIn:
        request = self.request(**changed)
        return await self.provider.finish(await self.go(request), request)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def desk(tmp_path: Path, authority: Authority) -> AsyncIterator[MakeDesk]:
    """`desk(kind=…, …, environ=…)`: the provider that these keys make."""
    clients: list[Any] = []

    def make(*, environ: Mapping[str, str] | None = None, **keys: Any) -> Desk:
        document = {
            "upstreams": [{"name": "main", "url": "http://127.0.0.1:9/mcp"}],
            "outbound": {"ca_file": str(authority.file)},
            "identity_providers": [{"name": "work", "title": "Work", "client_id": "gateway", **keys}],
        }
        file = tmp_path / "vestibule.yaml"
        file.write_text(yaml.safe_dump(document))
        configuration = load(file=file, environ=environ or {})
        clock = FrozenClock()
        http = OutboundClient(extra_ca_file=authority.file, plain_hosts=metadata_hosts(configuration))
        browser = httpx2.AsyncClient(
            follow_redirects=False, trust_env=False, verify=client_context(authority.file), timeout=10
        )
        clients.extend((http, browser))
        log: list[tuple[str, dict[str, Any]]] = []
        providers = make_providers(
            configuration,
            http,
            sealer=KeyRing.from_secret(Secret(ROOT), os.urandom),
            clock=clock,
            entropy=os.urandom,
            log=lambda event, **facts: log.append((event, facts)),
        )
        return Desk(providers["work"], clock, browser, log)

    yield make
    for client in clients:
        await (client.aclose() if isinstance(client, httpx2.AsyncClient) else client.close())
