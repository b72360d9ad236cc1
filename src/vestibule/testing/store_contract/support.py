"""What the contract's parts share: crowds, races, and the records that stand behind others."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from vestibule.model import AuthorizationCode, Grant, RefreshToken, Revocation
from vestibule.ports import Store
from vestibule.testing.records import NOW, a_code, a_grant, a_refresh_token

StoreOpener: TypeAlias = Callable[[], Awaitable[Store]]
Won = TypeVar("Won")

CALLERS = 24  # that want the same thing at once
ROUNDS = 12  # of a race between two

SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)
STRANGE = "a\x00b \\0; \\5c; \ud800 \u202e \U0001f600 '\"; DROP TABLE clients; --"


async def winners(callers: Sequence[Awaitable[Won | None]]) -> list[Won]:
    """What those got who did not get None or False. All begin at once."""
    return [answer for answer in await asyncio.gather(*callers) if answer]


async def granted(store: Store, **changes: Any) -> Grant:
    grant = a_grant(**changes)
    await store.grants.add(grant)
    return grant


async def coded(store: Store, **changes: Any) -> AuthorizationCode:
    code = a_code(await granted(store), **changes)
    await store.codes.add(code)
    return code


async def refreshable(store: Store, **changes: Any) -> tuple[Grant, RefreshToken]:
    grant = await granted(store)
    token = a_refresh_token(grant, **changes)
    await store.refresh_tokens.add(token)
    return grant, token


async def revoke(store: Store, grant_id: str) -> bool:
    return await store.grants.revoke(grant_id, now=NOW, tokens_expire_at=NOW + timedelta(minutes=11))


async def refused(adding: Awaitable[None]) -> None:
    try:
        await adding
    except ValueError:
        return
    raise AssertionError("the store took it")


def unlike(length: int) -> str:
    """Text of this length that no database makes shorter."""
    digits = "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(length // 64 + 1))
    return digits[:length]


async def announced(store: Store, *, now: datetime = NOW) -> Sequence[Revocation]:
    """All that stands in the feed and still matters."""
    return (await store.revocations.news(0, now=now))[0]
