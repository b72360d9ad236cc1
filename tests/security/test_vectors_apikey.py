"""API keys: one answer for whatever is wrong with one, no more than it was made for, and dead everywhere at once."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.parts.processes import free_port, running
from tests.security.vectors import vector
from tests.support.api_keys import make_key, mint, revoke_key, set_tenant
from tests.support.house import Door, open_door
from vestibule.model import TenantState
from vestibule.protocol.api_key import write_api_key
from vestibule.testing.recording_upstream import RecordingUpstream

STATIC = "Jq7mXw2Tn9Lz4Vb8"
HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "X-API-Key": lambda key: {"X-API-Key": key},
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
}


@pytest.fixture(params=HEADERS)
def shown(request: pytest.FixtureRequest) -> Callable[[str], dict[str, str]]:
    """The two ways to show a key."""
    return HEADERS[request.param]


@pytest.fixture
async def two(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    """Two upstreams with scopes of their own, a static key, and administration."""
    keys: dict[str, Any] = {
        "upstreams": [
            {"name": "tickets", "url": upstream.url, "scopes": {"default": ["read"], "optional": ["write"]}},
            {"name": "wiki", "url": upstream.url, "scopes": {"default": ["write"]}},
            {"name": "robots", "url": upstream.url, "access": "api-key-only", "scopes": {"default": ["read"]}},
        ],
        "api_keys": {"static": [{"name": "ci", "key": STATIC, "upstreams": ["tickets"]}]},
        "admin": {"enabled": True, "roles": ["admins"]},
    }
    async with open_door(tmp_path, upstream.url, **keys) as running:
        yield running


async def until_it_ends(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass


async def call(door: Door, headers: dict[str, str], upstream: str = "") -> httpx2.Response:
    url = f"{door.url}/{upstream}/mcp" if upstream else door.mcp
    return await door.call(None, headers=headers, url=url)


def what_it_says(answer: httpx2.Response) -> tuple[int, str, Any]:
    """All that the caller can see, but the request's own id."""
    body = answer.json()
    body["error"]["data"].pop("request_id")
    return answer.status_code, answer.headers["www-authenticate"], body


@vector("PROXY-004")
async def test_a_key_opens_the_door_and_stops_there(
    vector: str, door: Door, shown: Any, upstream: RecordingUpstream
) -> None:
    _, key = await make_key(door)
    for _ in range(2):  # the second time from memory
        assert (await call(door, shown(key))).status_code == 200
    for request in upstream.requests:
        assert key.encode() not in request.head
        assert b"x-api-key" not in request.head.lower()


@vector("KEY-002")
async def test_whatever_is_wrong_with_a_key_the_answer_is_one(vector: str, door: Door, shown: Any) -> None:
    _, good = await make_key(door)
    revoked, revoked_key = await make_key(door)
    _, brief = await make_key(door, lifetime=timedelta(minutes=1))
    _, of_nobody = await make_key(door, tenant="gone")
    assert (await call(door, shown(revoked_key))).status_code == 200
    await revoke_key(door, revoked)
    await set_tenant(door, "gone", TenantState.DELETED)
    door.clock.advance(61)
    wrong = {
        "unknown": write_api_key(b"\7" * 32).reveal(),
        "truncated": good[:-1],
        "longer": good + "0",
        "other case": good.swapcase(),
        "other case of its body": "vsk_" + good[4:].swapcase(),
        "wrong checksum": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "revoked": revoked_key,
        "expired": brief,
        "of a deleted tenant": of_nobody,
        "only a prefix": "vsk_",
    }
    answers = {why: what_it_says(await call(door, shown(key))) for why, key in wrong.items()}
    assert answers == dict.fromkeys(wrong, answers["unknown"])
    status, challenge, body = answers["unknown"]
    assert (status, body["error"]["data"]["error_code"]) == (401, "INVALID_TOKEN")
    assert 'error="invalid_token"' in challenge


