"""The log and the trail: everything that matters is told, and nothing that opens a door."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pytest

from tests.parts.processes import free_port, running
from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, SignedIn, Visitor, hidden_fields
from vestibule.admin.audit_check import check_chain
from vestibule.keys import KeyRing, read_roots
from vestibule.model import AuditFilter
from vestibule.stores import open_store
from vestibule.telemetry.redact import clean
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def a_process(tmp_path: Path, upstream: RecordingUpstream) -> tuple[list[str], str]:
    """The command of a gateway that logs all it can as JSON, and where it will be."""
    port = free_port()
    (tmp_path / "vestibule.yaml").write_text(
        f"""
listen: 127.0.0.1:{port}
upstreams: [{{name: main, url: "{upstream.url}"}}]
store: sqlite:///{tmp_path}/vestibule.db
keys: {{file: {tmp_path}/vestibule.keys}}
logging: {{level: debug, format: json}}
audit: {{file: {tmp_path}/audit.jsonl}}
"""
    )
    command = [sys.executable, "-m", "vestibule", "serve", "--config", str(tmp_path / "vestibule.yaml")]
    return command, f"http://127.0.0.1:{port}"


@pytest.fixture
def process(tmp_path: Path, upstream: RecordingUpstream, log: Path) -> Iterator[str]:
    """It runs."""
    command, url = a_process(tmp_path, upstream)
    with running(command, port=int(url.rpartition(":")[2]), log=log):
        yield url


@vector("LOG-001", "LOG-002", "LOG-005")
async def test_no_secret_reaches_the_log_or_the_trail(
    vector: str, process: str, log: Path, tmp_path: Path, upstream: RecordingUpstream
) -> None:
    secrets: set[str] = set()
    async with httpx2.AsyncClient(trust_env=False) as http:
        door = Door(process, None, None, tmp_path, http)  # type: ignore[arg-type]  # another process
        client = await door.register(token_endpoint_auth_method="client_secret_basic", client_name='x"\r\n\x1b[31m{}')
        flow = Flow(door, client, state="canary-state-0123456789")
        visitor = Visitor(door)
        page = await visitor.ask(flow)
        form = {hidden_fields(page.text)[name] for name in ("txn", "csrf")}
        secrets |= form
        answer = await visitor.decide(page)
        secrets.add(answer.headers["location"].split("state=")[1])
        answer = await visitor.sign_in_at(answer)
        flow.code = answer.headers["location"].split("code=")[1].split("&")[0]
        name, secret = client["client_id"], client["client_secret"]
        basic = {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}
        url = f"{process}/token"
        await http.post(url, data=flow.form(client_id=None, code_verifier="x" * 43), headers=basic)
        tokens = (await http.post(url, data=flow.form(client_id=None), headers=basic)).json()
        await http.post(url, data=flow.form(client_id=None), headers=basic)  # a replay
        for token in (tokens["access_token"], tokens["access_token"] + "x", "vat_" + "y" * 7000):
            await door.call(token)
        await http.get(f"{process}/callback/development?code=canary-code-0123456789&state=canary-state-0123456789")
        await http.get(f"{process}/authorize?client_id=%0d%0a%1b[31m&state=canary-state-0123456789")
        await http.post(f"{process}/revoke", data={"token": tokens["refresh_token"]}, headers=basic)
        await http.get(f"{process}/no%0d%0asuch{'x' * 3000}")
        secrets |= {flow.code, flow.verifier, flow.state, secret, basic["Authorization"][6:], "canary-code-0123456789"}
        secrets |= {
            tokens["access_token"],
            tokens["refresh_token"],
            *(cookie for cookie in visitor.http.cookies.values()),
        }
        await visitor.http.aclose()
    exported = await export(tmp_path)
    written = log.read_text("utf-8") + (tmp_path / "audit.jsonl").read_text("ascii") + exported
    trail = (tmp_path / "vestibule.db").read_bytes() + (tmp_path / "vestibule.db-wal").read_bytes()
    assert "client.register" in written
    assert b"client.register" in trail
    for secret in secrets:
        assert len(secret) > 12
        assert secret not in written, secret
        if secret != flow.state and secret not in form:  # those belong to the request that is in the store
            assert secret.encode() not in trail, secret
    for line in written.splitlines():
        assert len(line) < 8 * 1024
        assert "\x1b" not in line
        if line.startswith("{"):
            assert isinstance(json.loads(line), dict)


async def export(folder: Path) -> str:
    """What `vestibule audit export` gives out, in both forms."""
    command = [sys.executable, "-m", "vestibule", "audit", "export", "-", "--config", str(folder / "vestibule.yaml")]
    found = ""
    for form in ("jsonl", "csv"):
        process = await asyncio.create_subprocess_exec(*command, "--format", form, stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert b"client.register" in out
        found += out.decode()
    return found


async def actions(door: Door) -> list[tuple[str, str]]:
    return [(event.action, event.outcome) for event in reversed(await door.house.store.audit.tail(limit=1000))]


@vector("LOG-003")
async def test_every_decision_is_in_the_trail_before_its_answer(vector: str, door: Door) -> None:
    person: SignedIn = await door.sign_in()
    assert await actions(door) == [
        ("client.register", "allowed"),
        ("session.open", "allowed"),
        ("consent.approve", "allowed"),
        ("code.issue", "allowed"),
        ("code.redeem", "allowed"),
    ]
    await person.refresh()
    assert (await actions(door))[-1] == ("token.refresh", "allowed")
    await person.flow.redeem()
    assert (await actions(door))[-3:] == [
        ("code.reuse", "denied"),
        ("grant.revoke", "allowed"),
        ("token.issue", "denied"),
    ]
    other = Flow(door, await door.register())
    await person.visitor.decide(await person.visitor.ask(other), "deny")
    assert (await actions(door))[-1] == ("consent.refuse", "denied")
    await person.visitor.get(other.authorize_url(scope="admin"))
    assert (await actions(door))[-1] == ("authorize", "denied")
    for event in await door.house.store.audit.tail(limit=1000):
        assert event.request_id
        assert event.at == door.clock()
        if event.action != "client.register":
            assert event.client_id or event.target
    redeemed = next(event for event in await door.house.store.audit.tail() if event.action == "code.redeem")
    assert (redeemed.actor, redeemed.tenant) == ("development:ada", "default")
    assert redeemed.address == "127.0.0.1"


@vector("LOG-006")
async def test_what_cannot_be_written_to_the_trail_does_not_happen(
    vector: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vestibule.errors import StoreUnavailable

    person = await door.sign_in()

    async def full(events: Any) -> None:
        raise StoreUnavailable("The store cannot be reached right now.")

    monkeypatch.setattr(door.house.store.audit, "record_all", full)
    answer = await person.refresh()
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "access_token" not in answer.text


REFUSED = {
    "a registration": ("/register", {}, "client.register", "denied"),
    "a pushed request": ("/par", {"client_id": "nobody"}, "request.push", "denied"),
    "a device": ("/device_authorization", {"client_id": "nobody"}, "device.start", "denied"),
    "a device's code": ("/device", {"user_code": "BCDF-GHJK"}, "device.enter", "denied"),
    "a question about a token": ("/introspect", {"client_id": "nobody", "token": "x"}, "token.introspect", "denied"),
    "a revocation": ("/revoke", {"client_id": "nobody", "token": "x"}, "token.revoke", "denied"),
    "a token": ("/token", {"grant_type": "refresh_token", "client_id": "nobody"}, "token.issue", "denied"),
    "a click": ("/consent", {"txn": "x"}, "consent.answer", "denied"),
}


@vector("LOG-003")
@pytest.mark.parametrize("what", REFUSED)
async def test_every_refusal_is_in_the_trail_before_its_answer(vector: str, door: Door, what: str) -> None:
    path, form, action, outcome = REFUSED[what]
    answer = await door.http.post(f"{door.url}{path}", data=form)
    assert answer.status_code >= 400
    (event,) = await door.house.store.audit.tail(limit=1)
    assert (event.action, event.outcome) == (action, outcome)
    assert event.reason
    assert event.request_id
    assert event.address == "127.0.0.1"
    if "client_id" in form and action != "token.issue":
        assert event.client_id == "nobody"


@vector("LOG-003")
@pytest.mark.parametrize(
    ("path", "action"),
    [("/authorize?client_id=nobody", "authorize"), ("/callback/development?state=x", "session.open")],
)
async def test_a_page_that_refuses_is_in_the_trail(vector: str, door: Door, path: str, action: str) -> None:
    assert (await door.http.get(f"{door.url}{path}")).status_code == 400
    (event,) = await door.house.store.audit.tail(limit=1)
    assert (event.action, event.outcome) == (action, "denied")


@vector("LOG-003")
async def test_refusals_of_one_network_do_not_fill_the_disk(vector: str, door: Door) -> None:
    for _ in range(80):
        await door.http.post(f"{door.url}/register", json={})
    assert len(await door.house.store.audit.tail(limit=1000)) == 60


@vector("LOG-003")
async def test_what_begins_a_flow_is_in_the_trail(vector: str, door: Door) -> None:
    client = await door.register(grant_types=["urn:ietf:params:oauth:grant-type:device_code"], redirect_uris=[])
    assert (await door.post("/device_authorization", {"client_id": client["client_id"]})).status_code == 200
    flow = Flow(door, await door.register())
    pushed = dict(parse_qsl(flow.query()))
    assert (await door.post("/par", pushed)).status_code == 201
    assert [one for one in await actions(door) if one[0] != "client.register"] == [
        ("device.start", "allowed"),
        ("request.push", "allowed"),
    ]


@vector("LOG-006")
async def test_what_was_acknowledged_is_in_the_trail_after_a_kill(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, log: Path
) -> None:
    """Ten registrations at once, and SIGKILL as soon as the last one is answered."""
    command, url = a_process(tmp_path, upstream)
    with running(command, port=int(url.rpartition(":")[2]), log=log) as process:
        async with httpx2.AsyncClient(trust_env=False) as http:
            body = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none", "client_name": "Test"}
            answers = await asyncio.gather(*(http.post(f"{url}/register", json=body) for _ in range(10)))
            process.kill()
    acknowledged = {answer.json()["client_id"] for answer in answers if answer.status_code == 201}
    assert len(acknowledged) == 10
    ring = KeyRing(read_roots(tmp_path / "vestibule.keys"), os.urandom)
    store = await open_store(f"sqlite:///{tmp_path / 'vestibule.db'}", authenticator=ring)
    links = await store.audit.search(AuditFilter(action="client.register"))
    assert {link.event.client_id for link in links} == acknowledged
    assert (await check_chain("default", store.audit, ring)).faults == ()
    await store.close()


@vector("LOG-002", "LOG-005")
@pytest.mark.parametrize(
    "text",
    [
        "Bearer vat_AbCdEfGhIjKlMnOp",
        "code=vac_AbCdEfGhIjKlMnOp&state=x",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
        "refresh_token=vrt_AbCdEfGhIjKlMnOp",
        "Basic dXNlcjpwYXNzd29yZA==",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(vector: str, text: str) -> None:
    cleaned = str(clean(f"before {text} after"))
    assert "AbCdEfGh" not in cleaned
    assert "eyJzdWIi" not in cleaned
    assert "dXNlcjpw" not in cleaned
    assert cleaned.startswith("before")
    assert len(str(clean("x" * 100_000))) < 8 * 1024
    assert "\n" not in str(clean("a\nb\x1b[31m"))
