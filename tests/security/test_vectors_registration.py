"""Dynamic registration: what a stranger may make us remember."""

import json
from typing import Any

import pytest

from tests.security.vectors import vector
from tests.support.house import Door, Flow

HTTPS = "https://c.example/cb"


async def post(door: Door, body: Any, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await door.http.post(f"{door.url}/register", content=content, headers={"Content-Type": content_type})
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


@vector("DCR-002", "TOK-041")
async def test_a_secret_is_shown_once_and_stored_as_a_digest(vector: str, door: Door) -> None:
    status, client = await post(door, {"redirect_uris": [HTTPS], "token_endpoint_auth_method": "client_secret_basic"})
    assert status == 201
    assert len(client["client_secret"]) >= 43
    assert client["client_secret_expires_at"] == 0
    for file in door.folder.glob("vestibule.db*"):
        assert client["client_secret"].encode() not in file.read_bytes()


@vector("DCR-003", "DCR-004", "DCR-008")
@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "about:blank",
        "blob:https://c.example/1",
        "https://c.example/*",
        "https://*.example/cb",
        "http://c.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://localhost@evil.example/cb",
        "http://127.0.0.1:99999/cb",
        "https://user:pass@c.example/cb",
        "https://c.example/cb#x",
        "https://c.example/cb?code=x",
        "https://c.example/c b",
        "https://c.exämple/cb",
        "https:\\\\c.example/cb",
        "https:///cb",
        "myapp:/callback",
        "/cb",
        "",
    ],
)
async def test_redirect_uris_that_nobody_may_have(vector: str, door: Door, uri: str) -> None:
    status, error = await post(door, {"redirect_uris": [uri]})
    assert (status, error["error"]) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "uri",
    [
        "https://claude.ai/api/mcp/auth_callback",
        "http://localhost/callback",
        "http://127.0.0.1:33418/",
        "http://[::1]:8080/cb",
        "com.example.app:/callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://c.example/cb?x=1",
    ],
)
async def test_redirect_uris_of_real_clients(door: Door, uri: str) -> None:
    assert (await post(door, {"redirect_uris": [uri]}))[0] == 201


@vector("DCR-012", "DCR-013", "DCR-014", "DCR-016", "DCR-024")
@pytest.mark.parametrize(
    "extra",
    [
        {"grant_types": ["password"]},
        {"grant_types": ["implicit"]},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "none", "jwks": {"keys": []}, "jwks_uri": "https://c.example/k"},
        {"logo_uri": "javascript:alert(1)"},
        {"client_uri": "data:text/html,x"},
        {"tos_uri": "javascript:1"},
        {"policy_uri": "vbscript:1"},
        {"software_statement": "eyJhbGciOiJub25lIn0.e30."},
        {"application_type": "toaster"},
        {"client_name": 7},
        {"redirect_uris": "https://c.example/cb"},
        {"redirect_uris": [7]},
    ],
    ids=str,
)
async def test_metadata_that_is_refused(vector: str, door: Door, extra: dict[str, Any]) -> None:
    status, error = await post(door, {"redirect_uris": [HTTPS], **extra})
    assert status == 400
    assert error["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


async def test_a_grant_type_that_is_not_here_is_left_out_of_the_answer(door: Door) -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"
    status, client = await post(door, {"redirect_uris": [HTTPS], "grant_types": ["authorization_code", device]})
    assert status == 201
    assert client["grant_types"] == ["authorization_code", device, "refresh_token"]
    status, client = await post(door, {"redirect_uris": [HTTPS], "grant_types": ["authorization_code", "password"]})
    assert (status, client["grant_types"]) == (201, ["authorization_code", "refresh_token"])


@pytest.mark.parametrize("grant", ["client_credentials", "password", "implicit"])
async def test_a_grant_that_nobody_allows_is_not_registered(door: Door, grant: str) -> None:
    status, _ = await post(door, {"grant_types": [grant]})
    assert status == 400


@vector("DCR-017")
async def test_a_hostile_name_is_inert_on_the_consent_page(vector: str, door: Door) -> None:
    name = "<script>x</script>\u202eevil\u0000\x1b[31m"
    status, client = await post(
        door, {"redirect_uris": [HTTPS], "client_name": name, "token_endpoint_auth_method": "none"}
    )
    assert status == 201
    page = await door.browser().ask(Flow(door, client, redirect_uri=HTTPS))
    assert page.status_code == 200
    for harmful in ("<script>", "\u202e", "\u0000", "\x1b"):
        assert harmful not in page.text


@vector("DCR-018")
async def test_nobody_chooses_an_id_or_a_secret(vector: str, door: Door) -> None:
    first = await door.register(client_name="First")
    status, second = await post(
        door, {"redirect_uris": [HTTPS], "client_id": first["client_id"], "client_secret": "mine"}
    )
    assert status == 201
    assert second["client_id"] != first["client_id"]
    assert second["client_secret"] != "mine"
    assert not second["client_id"].startswith("http")
    kept = await door.house.store.clients.get(first["client_id"])
    assert kept is not None
    assert kept.name == "First"


@vector("DCR-019")
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "application/json5", ""])
async def test_wrong_content_type(vector: str, door: Door, kind: str) -> None:
    status, error = await post(door, {"redirect_uris": [HTTPS]}, kind)
    assert (status, error["error"]) == (400, "invalid_client_metadata")


@vector("DCR-020")
@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{",
        b"",
        b"\xff\xfe",
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"redirect_uris":["https://c.example/cb"],"redirect_uris":["https://evil.example/cb"]}',
        b'{"redirect_uris":["https://c.example/cb"],"x":NaN}',
        b'{"redirect_uris":["https://c.example/cb"],"x":1' + b"0" * 5_000 + b"}",
    ],
    ids=["list", "null", "open", "empty", "utf16", "deep-list", "deep-object", "duplicate-keys", "nan", "huge-int"],
)
async def test_json_that_is_not_one_object(vector: str, door: Door, body: bytes) -> None:
    status, error = await post(door, body)
    assert (status, error["error"]) == (400, "invalid_client_metadata")


@vector("DCR-021")
async def test_body_over_the_limit(vector: str, door: Door) -> None:
    assert (await post(door, b"{" + b" " * (64 * 1024) + b"}"))[0] == 413


@vector("DCR-023")
async def test_too_many_redirect_uris(vector: str, door: Door) -> None:
    status, error = await post(door, {"redirect_uris": [f"https://c.example/{number}" for number in range(1000)]})
    assert (status, error["error"]) == (400, "invalid_redirect_uri")


@vector("DCR-029")
async def test_get(vector: str, door: Door) -> None:
    answer = await door.http.get(f"{door.url}/register")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