@vector("KEY-003")
@pytest.mark.parametrize("which", ["key and bad token", "token and bad key", "key and token", "key twice"])
async def test_two_credentials_are_none(vector: str, door: Door, which: str, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    _, key = await make_key(door)
    pair = {
        "key and bad token": ("vat_bad", key),
        "token and bad key": (person.access_token, "vsk_bad"),
        "key and token": (person.access_token, key),
        "key twice": (key, key),
    }[which]
    for _ in range(2):
        answer = await door.call(pair[0], headers={"X-API-Key": pair[1]})
        assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (400, "SEVERAL_CREDENTIALS")
    # Not after each was taken by itself, either.
    assert (await door.call(person.access_token)).status_code == 200
    assert (await call(door, {"X-API-Key": key})).status_code == 200
    reached = len(upstream.requests)
    assert (await door.call(person.access_token, headers={"X-API-Key": key})).status_code == 400
    assert len(upstream.requests) == reached


@vector("KEY-004")
async def test_a_key_does_no_more_than_it_was_made_for(vector: str, two: Door, upstream: RecordingUpstream) -> None:
    _, reads = await make_key(two, scopes=("read",))
    assert (await call(two, {"X-API-Key": reads}, "tickets")).status_code == 200
    reached = len(upstream.requests)
    answer = await call(two, {"X-API-Key": reads}, "wiki")
    assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (403, "INSUFFICIENT_SCOPE")

    _, of_wiki = await make_key(two, upstreams=("wiki",))
    assert (await call(two, {"X-API-Key": of_wiki}, "wiki")).status_code == 200
    for key in (of_wiki, STATIC):
        elsewhere = await call(two, {"X-API-Key": key}, "robots")
        assert (elsewhere.status_code, elsewhere.json()["error"]["data"]["error_code"]) == (403, "POLICY_DENIED")
    assert len(upstream.requests) == reached + 1


@vector("KEY-004")
@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.DELETED])
async def test_a_key_ends_with_its_tenant(vector: str, door: Door, state: TenantState) -> None:
    _, key = await make_key(door, tenant="acme")
    _, other = await make_key(door, tenant="other")
    await set_tenant(door, "acme", state)
    door.clock.advance(2)
    assert (await call(door, {"X-API-Key": key})).status_code == 401
    assert (await call(door, {"X-API-Key": other})).status_code == 200


