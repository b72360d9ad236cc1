"""What a hostile review found. Each test states what must hold, and fails until it does."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.house import Door, Flow, open_door
from vestibule.testing.recording_upstream import RecordingUpstream

# --- F9: registrations ----------------------------------------------------------------------------------------------


async def test_f9_a_flood_of_registrations_is_bounded(door: Door) -> None:
    """DCR-022: 429 with Retry-After, and registrations that nobody uses expire. Neither is there."""
    body = {"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none"}
    answers = [await door.http.post(f"{door.url}/register", json=body) for _ in range(200)]
    await door.house.store.housekeeping.sweep(now=door.clock.advance(400 * 24 * 3600))
    kept = [
        answer
        for answer in answers
        if answer.status_code == 201 and await door.house.store.clients.get(answer.json()["client_id"]) is not None
    ]
    assert len(kept) < 200, "all 200 were taken, and all of them are there a year later"


# --- F12: clocks of two replicas ------------------------------------------------------------------------------------


async def test_f12_a_revocation_reaches_a_replica_whose_clock_is_ahead(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """The feed is read by the reader's clock and dated by the writer's: 70 s apart, and it is never seen."""
    from vestibule.testing.clock import FrozenClock

    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    behind = FrozenClock()
    ahead = FrozenClock(behind() + __import__("datetime").timedelta(seconds=70))
    shared: dict[str, Any] = {
        "store": f"sqlite:///{here / 'vestibule.db'}",
        "keys": {"file": str(here / "vestibule.keys")},
    }
    async with open_door(here, upstream.url, clock=behind, **shared) as a:
        config = {**shared, "public_url": a.url}
        async with open_door(there, upstream.url, clock=ahead, **config) as b:
            signed_in = await a.sign_in()
            host = {"Host": urlsplit(a.url).netloc}
            assert (await b.call(signed_in.access_token, headers=host)).status_code == 200
            await b.house._watch.look()
            form = {"token": signed_in.refresh_token, "client_id": signed_in.flow.client["client_id"]}
            assert (await a.http.post(f"{a.url}/revoke", data=form)).status_code == 200
            await b.house._watch.look()
            assert (await a.call(signed_in.access_token)).status_code == 401
            assert (await b.call(signed_in.access_token, headers=host)).status_code == 401


# --- F15: silent codes for whoever listens on loopback --------------------------------------------------------------


async def test_f15_a_remembered_answer_is_not_enough_for_a_public_client_on_loopback(door: Door) -> None:
    """RFC 8252 §8.6, OAuth 2.1: no automatic processing where the client's identity cannot be assured.

    The page says "Any program on this computer could be waiting there. Allow it only if you are waiting for this
    application now", and then remembers the answer for every port and every later request.
    """
    client = await door.register()
    visitor = door.browser()
    await visitor.approve(Flow(door, client))
    thief = Flow(door, client, redirect_uri="http://127.0.0.1:6666/callback")  # another program's port and challenge
    answer = await visitor.get(thief.authorize_url())
    assert "code=" not in answer.headers["location"]


# --- F17: two requests a second against every new client named by a URL ---------------------------------------------


async def test_f17_a_stranger_does_not_use_up_every_new_documents_chances() -> None:
    """IN_ALL is one budget for the world: 120 URLs of made-up hosts a minute, and no new client gets its page."""
    from vestibule.authorization_server.client_documents import ClientDocuments
    from vestibule.errors import FetchError
    from vestibule.testing.clock import FrozenClock

    asked: list[str] = []

    class Fetcher:
        async def fetch(self, url: str, *, cap: int) -> object:
            asked.append(url)
            raise FetchError("no such host")

    documents = ClientDocuments(Fetcher(), FrozenClock())  # type: ignore[arg-type]
    for number in range(120):
        with pytest.raises(FetchError):
            await documents.get(f"https://h{number}.attacker.example/c.json")
    with pytest.raises(FetchError):
        await documents.get("https://honest.example/client.json")
    assert asked[-1] == "https://honest.example/client.json", "it was not even asked for"
