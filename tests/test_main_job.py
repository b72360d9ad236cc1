"""The main job, in one breath: challenged, signed in, consented, called, refreshed, revoked."""

from pathlib import Path

import pytest

from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_client_is_challenged_signs_in_calls_refreshes_and_is_revoked(
    store: str, tmp_path: Path, upstream: RecordingUpstream, request: pytest.FixtureRequest
) -> None:
    keys = {"store": request.getfixturevalue("postgres")} if store == "postgresql" else {}
    async with open_door(tmp_path, upstream.url, **keys) as door:
        await main_job(door, upstream)


async def main_job(door: Door, upstream: RecordingUpstream) -> None:
    challenged = await door.call(None)
    assert challenged.status_code == 401
    assert (
        f'resource_metadata="{door.url}/.well-known/oauth-protected-resource/mcp"'
        in (challenged.headers["www-authenticate"])
    )

    person = await door.sign_in()
    called = await door.call(person.access_token)
    assert called.status_code == 200
    assert upstream.requests[-1].header("authorization") is None

    door.clock.advance(601)
    assert (await door.call(person.access_token)).json()["error"]["data"]["error_code"] == "TOKEN_EXPIRED"

    refreshed = (await person.refresh()).json()
    assert (await door.call(refreshed["access_token"])).status_code == 200

    revoked = await door.http.post(
        f"{door.url}/revoke",
        data={"token": refreshed["refresh_token"], "client_id": person.flow.client["client_id"]},
    )
    assert revoked.status_code == 200
    assert (await door.call(refreshed["access_token"])).json()["error"]["data"]["error_code"] == "TOKEN_REVOKED"
    assert (await person.refresh(refreshed["refresh_token"])).json()["error"] == "invalid_grant"
