"""Area `prm` of the catalogue: what a resource says of itself, whoever gives its tokens."""

import re
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.foreign import trusted
from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream

DOCUMENT = "/.well-known/oauth-protected-resource"
OURS = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/jwks.json",
    "/authorize",
    "/token",
    "/register",
    "/par",
    "/introspect",
    "/revoke",
    "/device_authorization",
    "/callback/work",
    "/development/sign-in",
    "/me",
]


@vector("PRM-001", "PRM-003")
async def test_the_document_is_of_the_resource_that_was_asked_for(vector: str, door: Door) -> None:
    document = (await door.http.get(f"{door.url}{DOCUMENT}/mcp")).json()
    assert document["resource"] == door.mcp
    assert document["authorization_servers"] == [door.url]
    assert document["bearer_methods_supported"] == ["header"]


@vector("PRM-002")
async def test_the_challenge_leads_to_the_document(vector: str, door: Door) -> None:
    challenge = (await door.call(None)).headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    found = re.search(r'resource_metadata="([^"]+)"', challenge)
    assert found is not None
    assert (await door.http.get(found[1])).status_code == 200


@vector("PRM-004")
async def test_offline_access_is_nothing_to_ask_a_resource_for(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    upstreams = [{"name": "main", "url": upstream.url, "scopes": {"default": ["mcp", "offline_access"]}}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        document = (await door.http.get(f"{door.url}{DOCUMENT}/mcp")).json()
        assert document["scopes_supported"] == ["mcp"]


@vector("PRM-005")
@pytest.mark.parametrize("path", ["/does/not/exist", "/mcp/", "/mcp/x", "//mcp", "/main"])
async def test_an_unknown_resource_has_no_document(vector: str, path: str, door: Door) -> None:
    assert (await door.http.get(f"{door.url}{DOCUMENT}{path}")).status_code == 404


@vector("PRM-006")
async def test_the_host_header_writes_nothing(vector: str, door: Door) -> None:
    for url in (f"{door.url}{DOCUMENT}/mcp", door.mcp):
        answer = await door.http.get(url, headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "evil.example" not in answer.text + str(answer.headers)


@vector("PRM-007")
async def test_each_server_of_the_document_calls_itself_by_that_name(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with trusted(tmp_path, upstream) as work:
        servers = (await work.door.http.get(f"{work.door.url}{DOCUMENT}/mcp")).json()["authorization_servers"]
        assert servers == [work.door.url, work.idp.issuer]  # ours first: clients take the first
        for server in servers:
            metadata = (await work.door.http.get(f"{server}/.well-known/openid-configuration")).json()
            assert metadata["issuer"] == server


@vector("PRM-007")
async def test_in_cloud_mode_others_give_the_tokens_and_nothing_of_ours_is_served(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with trusted(tmp_path, upstream, more={"mode": "cloud", "scopes_supported": ["api://tickets/mcp"]}) as work:
        for path in (DOCUMENT, f"{DOCUMENT}/mcp"):
            document = (await work.door.http.get(f"{work.door.url}{path}")).json()
            assert document["authorization_servers"] == [work.idp.issuer]
            assert document["scopes_supported"] == ["api://tickets/mcp"]
        for path in OURS:
            assert (await work.door.http.get(f"{work.door.url}{path}")).status_code == 404, path
            assert (await work.door.http.post(f"{work.door.url}{path}")).status_code == 404, path
        assert (await work.call()).status_code == 200


async def test_in_cloud_mode_our_own_tokens_open_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, port=0) as door:
        token = (await door.sign_in()).access_token
        assert (await door.call(token)).status_code == 200
    async with trusted(tmp_path, upstream, more={"mode": "cloud"}) as work:
        assert (await work.door.call(token)).status_code == 401


@pytest.mark.parametrize("form", ["sealed", "jwt"])
async def test_in_auto_mode_both_kinds_of_tokens_open_the_door(
    form: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with trusted(tmp_path, upstream, top={"tokens": {"format": form}}) as work:
        ours = (await work.door.sign_in()).access_token
        assert (await work.door.call(ours)).status_code == 200
        assert (await work.call()).status_code == 200
        assert (await work.door.call(None)).status_code == 401


async def test_in_local_mode_other_issuers_open_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with trusted(tmp_path, upstream, more={"mode": "local"}) as work:
        assert (await work.call()).status_code == 401
        document = (await work.door.http.get(f"{work.door.url}{DOCUMENT}/mcp")).json()
        assert document["authorization_servers"] == [work.door.url]
        assert work.idp.received == []


@vector("PRM-009")
async def test_nothing_is_written_into_the_challenge_by_a_path(vector: str, door: Door) -> None:
    answer = await door.call(None, url=f"{door.url}/mcp%22%0d%0aX-Evil:1")
    assert answer.status_code in (400, 401, 404)
    assert "x-evil" not in answer.headers
