"""/token and /revoke: every proof before anything is spent, everything spent once, and nothing given twice."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, open_door
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def flow(door: Door) -> Flow:
    """A flow with a fresh code."""
    flow = Flow(door, await door.register())
    flow.code = (await door.browser().approve(flow))["code"]
    return flow


async def token(door: Door, form: dict[str, str], **options: Any) -> tuple[int, dict[str, Any]]:
    answer = await door.http.post(f"{door.url}/token", data=form, **options)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def assert_still_redeemable(flow: Flow) -> None:
    assert (await flow.redeem()).status_code == 200


@vector("TOK-002", "TOK-003", "TOK-005", "TOK-011", "TOK-015")
@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"code_verifier": "wrong"}, "invalid_grant"),
        ({"code_verifier": "A" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/cb"}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
        ({"redirect_uri": REDIRECT.replace("7777", "7778")}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"resource": "http://gw.example/other"}, "invalid_target"),
        ({"code": "vac_unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
    ],
    ids=str,
)
async def test_a_redemption_that_proves_too_little_spends_nothing(
    vector: str, door: Door, flow: Flow, overrides: dict[str, str | None], error: str
) -> None:
    status, answer = await token(door, flow.form(**overrides))
    assert (status, answer["error"]) == (400, error)
    await assert_still_redeemable(flow)


@vector("TOK-005")
async def test_the_challenge_is_not_its_own_verifier(vector: str, door: Door, flow: Flow) -> None:
    from vestibule.protocol.pkce import challenge_of

    assert (await token(door, flow.form(code_verifier=challenge_of(flow.verifier))))[0] == 400


async def test_another_client_cannot_redeem_the_code(door: Door, flow: Flow) -> None:
    other = await door.register()
    status, answer = await token(door, flow.form(client_id=other["client_id"]))
    assert (status, answer["error"]) == (400, "invalid_grant")
    await assert_still_redeemable(flow)


async def test_a_code_lives_a_minute(door: Door, flow: Flow) -> None:
    door.clock.advance(61)
    assert (await flow.redeem()).json()["error"] == "invalid_grant"


async def test_a_replayed_code_revokes_what_it_gave(door: Door, flow: Flow) -> None:
    tokens = (await flow.redeem()).json()
    assert (await flow.redeem()).json()["error"] == "invalid_grant"
    assert (await door.call(tokens["access_token"])).status_code == 401
    form = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": flow.form()["client_id"],
    }
    assert (await token(door, form))[1]["error"] == "invalid_grant"


@vector("TOK-008")
async def test_a_replay_that_proves_too_little_revokes_nothing(vector: str, door: Door, flow: Flow) -> None:
    tokens = (await flow.redeem()).json()
    other = await door.register()
    for wrong in ({"code_verifier": "x" * 43}, {"client_id": other["client_id"]}):
        assert (await token(door, flow.form(**wrong)))[0] == 400
    assert (await door.call(tokens["access_token"])).status_code == 200


@vector("TOK-009")
async def test_twenty_parallel_redemptions_give_one_set_of_tokens(
    vector: str, tmp_path: Path, door: Door, flow: Flow, upstream: RecordingUpstream
) -> None:
    """On two replicas over one store."""
    async with open_door(
        door.folder, upstream.url, clock=door.clock, public_url=door.url, listen="127.0.0.1:1"
    ) as replica:
        urls = [door.url, replica.url] * 10
        answers = await asyncio.gather(
            *[door.http.post(f"{url}/token", data=flow.form(), headers={"Host": door.url[7:]}) for url in urls]
        )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [400] * 19
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_grant"}


@vector("TOK-019", "TOK-020", "TOK-021", "TOK-022", "TOK-038")
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("code=x", "invalid_request"),
        ("", "invalid_request"),
        ("grant_type=x", "unsupported_grant_type"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("grant_type=authorization_code&code=a&code=b", "invalid_request"),
        ("grant_type=authorization_code&grant_type=refresh_token", "invalid_request"),
        ("grant_type=%ff", "invalid_request"),
        ("grant_type=%", "invalid_request"),
        ("grant_type=%00", "invalid_request"),
        ("a=b&" * 200, "invalid_request"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_form_that_cannot_be_read(vector: str, door: Door, body: str, error: str) -> None:
    answer = await door.http.post(
        f"{door.url}/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert "Traceback" not in answer.text


@vector("TOK-019")
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "multipart/form-data; boundary=x"])
async def test_wrong_content_type(vector: str, door: Door, flow: Flow, kind: str) -> None:
    answer = await door.http.post(f"{door.url}/token", content="grant_type=x", headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@vector("TOK-020")
async def test_a_repeated_parameter_spends_nothing(vector: str, door: Door, flow: Flow) -> None:
    from urllib.parse import urlencode

    body = urlencode(flow.form()) + "&code=other"
    answer = await door.http.post(
        f"{door.url}/token", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    await assert_still_redeemable(flow)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@vector("TOK-024", "TOK-025")
@pytest.mark.parametrize(
    "authorization",
    [
        "Basic " + base64.b64encode(b"unknown:secret").decode(),
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic ???",
        "Basic",
        "Basic \u00ff".encode().decode("latin-1"),
        "Bearer x",
        "Digest x",
    ],
)
async def test_client_credentials_that_cannot_be_accepted(
    vector: str, door: Door, flow: Flow, authorization: str
) -> None:
    form = flow.form(client_id=None)
    answer = await door.http.post(
        f"{door.url}/token", data=form, headers=[(b"Authorization", authorization.encode("latin-1"))]
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


@vector("TOK-026", "TOK-027", "TOK-028", "TOK-029")
async def test_a_client_authenticates_as_it_registered_and_in_no_other_way(vector: str, door: Door) -> None:
    confidential = await door.register(token_endpoint_auth_method="client_secret_basic")
    posting = await door.register(token_endpoint_auth_method="client_secret_post")
    public = await door.register()
    name, secret = confidential["client_id"], confidential["client_secret"]
    form = {"grant_type": "refresh_token", "refresh_token": "vrt_unknown"}
    right = await token(door, form, headers=basic(name, secret))
    assert right[1]["error"] == "invalid_grant"  # authenticated; there is just no such token
    assert (await token(door, {**form, "client_id": posting["client_id"], "client_secret": posting["client_secret"]}))[
        1
    ]["error"] == "invalid_grant"
    lower = {"Authorization": basic(name, secret)["Authorization"].replace("Basic", "basic")}
    assert (await token(door, form, headers=lower))[1]["error"] == "invalid_grant"
    for wrong, headers in (
        ({"client_id": name}, {}),
        ({"client_id": name, "client_secret": secret}, {}),
        ({"client_id": name, "client_secret": "wrong"}, {}),
        ({}, basic(name, "wrong")),
        ({}, basic(posting["client_id"], posting["client_secret"])),
        ({}, basic(public["client_id"], "")),
        ({"client_id": public["client_id"], "client_secret": "x"}, {}),
        ({"client_id": public["client_id"]}, basic(name, secret)),
    ):
        status, answer = await token(door, {**form, **wrong}, headers=headers)
        assert (status, answer["error"]) == (401, "invalid_client"), wrong
    both = await token(door, {**form, "client_secret": secret}, headers=basic(name, secret))
    assert both[1]["error"] == "invalid_request"


async def test_the_answer_is_for_one_resource_and_lives_ten_minutes(door: Door, flow: Flow) -> None:
    answer = (await flow.redeem()).json()
    assert answer.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 600, "mcp")


# --- refresh --------------------------------------------------------------------------------------------------------


@vector("REF-001")
async def test_rotation(vector: str, door: Door) -> None:
    person = await door.sign_in()
    first = (await person.refresh()).json()
    assert first["refresh_token"] != person.refresh_token
    second = (await person.refresh(first["refresh_token"])).json()
    assert (await door.call(second["access_token"])).status_code == 200


@vector("REF-002")
async def test_a_replay_after_the_window_ends_the_family(vector: str, door: Door) -> None:
    person = await door.sign_in()
    rotated = (await person.refresh()).json()
    door.clock.advance(46)
    assert (await person.refresh()).json()["error"] == "invalid_grant"
    assert (await person.refresh(rotated["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await door.call(rotated["access_token"])).status_code == 401
    assert "refresh.reuse" in [event.action for event in await door.house.store.audit.tail()]


async def test_an_older_token_ends_the_family_even_in_the_window(door: Door) -> None:
    person = await door.sign_in()
    first = (await person.refresh()).json()
    await person.refresh(first["refresh_token"])
    assert (await person.refresh()).json()["error"] == "invalid_grant"
    assert (await person.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"


@vector("REF-003", "REF-017")
async def test_parallel_refreshes_all_get_the_same_successor(
    vector: str, door: Door, upstream: RecordingUpstream
) -> None:
    """On two replicas over one store."""
    person = await door.sign_in()
    form = {
        "grant_type": "refresh_token",
        "refresh_token": person.refresh_token,
        "client_id": person.flow.client["client_id"],
    }
    async with open_door(
        door.folder, upstream.url, clock=door.clock, public_url=door.url, listen="127.0.0.1:1"
    ) as replica:
        answers = await asyncio.gather(
            *[
                door.http.post(f"{url}/token", data=form, headers={"Host": door.url[7:]})
                for url in [door.url, replica.url] * 5
            ]
        )
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    for answer in answers:
        assert (await door.call(answer.json()["access_token"])).status_code == 200
    assert (await person.refresh(successors.pop())).status_code == 200


@vector("REF-006")
async def test_strict_single_use(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url, tokens={"refresh_grace": "0s"}) as door:
        person = await door.sign_in()
        await person.refresh()
        assert (await person.refresh()).json()["error"] == "invalid_grant"


@vector("REF-008", "REF-010")
@pytest.mark.parametrize(
    ("extra", "error"),
    [({"scope": "mcp admin"}, "invalid_scope"), ({"resource": "https://other.example/mcp"}, "invalid_target")],
)
async def test_asking_for_more_rotates_nothing(vector: str, door: Door, extra: dict[str, str], error: str) -> None:
    person = await door.sign_in()
    answer = await person.refresh(**extra)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    found = await door.house.store.refresh_tokens.find(_digest(person.refresh_token))
    assert found is not None
    assert found.spent_at is None


@vector("REF-009")
async def test_narrowing_is_for_one_access_token(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    upstreams = [{"name": "main", "url": upstream.url, "scopes": {"default": ["read", "write"]}}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        person = await door.sign_in()
        narrow = (await person.refresh(scope="read")).json()
        assert narrow["scope"] == "read"
        refused = await door.call(narrow["access_token"])
        assert refused.status_code == 403
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
        assert 'scope="read write"' in refused.headers["www-authenticate"]
        assert (await person.refresh(narrow["refresh_token"])).json()["scope"] == "read write"


@vector("REF-015")
async def test_a_replay_after_a_restart_is_still_one(vector: str, tmp_path: Path, upstream: RecordingUpstream) -> None:
    async with open_door(tmp_path, upstream.url) as door:
        person = await door.sign_in()
        rotated = (await person.refresh()).json()
        clock, url = door.clock, door.url
    clock.advance(46)
    async with open_door(tmp_path, upstream.url, clock=clock, public_url=url, listen=url[7:]) as door:
        form = {"grant_type": "refresh_token", "client_id": person.flow.client["client_id"]}
        headers = {"Host": url[7:]}
        for spent in (person.refresh_token, rotated["refresh_token"]):
            status, answer = await token(door, {**form, "refresh_token": spent}, headers=headers)
            assert (status, answer["error"]) == (400, "invalid_grant")


@vector("REF-019")
async def test_a_lost_answer_is_given_again(vector: str, door: Door) -> None:
    person = await door.sign_in()
    lost = (await person.refresh()).json()
    door.clock.advance(5)
    again = (await person.refresh()).json()
    assert again["refresh_token"] == lost["refresh_token"]
    assert (await person.refresh(again["refresh_token"])).status_code == 200


@vector("REF-020")
async def test_what_is_not_a_refresh_token(vector: str, door: Door) -> None:
    person = await door.sign_in()
    other = await door.register()
    for wrong in (person.access_token, person.flow.code, "vrt_", "vrt_x", "x" * 5000, "ü"):
        assert (await person.refresh(wrong)).json()["error"] == "invalid_grant"
    stolen = await person.refresh(client_id=other["client_id"])
    assert stolen.json()["error"] == "invalid_grant"
    assert (await person.refresh()).status_code == 200  # a stranger's try ended nothing


async def test_a_refresh_token_expires_when_it_is_not_used(door: Door) -> None:
    person = await door.sign_in()
    door.clock.advance(timedelta(days=31).total_seconds())
    assert (await person.refresh()).json()["error"] == "invalid_grant"


# --- revoke ---------------------------------------------------------------------------------------------------------


async def revoke(door: Door, form: dict[str, str]) -> Any:
    return await door.http.post(f"{door.url}/revoke", data=form)


@vector("REV-004")
async def test_another_clients_token_is_not_revoked(vector: str, door: Door) -> None:
    person = await door.sign_in()
    other = await door.register()
    for mine in (person.refresh_token, person.access_token):
        assert (await revoke(door, {"token": mine, "client_id": other["client_id"]})).status_code == 200
    assert (await door.call(person.access_token)).status_code == 200
    assert (await person.refresh()).status_code == 200


@vector("REV-005")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
async def test_the_hint_is_only_a_hint(vector: str, door: Door, hint: str) -> None:
    person = await door.sign_in()
    form = {"token": person.refresh_token, "client_id": person.flow.client["client_id"], "token_type_hint": hint}
    assert (await revoke(door, form)).status_code == 200
    assert (await door.call(person.access_token)).status_code == 401
    assert (await person.refresh()).status_code == 400


async def test_an_access_token_is_revoked_by_itself(door: Door) -> None:
    person = await door.sign_in()
    await revoke(door, {"token": person.access_token, "client_id": person.flow.client["client_id"]})
    assert (await door.call(person.access_token)).status_code == 401
    fresh = (await person.refresh()).json()
    assert (await door.call(fresh["access_token"])).status_code == 200


@vector("REV-006", "REV-007", "REV-008")
async def test_bad_revocation_requests(vector: str, door: Door) -> None:
    client = await door.register()
    confidential = await door.register(token_endpoint_auth_method="client_secret_basic")
    missing = await revoke(door, {"client_id": client["client_id"]})
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")
    nobody = await revoke(door, {"token": "x", "client_id": confidential["client_id"]})
    assert (nobody.status_code, nobody.json()["error"]) == (401, "invalid_client")
    got = await door.http.get(f"{door.url}/revoke")
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    for nonsense in ("x", "vat_", "vat_!!!", "vrt_x", "x" * 9000):
        assert (await revoke(door, {"token": nonsense, "client_id": client["client_id"]})).status_code == 200


async def test_a_revocation_reaches_another_replica(door: Door, upstream: RecordingUpstream) -> None:
    person = await door.sign_in()
    async with open_door(
        door.folder, upstream.url, clock=door.clock, public_url=door.url, listen="127.0.0.1:1"
    ) as replica:
        headers = {"Host": door.url[7:]}
        assert (await replica.call(person.access_token, headers=headers)).status_code == 200
        await revoke(door, {"token": person.refresh_token, "client_id": person.flow.client["client_id"]})
        async with asyncio.timeout(5):
            while (await replica.call(person.access_token, headers=headers)).status_code != 401:
                await asyncio.sleep(0.1)


def _digest(secret: str) -> bytes:
    from vestibule.model import digest

    return digest(secret)


@vector("TOK-004")
async def test_there_is_no_code_without_a_challenge_that_a_verifier_could_be_sent_for(vector: str, door: Door) -> None:
    client = await door.register(token_endpoint_auth_method="client_secret_post")
    flow = Flow(door, client)
    answer = await door.browser().get(flow.authorize_url(code_challenge=None, code_challenge_method=None))
    assert "error=invalid_request" in answer.headers["location"]
    assert "code=" not in answer.headers["location"]
    status, said = await token(door, flow.form(code="vac_" + "x" * 43, client_secret=client["client_secret"]))
    assert (status, said["error"]) == (400, "invalid_grant")
