"""The examples of docs/forward-auth.md: nothing that we say is forgotten in them, and the backend's reader reads."""

import asyncio
import itertools
import runpy
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from tests.parts.reverse_proxy import EXAMPLES
from tests.support.api_keys import mint
from tests.support.behind_proxy import site_behind
from vestibule.protocol.vouching import ASSERTION, REQUEST_ID, identity_lines

DOCS = Path(__file__).parents[1] / "docs" / "forward-auth.md"
OURS = [name.decode() for name, _ in identity_lines(None)] + [ASSERTION.decode(), REQUEST_ID.decode()]
STOPPED = ("authorization", "dpop", "x-api-key", "x-token-provider", "cookie")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "traefik.yml"])
def test_every_header_of_ours_is_passed_on(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8").lower()
    assert [header for header in OURS if header not in text] == []


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "traefik.yml", "envoy.yaml"])
def test_every_credential_is_stopped(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8").lower()
    assert [header for header in STOPPED if header not in text] == []


def test_traefik_takes_away_every_spelling() -> None:
    """It has no pattern for names. No binary of it is in any registry, so the file is only read here."""
    middlewares = yaml.safe_load((EXAMPLES / "traefik.yml").read_text("utf-8"))["http"]["middlewares"]
    removed = {name.lower() for name, value in middlewares["vestibule-own"]["headers"]["customRequestHeaders"].items()}
    for name in OURS:
        parts = name.split("-")
        for signs in itertools.product("-_", repeat=len(parts) - 1):
            assert "".join(a + b for a, b in zip(parts, (*signs, ""), strict=True)) in removed


def test_traefik_asks_between_taking_away_and_stopping() -> None:
    routers = yaml.safe_load((EXAMPLES / "traefik.yml").read_text("utf-8"))["http"]["routers"]
    assert routers["tickets"]["middlewares"][:3] == ["vestibule-own", "vestibule-ask", "vestibule-stop"]


def test_the_page_tells_every_header() -> None:
    text = DOCS.read_text("utf-8").lower()
    assert [name for name in OURS if f"`{name}`" not in text] == []


@pytest.mark.slow
async def test_a_backend_reads_the_assertion(tmp_path: Path) -> None:
    caller = runpy.run_path(str(EXAMPLES / "backend.py"))["caller"]
    async with site_behind("nginx", tmp_path) as site:
        await site.call(mint(site.public, scopes=("mcp",), resource=site.mcp))
        assertion = site.backend.requests[-1].header("x-vestibule-assertion")
        keys = jwt.PyJWKClient(f"{site.public.url}/jwks.json")
        who: dict[str, Any] = {"issuer": site.public.url, "resource": site.mcp, "keys": keys}
        assert (await asyncio.to_thread(caller, assertion, **who))["sub"] == "work:ada"
        with pytest.raises(jwt.InvalidTokenError):
            caller(assertion, **{**who, "resource": f"{site.public.url}/other/mcp"})
        with pytest.raises(jwt.InvalidTokenError):
            caller(jwt.encode({"sub": "root"}, "k" * 32, headers={"typ": "JWT"}), **who)
