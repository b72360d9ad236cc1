"""Asking the admin API."""

from typing import Any

import httpx2

from tests.support.house import Door


async def ask(door: Door, method: str, path: str, token: str | None, **options: Any) -> httpx2.Response:
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **options.pop("headers", {})}
    return await door.http.request(method, f"{door.url}/admin/api{path}", headers=headers, **options)


async def trail(door: Door) -> list[tuple[str, str, str, str]]:
    """The newest first: who, what, how it ended, to what."""
    events = await door.house.store.audit.tail()
    return [(event.actor, event.action, event.outcome, event.target) for event in events]