@vector("KEY-006")
async def test_a_revoked_key_is_refused_by_every_replica(
    vector: str, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    shared: dict[str, Any] = {
        "store": f"sqlite:///{here / 'vestibule.db'}",
        "keys": {"file": str(here / "vestibule.keys")},
    }
    async with (
        open_door(here, upstream.url, **shared) as a,
        open_door(there, upstream.url, **shared, public_url=a.url) as b,
    ):
        key, secret = await make_key(a)
        at_b = {"Host": urlsplit(a.url).netloc, "X-API-Key": secret}
        for _ in range(2):
            assert (await call(a, {"X-API-Key": secret})).status_code == 200
            assert (await call(b, at_b)).status_code == 200
        await revoke_key(a, key)
        assert (await call(a, {"X-API-Key": secret})).status_code == 401
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (await call(b, at_b)).status_code != 401:
            assert loop.time() - began < 5
            await asyncio.sleep(0.05)


@vector("KEY-006")
async def test_a_stream_that_a_key_opened_ends_with_it(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    key, secret = await make_key(door)

    async def stream(exchange: Any) -> None:
        await exchange.begin_events()
        await exchange.event("{}")
        await exchange.closed.wait()

    upstream.answer = stream
    headers = {"X-API-Key": secret, "Accept": "text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    async with door.http.stream("GET", door.mcp, headers=headers) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("data:")
        await revoke_key(door, key)
        await asyncio.wait_for(until_it_ends(lines), 5)


@vector("KEY-008")
async def test_a_key_reaches_nothing_but_mcp(vector: str, two: Door, shown: Any) -> None:
    _, key = await make_key(two, scopes=("read", "write"))
    headers = shown(key)
    before = len(await two.house.store.api_keys.list_of())
    for secret in (key, STATIC):
        for method, path in (("GET", "/keys"), ("POST", "/keys"), ("DELETE", "/keys/x")):
            answer = await two.http.request(
                method, f"{two.url}/admin/api{path}", json={"name": "mine"}, headers=shown(secret)
            )
            assert answer.status_code == 401, (method, path)
    assert (await two.http.get(f"{two.url}/me", headers=headers)).status_code == 401
    assert (await two.http.get(f"{two.url}/authorize?client_id=x", headers=headers)).status_code == 400
    for path in ("/token", "/introspect", "/revoke"):
        form = {"grant_type": "client_credentials", "token": key, "client_id": key, "client_secret": key}
        answer = await two.http.post(f"{two.url}{path}", data=form, headers=headers)
        assert answer.status_code in (400, 401), path
        assert "access_token" not in answer.text
    assert len(await two.house.store.api_keys.list_of()) == before


@vector("KEY-008")
async def test_a_key_is_exchanged_for_no_token(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    agent = {
        "client_id": "agent",
        "client_secret": "Zk1Vb7Qw9Xr3Tn5Ym2Lp",
        "grant_types": ["token_exchange", "client_credentials"],
        "scopes": ["mcp"],
    }
    introspecting = {"client_id": "api", "client_secret": "Xr3Tn5Ym2LpZk1Vb7Qw9", "introspects": ["main"]}
    async with open_door(tmp_path, upstream.url, clients=[agent, introspecting]) as door:
        _, key = await make_key(door)
        exchange = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": key,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "resource": door.mcp,
        }
        answer = await door.http.post(f"{door.url}/token", data=exchange, auth=("agent", str(agent["client_secret"])))
        assert answer.status_code == 400, answer.text
        asked = await door.http.post(
            f"{door.url}/introspect", data={"token": key}, auth=("api", str(introspecting["client_secret"]))
        )
        assert asked.json() == {"active": False}


@vector("KEY-002")
async def test_a_key_in_an_address_is_none(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    _, key = await make_key(door)
    for query in (f"api_key={key}", f"X-API-Key={key}", f"key={key}", f"access_token={key}"):
        answer = await door.call(None, url=f"{door.mcp}?{query}")
        assert answer.status_code in (400, 401)
    assert upstream.requests == []


async def test_an_upstream_for_keys_only_takes_no_tokens(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url) as before:
        token = (await before.sign_in()).access_token
        port = urlsplit(before.url).port
    only = [{"name": "main", "url": upstream.url, "access": "api-key-only"}]
    async with open_door(tmp_path, upstream.url, upstreams=only, port=port) as door:
        for _ in range(2):
            answer = await door.call(token)
            assert (answer.status_code, answer.json()["error"]["data"]["error_code"]) == (403, "POLICY_DENIED")
            assert "X-API-Key" in answer.json()["error"]["message"]
        nothing = await door.call(None)
        assert (nothing.status_code, "resource_metadata" in nothing.headers["www-authenticate"]) == (401, False)
        described = await door.http.get(f"{door.url}/.well-known/oauth-protected-resource/mcp")
        assert described.status_code == 404
        _, key = await make_key(door)
        assert (await call(door, {"X-API-Key": key})).status_code == 200


async def test_nobody_gets_a_token_for_what_only_keys_open(two: Door) -> None:
    client = await two.register()
    asked = await two.browser().get(
        f"/authorize?response_type=code&client_id={client['client_id']}&redirect_uri=http%3A%2F%2F127.0.0.1%3A7777"
        f"%2Fcallback&code_challenge={'x' * 43}&code_challenge_method=S256&resource={two.url}/robots/mcp"
    )
    assert "error=invalid_target" in asked.headers["location"]


async def test_a_key_of_the_configuration_is_taken_as_it_is(two: Door, shown: Any) -> None:
    assert (await call(two, shown(STATIC), "tickets")).status_code == 200
    assert (await call(two, shown(STATIC.lower()), "tickets")).status_code == 401
    assert STATIC not in repr(two.house.configuration)


async def test_keys_that_are_switched_off_open_nothing(tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, api_keys={"enabled": False}) as door:
        _, key = await make_key(door)
        for headers in (HEADERS["X-API-Key"](key), HEADERS["bearer"](key)):
            assert (await call(door, headers)).status_code == 401


async def test_a_key_that_is_bound_to_nothing_is_no_dpop_token(door: Door) -> None:
    _, key = await make_key(door)
    assert (await call(door, {"Authorization": f"DPoP {key}"})).status_code == 401


async def test_the_key_is_nowhere_but_in_the_answer_that_made_it(tmp_path: Path, upstream: RecordingUpstream) -> None:
    port = free_port()
    file, log = tmp_path / "vestibule.yaml", tmp_path / "log"
    file.write_text(
        f"""
listen: 127.0.0.1:{port}
upstreams: [{{name: main, url: "{upstream.url}"}}]
store: sqlite:///{tmp_path}/vestibule.db
keys: {{file: {tmp_path}/vestibule.keys}}
logging: {{level: debug, format: json}}
api_keys: {{static: [{{name: ci, key: {STATIC}}}]}}
"""
    )
    program = [sys.executable, "-m", "vestibule"]
    with running([*program, "serve", "--config", str(file)], port=port, log=log):
        process = await asyncio.create_subprocess_exec(
            *program, "apikey", "create", "--name", "canary", "--json", "--config", str(file),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        key = json.loads(out)["key"]
        async with httpx2.AsyncClient(trust_env=False) as http:
            door = Door(f"http://127.0.0.1:{port}", None, None, tmp_path, http)  # type: ignore[arg-type]
            for shown in (key, key[:-1], STATIC, f"{key}x"):
                for way in HEADERS.values():
                    await call(door, way(shown))
            await door.call(key, headers={"X-API-Key": key})
            await http.get(f"{door.url}/{key}")
            assert (await call(door, HEADERS["X-API-Key"](key))).status_code == 200
    store = b"".join(path.read_bytes() for path in tmp_path.glob("vestibule.db*"))
    written = log.read_text("utf-8") + err.decode()
    assert b"api_key.create" in store
    for canary in (key, key[:-1], key[4:40], STATIC):
        assert canary not in written
        assert canary.encode() not in store


async def test_a_key_is_found_with_a_token_of_administration_only(two: Door) -> None:
    """What mints tokens in these tests mints good ones: the refusals above are about keys."""
    headers = {"Authorization": f"Bearer {mint(two)}"}
    assert (await two.http.get(f"{two.url}/admin/api/keys", headers=headers)).status_code == 200
