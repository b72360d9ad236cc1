"""Access tokens of a gateway, sealed with its own key ring: as /token gives them, without a sign-in for each."""

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vestibule.keys import load_or_create
from vestibule.model import AccessToken
from vestibule.protocol.access_token import PURPOSE, encode_claims, write_token

_LIFETIME = 3600  # seconds


@dataclass(frozen=True)
class Issued:
    """By whom."""

    keys: Path
    url: str


def seal_tokens(issued: Issued, count: int) -> Sequence[str]:
    """`count` tokens, each of another person and grant. The key ring is made when there is none."""
    ring = load_or_create(issued.keys, clock=lambda: datetime.now(UTC), entropy=os.urandom)
    return [write_token(ring.seal(PURPOSE, encode_claims(_claims(issued.url, n)))) for n in range(count)]


def _claims(url: str, number: int) -> AccessToken:
    now = int(time.time())
    return AccessToken(
        token_id=secrets.token_urlsafe(12),
        grant_id=secrets.token_urlsafe(12),
        issuer=url,
        identity_issuer="development",
        subject=f"person-{number}",
        user=f"development:person-{number}",
        tenant="default",
        client_id="bench",
        scopes=("mcp",),
        resource=f"{url}/mcp",
        issued_at=now,
        expires_at=now + _LIFETIME,
    )
