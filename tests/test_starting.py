"""Starting, or refusing to: a clear error, and nothing half-started."""

import secrets
import socket
from pathlib import Path

import pytest

from tests.support.house import open_door
from vestibule.config import load
from vestibule.errors import StartError
from vestibule.testing.recording_upstream import RecordingUpstream
from vestibule.wiring import listen, make_resources

SECRET = secrets.token_urlsafe(32)


async def test_another_key_ring_is_found_at_start(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url):
        pass
    (tmp_path / "vestibule.keys").unlink()
    with pytest.raises(StartError, match="key ring is not the one"):
        async with open_door(tmp_path, upstream.url):
            pass


async def test_a_given_secret_outlives_a_restart(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, secret_key=SECRET) as door:
        person = await door.sign_in()
        url, clock = door.url, door.clock
    async with open_door(tmp_path, upstream.url, secret_key=SECRET, clock=clock, public_url=url) as door:
        assert (await door.call(person.access_token, headers={"Host": url[7:]})).status_code == 200
    assert not (tmp_path / "vestibule.keys").exists()


def test_a_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match="Cannot listen on 127"):
            listen("127.0.0.1", taken.getsockname()[1])


async def test_a_store_that_is_no_store(tmp_path: Path, upstream: RecordingUpstream) -> None:
    (tmp_path / "vestibule.db").write_bytes(b"this is not a database" * 1000)
    (tmp_path / "vestibule.db").chmod(0o600)
    with pytest.raises(StartError):
        async with open_door(tmp_path, upstream.url):
            pass


async def test_an_upstream_that_is_down_does_not_keep_the_gateway_from_starting(tmp_path: Path) -> None:
    async with open_door(tmp_path, "http://127.0.0.1:9/mcp") as door:
        assert (await door.http.get(f"{door.url}/readyz")).json()["ready"] is True
        answer = await door.call((await door.sign_in()).access_token)
        assert answer.status_code == 502


def test_one_upstream_is_at_the_short_address_too(tmp_path: Path) -> None:
    def identifiers(*names: str) -> list[str]:
        upstreams = [{"name": name, "url": f"http://127.0.0.1:{number}/mcp"} for number, name in enumerate(names, 1)]
        overrides = {"listen": "127.0.0.1:8080", "upstreams": upstreams}
        resources = make_resources(load(file=None, environ={}, overrides=overrides))
        return [one.identifier for one in resources if not one.message_path]

    base = "http://127.0.0.1:8080"
    assert identifiers("a") == [f"{base}/mcp", f"{base}/a/mcp"]
    assert identifiers("a", "b") == [f"{base}/a/mcp", f"{base}/b/mcp"]


async def test_several_upstreams_have_tokens_of_their_own(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with RecordingUpstream() as second:
        upstreams = [
            {"name": "one", "url": upstream.url, "scopes": {"default": ["one"]}},
            {"name": "two", "url": second.url, "scopes": {"default": ["two"]}},
        ]
        async with open_door(tmp_path, "", upstreams=upstreams) as door:
            person = await door.sign_in(resource=f"{door.url}/one/mcp")
            assert (await door.call(person.access_token, url=f"{door.url}/one/mcp")).status_code == 200
            assert (await door.call(person.access_token, url=f"{door.url}/two/mcp")).status_code == 401
            assert (await door.call(person.access_token)).status_code == 404
            assert second.requests == []
