"""Another issuer before a gateway: its tokens, right in everything but what a test changes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.house import Door, open_door
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.testing.signing_key import SigningKey

API = "api://tickets"


@dataclass
class Issuer:
    """An issuer that the gateway trusts, and a way to call the gateway with what it signs."""

    idp: ScriptedIdentityProvider
    door: Door
    upstream: RecordingUpstream

    def claims(self, **changed: Any) -> dict[str, Any]:
        """None takes one out."""
        now = int(self.door.clock().timestamp())
        right = {
            "iss": self.idp.issuer,
            "sub": "alice",
            "aud": API,
            "azp": "desk",
            "iat": now,
            "exp": now + 600,
            "scope": "mcp",
            "jti": "j1",
            **changed,
        }
        return {name: value for name, value in right.items() if value is not None}

    def token(self, *, key: SigningKey | None = None, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        return (key or self.idp.signing).sign(self.claims(**changed), {"typ": "at+jwt", **(header or {})})

    async def call(self, token: str | None = None, **changed: Any) -> httpx2.Response:
        headers = changed.pop("headers", {})
        return await self.door.call(self.token(**changed) if token is None else token, headers=headers)

    def keys_asked(self) -> int:
        return len(self.idp.asked("/jwks"))


def error_of(answer: httpx2.Response) -> str:
    return str(answer.json()["error"]["data"]["error_code"])


@asynccontextmanager
async def trusted(
    folder: Path,
    upstream: RecordingUpstream,
    *,
    more: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    **issuer: Any,
) -> AsyncIterator[Issuer]:
    """`issuer`: more of its entry. `more`: more of resource_server. `top`: more of the whole file."""
    async with ScriptedIdentityProvider() as idp:
        section = {"identifiers": [API], "issuers": [{"issuer": idp.issuer, "name": "work", **issuer}], **(more or {})}
        async with open_door(folder, upstream.url, resource_server=section, **(top or {})) as door:
            idp.now = lambda: door.clock().timestamp()
            yield Issuer(idp, door, upstream)
