"""Rotating the key ring: published, then used, then retired.

`rotate` makes a new key that every replica opens and verifies with as soon as it has read it, and that seals and signs
from a moment on when all of them have. The key before stays until the last thing that it sealed has expired; what lives
longer in the store is sealed again meanwhile. One command, no restart, and nobody is signed out.

    published ── PUBLISH ──▶ used ──── until the next rotation ────▶ old ── KEEP ──▶ retired
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from vestibule.errors import StartError
from vestibule.keys.ring import ROOT_BYTES, RootKey
from vestibule.ports import Entropy

PUBLISH = timedelta(minutes=10)  # replicas read their file every few seconds; clients keep our JWK Set five minutes
KEEP_LEAKED = timedelta(minutes=2)  # the longest grace of a refresh token: what the key has sealed for it is lost then
KEEP = timedelta(days=2)  # longer than any access token lives, and than what is in the store waits to be sealed again

Phase = Literal["published", "used", "old", "accepted", "retired"]


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """One key as an operator sees it."""

    key_id: str
    phase: Phase
    created_at: datetime | None  # UTC; None: the configuration gave it
    used_from: datetime | None  # UTC
    retired_at: datetime | None  # UTC


def rotate(
    roots: Sequence[RootKey],
    entropy: Entropy,
    *,
    now: datetime,
    publish: timedelta = PUBLISH,
    keep: timedelta = KEEP,
) -> list[RootKey]:
    """The ring with a new key, and an end for those before it. Raises `StartError`.

    `publish`: how long it is known before it is used. `keep`: how long the old ones open after that.
    """
    moment = now.timestamp()
    waiting = [root for root in roots if root.state == "active" and root.used_from > moment]
    if waiting:
        raise StartError(
            f"The key {waiting[0].kid.hex()} is published and not yet used.",
            action="Wait until it is, or rotate with --now.",
        )
    used_from = int((now + publish).timestamp())
    retired_at = int((now + publish + keep).timestamp())
    kept = [
        replace(root, retired_at=min(root.retired_at or retired_at, retired_at))
        for root in roots
        if not root.is_retired(moment)
    ]
    return [*kept, RootKey(entropy(ROOT_BYTES), created_at=int(moment), used_from=used_from)]


def replace_leaked(roots: Sequence[RootKey], entropy: Entropy, *, now: datetime) -> list[RootKey]:
    """The ring with a new key in use at once, and every other one retired two minutes from now, published ones too.

    Access tokens of the old keys end with them, and clients refresh: refresh tokens hang on no key.
    """
    moment = int(now.timestamp())
    known = [replace(root, used_from=min(root.used_from, moment)) for root in roots]
    return rotate(known, entropy, now=now, publish=timedelta(0), keep=KEEP_LEAKED)


def status(roots: Sequence[RootKey], *, now: datetime) -> list[KeyStatus]:
    """Newest first."""
    moment = now.timestamp()
    newest = max((root for root in roots if root.is_used(moment)), key=lambda root: (root.used_from, root.created_at))
    return [
        KeyStatus(
            key_id=root.kid.hex(),
            phase=_phase(root, newest, moment),
            created_at=_moment(root.created_at),
            used_from=_moment(root.used_from or root.created_at),
            retired_at=_moment(root.retired_at),
        )
        for root in sorted(roots, key=lambda root: root.created_at, reverse=True)
    ]


def _phase(root: RootKey, newest: RootKey, now: float) -> Phase:
    if root.is_retired(now):
        return "retired"
    if root.state == "accepted":
        return "accepted"
    if root.used_from > now:
        return "published"
    return "used" if root.kid == newest.kid else "old"


def _moment(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
