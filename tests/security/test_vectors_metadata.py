"""Metadata and protected resource metadata: what we say of ourselves never hangs on what a request says."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
PUBLIC = "https://mcp.example.com"
WORK = {"kind": "oidc", "name": "work", "issuer": "https://id.example.com", "client_id": "gateway"}


@pytest.fixture
async def public_door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    """A door with an https name; nothing here reaches its identity provider."""
    async with open_door(tmp_path, upstream.url, public_url=PUBLIC, identity_providers=[WORK]) as door:
        door.http.headers["host"] = "mcp.example.com"
        yield door


@vector("META-001")
async def test_server_metadata(vector: str, public_door: Door) -> None:
    answer = await public_door.http.get(public_door.url + SERVER)
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["issuer"] == PUBLIC
    assert document["response_types_supported"] == ["code"]
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(f"{PUBLIC}/"), name


@vector("META-002", "META-008")
async def test_s256_only_and_iss(vector: str, door: Door) -> None:
    document = (await door.http.get(door.url + SERVER)).json()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True


@vector("META-003", "META-004")
async def test_issuer_with_a_path(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    public = f"{PUBLIC}/tenant1"
    async with open_door(tmp_path, upstream.url, public_url=public, identity_providers=[WORK]) as door:
        door.http.headers["host"] = "mcp.example.com"
        for path in (f"{SERVER}/tenant1", "/.well-known/openid-configuration/tenant1"):
            document = (await door.http.get(door.url + path)).json()
            assert document["issuer"] == public
            assert document["code_challenge_methods_supported"] == ["S256"]
        resource = (await door.http.get(f"{door.url}{RESOURCE}/tenant1/mcp")).json()
        assert resource["resource"] == f"{public}/mcp"
        assert (await door.call(None, url=f"{door.url}/tenant1/mcp")).status_code == 401
        assert (await door.http.get(door.url + SERVER)).status_code == 404


@vector("META-005", "PRM-006")
@pytest.mark.parametrize("path", [SERVER, RESOURCE, f"{RESOURCE}/mcp", "/.well-known/openid-configuration", "/mcp"])
async def test_host_header_changes_nothing(vector: str, door: Door, path: str) -> None:
    answer = await door.http.get(door.url + path, headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert "evil.example" not in answer.text
    assert "evil.example" not in str(answer.headers)


@vector("META-006")
async def test_forwarded_headers_of_strangers_are_ignored(vector: str, public_door: Door) -> None:
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.example;proto=http",
    }
    answer = await public_door.http.get(public_door.url + SERVER, headers=forwarded)
    assert answer.status_code == 200
    assert "evil.example" not in answer.text
    assert "http://" not in answer.text


@vector("META-010")
async def test_no_registration_endpoint_without_registration(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    async with open_door(tmp_path, upstream.url, registration={"enabled": False}) as door:
        assert "registration_endpoint" not in (await door.http.get(door.url + SERVER)).json()
        refused = await door.http.post(f"{door.url}/register", json={"redirect_uris": ["https://c.example/cb"]})
        assert refused.status_code == 403


@vector("META-011")
async def test_unadvertised_client_authentication_is_refused(vector: str, door: Door) -> None:
    form = {"grant_type": "authorization_code", "client_assertion_type": "x", "client_assertion": "eyJ.eyJ.x"}
    client = await door.register()
    for extra in ({}, {"client_id": client["client_id"]}):
        answer = await door.http.post(f"{door.url}/token", data={**form, **extra})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@vector("META-013")
async def test_wrong_method_on_metadata(vector: str, door: Door) -> None:
    answer = await door.http.post(door.url + SERVER)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


@vector("META-015")
@pytest.mark.parametrize("path", ["/jwks.json", "/.well-known/jwks.json"])
async def test_only_public_keys(vector: str, door: Door, path: str) -> None:
    keys = (await door.http.get(door.url + path)).json()["keys"]
    assert keys
    for key in keys:
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@vector("PRM-001", "PRM-003", "PRM-007")
async def test_protected_resource_metadata(vector: str, door: Door) -> None:
    document = (await door.http.get(f"{door.url}{RESOURCE}/mcp")).json()
    assert document["resource"] == door.mcp
    assert document["bearer_methods_supported"] == ["header"]
    (issuer,) = document["authorization_servers"]
    assert (await door.http.get(issuer + SERVER)).json()["issuer"] == issuer


@vector("PRM-001")
async def test_the_root_document_names_the_origin(vector: str, door: Door) -> None:
    assert (await door.http.get(door.url + RESOURCE)).json()["resource"] == door.url


@vector("PRM-002", "PRM-004")
async def test_challenge_leads_to_the_metadata(vector: str, door: Door) -> None:
    answer = await door.call(None)
    challenge = answer.headers["www-authenticate"]
    assert answer.status_code == 401
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert "offline_access" not in challenge
    url = challenge.split('resource_metadata="')[1].split('"')[0]
    document = (await door.http.get(url)).json()
    assert document["resource"] == door.mcp
    assert "offline_access" not in document["scopes_supported"]


@vector("PRM-005", "PRM-008")
@pytest.mark.parametrize("path", ["/does/not/exist", "/mcp/", "/other/mcp", "/%6dcp", "//mcp"])
async def test_unknown_resource(vector: str, door: Door, path: str) -> None:
    answer = await door.http.get(f"{door.url}{RESOURCE}{path}")
    if answer.status_code != 404:
        assert answer.json()["resource"] == door.mcp
        assert path == "/%6dcp"


@vector("PRM-009")
async def test_nothing_is_injected_into_the_challenge(vector: str, door: Door) -> None:
    answer = await door.http.post(f"{door.url}/mcp%22%0d%0aX-Evil:1")
    assert answer.status_code == 404
    assert "x-evil" not in answer.headers
