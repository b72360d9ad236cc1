"""Two replicas on one store: what one revokes, the other refuses, whatever their clocks say."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.house import open_door
from vestibule.testing.clock import FrozenClock
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.mark.parametrize("ahead", [-300, -70, 0, 70, 300])
async def test_a_revocation_reaches_a_replica_whose_clock_differs(
    tmp_path: Path, upstream: RecordingUpstream, ahead: int
) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    clock = FrozenClock()
    shared: dict[str, Any] = {
        "store": f"sqlite:///{here / 'vestibule.db'}",
        "keys": {"file": str(here / "vestibule.keys")},
    }
    async with open_door(here, upstream.url, clock=clock, **shared) as a:
        other_clock = FrozenClock(clock() + timedelta(seconds=ahead))
        async with open_door(there, upstream.url, clock=other_clock, **shared, public_url=a.url) as b:
            person = await a.sign_in()
            host = {"Host": urlsplit(a.url).netloc}
            assert (await b.call(person.access_token, headers=host)).status_code == 200
            await b.house._watch.look()
            await a.post("/revoke", {"token": person.refresh_token, "client_id": person.flow.client["client_id"]})
            await b.house._watch.look()
            assert (await a.call(person.access_token)).status_code == 401
            assert (await b.call(person.access_token, headers=host)).status_code == 401
