"""The consent page: it belongs to one browser, its form to the page, its answer to one request."""

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.security.vectors import vector
from tests.support.house import REDIRECT, Door, Flow, hidden_fields, open_door, response_parameters
from tests.support.wire import Wire
from vestibule.authorization_server.replies import Browser
from vestibule.model import Identity, SignedIn
from vestibule.protocol.pkce import challenge_of
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def flow(door: Door) -> Flow:
    return Flow(door, await door.register(client_name="Sketchbook"))


@vector("CONS-003")
@pytest.mark.parametrize("csrf", ["", "x" * 22, "none"])
async def test_approve_without_the_pages_csrf_token(vector: str, door: Door, flow: Flow, csrf: str) -> None:
    visitor = door.browser()
    page = await visitor.ask(flow)
    fields = hidden_fields(page.text)
    answer = await visitor.post("/consent", {"txn": fields["txn"], "decision": "approve", "csrf": csrf})
    assert answer.status_code == 403
    assert "location" not in answer.headers


@vector("CONS-003", "CONS-015")
async def test_the_csrf_token_of_another_page_or_browser(vector: str, door: Door, flow: Flow) -> None:
    mine, theirs = door.browser(), door.browser()
    my_page, other_page, their_page = await mine.ask(flow), await mine.ask(flow), await theirs.ask(flow)
    for foreign in (other_page, their_page):
        answer = await mine.decide(my_page, csrf=hidden_fields(foreign.text)["csrf"])
        assert answer.status_code == 403
    assert (await mine.decide(my_page)).status_code == 303


@vector("CONS-006")
async def test_a_get_approves_nothing(vector: str, door: Door, flow: Flow) -> None:
    visitor = door.browser()
    fields = hidden_fields((await visitor.ask(flow)).text)
    answer = await visitor.get(f"/consent?txn={fields['txn']}&csrf={fields['csrf']}&decision=approve")
    assert answer.status_code == 200
    request = await door.house.store.requests.get(fields["txn"], now=door.clock())
    assert request is not None
    assert request.state == "asked"


@vector("CONS-008")
async def test_cookie_attributes(vector: str, door: Door, flow: Flow) -> None:
    visitor = door.browser()
    first = await visitor.get(flow.authorize_url())
    page = await visitor.get(first.headers["location"])
    answer = await visitor.sign_in_at(await visitor.decide(page))
    cookies = [value for one in (first, page, answer) for value in one.headers.get_list("set-cookie")]
    assert len(cookies) >= 3
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "Path=/" in cookie
        assert "SameSite=lax" in cookie
        assert "Domain" not in cookie


@vector("CONS-008")
def test_cookies_on_https_are_host_bound(vector: str) -> None:
    from starlette.responses import Response

    from vestibule.authorization_server.replies import Cookie, CookieName
    from vestibule.web.cookies import Cookies

    for name in CookieName:
        response = Response()
        Cookies(secure=True).write(response, Cookie(name, "x", 60))
        cookie = response.headers["set-cookie"]
        assert cookie.startswith(f"__Host-vestibule_{name}=x;")
        assert "Secure" in cookie


@vector("CONS-010", "CONS-011")
async def test_a_victim_who_opens_the_attackers_provider_link_is_not_signed_in(
    vector: str, door: Door, flow: Flow
) -> None:
    attacker, victim = door.browser(), door.browser()
    provider_link = (await attacker.decide(await attacker.ask(flow))).headers["location"]
    page = await victim.get(provider_link)
    chosen = await victim.post("/development/sign-in", {**hidden_fields(page.text), "login": "victim"})
    answer = await victim.get(chosen.headers["location"])
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert victim.cookie("session") is None


@vector("CONS-010", "CONS-011")
async def test_a_victim_with_a_flow_of_their_own_is_not_confused_either(vector: str, door: Door, flow: Flow) -> None:
    attacker, victim = door.browser(), door.browser()
    provider_link = (await attacker.decide(await attacker.ask(flow))).headers["location"]
    await victim.decide(await victim.ask(flow))  # has a sign-in cookie of their own
    page = await victim.get(provider_link)
    chosen = await victim.post("/development/sign-in", {**hidden_fields(page.text), "login": "victim"})
    assert (await victim.get(chosen.headers["location"])).status_code == 400


async def test_the_page_of_one_browser_is_closed_to_another(door: Door, flow: Flow) -> None:
    page = await door.browser().get(flow.authorize_url())
    assert (await door.browser().get(page.headers["location"])).status_code == 400


@vector("CONS-012")
async def test_refusing(vector: str, door: Door, flow: Flow) -> None:
    visitor = door.browser()
    answer = await visitor.decide(await visitor.ask(flow), "deny")
    parameters = response_parameters(answer, REDIRECT)
    assert answer.status_code == 303
    assert (parameters["error"], parameters["state"], parameters["iss"]) == ("access_denied", "s1", door.url)


async def test_a_refusal_is_remembered_and_has_a_way_back(door: Door) -> None:
    person = await door.sign_in()
    other = Flow(door, await door.register(client_name="Pushy"))
    visitor = person.visitor
    await visitor.decide(await visitor.ask(other), "deny")
    again = await visitor.ask(other)
    assert "You refused" in again.text
    looked = await visitor.decide(again, "reconsider")
    page = await visitor.get(looked.headers["location"])
    assert "You refused" not in page.text
    assert "code" in response_parameters(await visitor.decide(page), REDIRECT)


async def test_an_approval_is_remembered_for_exactly_this_question(door: Door) -> None:
    web = "https://app.example/callback"
    person = await door.sign_in(client=await door.register(redirect_uris=[web]), redirect_uri=web)
    flow = person.flow
    again = response_parameters(await person.visitor.get(flow.authorize_url()), web)
    assert "code" in again
    for changed in ({"resource": f"{door.url}/main/mcp"}, {"prompt": "consent"}):
        answer = await person.visitor.get(flow.authorize_url(**changed))
        assert answer.headers["location"].startswith(f"{door.url}/consent")
    stranger = door.browser()
    assert (await stranger.get(flow.authorize_url())).headers["location"].startswith(f"{door.url}/consent")


async def test_a_program_on_this_computer_gets_nothing_without_a_click(door: Door) -> None:
    """RFC 8252 §8.6: any program can wait at a loopback address and say that it is the one that was allowed."""
    person = await door.sign_in()
    thief = Flow(door, person.flow.client, redirect_uri=REDIRECT.replace("7777", "6666"))
    answer = await person.visitor.get(thief.authorize_url())
    assert answer.headers["location"].startswith(f"{door.url}/consent")
    page = await person.visitor.get(answer.headers["location"])
    assert "You have allowed this before" in page.text
    clicked = await person.visitor.decide(page)
    assert "code" in response_parameters(clicked, thief.redirect_uri)


@vector("CONS-015")
async def test_two_tabs_do_not_mix(vector: str, door: Door, flow: Flow) -> None:
    other = Flow(door, await door.register(client_name="Other"), state="s2")
    visitor = door.browser()
    first, second = await visitor.ask(flow), await visitor.ask(other)
    to_provider_1 = await visitor.decide(first)
    to_provider_2 = await visitor.decide(second)
    done_2 = response_parameters(await visitor.sign_in_at(to_provider_2), REDIRECT)
    done_1 = response_parameters(await visitor.sign_in_at(to_provider_1), REDIRECT)
    assert (done_1["state"], done_2["state"]) == ("s1", "s2")
    flow.code, other.code = done_1["code"], done_2["code"]
    assert (await other.redeem(code=done_1["code"])).json()["error"] == "invalid_grant"
    assert (await flow.redeem()).status_code == 200


@vector("CONS-016")
async def test_the_page_says_who_where_what_and_as_whom(vector: str, door: Door, flow: Flow) -> None:
    person = await door.sign_in()
    page = (await person.visitor.ask(flow)).text
    text = re.sub(r"<[^>]+>", " ", page)
    for wanted in (
        "Sketchbook",
        "registered itself",
        "127.0.0.1",
        "Any program on this computer",
        "mcp",
        "Ada",
        "Tenant",
    ):
        assert wanted in text, wanted


@vector("CONS-016")
async def test_an_internationalised_host_is_shown_as_punycode(vector: str, door: Door) -> None:
    uri = "https://xn--pypl-53dc.example/cb"
    flow = Flow(door, await door.register(redirect_uris=[uri], client_name="Pаypаl"), redirect_uri=uri)
    assert "xn--pypl-53dc.example" in (await door.browser().ask(flow)).text


@vector("CONS-018")
async def test_signing_in_makes_a_new_session(vector: str, door: Door) -> None:
    person = await door.sign_in()
    before = person.visitor.cookie("session")
    other = Flow(door, await door.register())
    answer = await person.visitor.ask(other, prompt="login")
    await person.visitor.sign_in_at(await person.visitor.decide(answer), "grace")
    assert person.visitor.cookie("session") != before
    old = await door.http.get(f"{door.url}/", headers={"Cookie": f"vestibule_session={before}"})
    assert "Nobody is signed in" in old.text


@vector("CONS-020", "CONS-021")
@pytest.mark.parametrize("name", ["session", "consent", "signin", "csrf"])
async def test_a_cookie_that_was_changed_or_swapped_is_no_cookie(vector: str, door: Door, name: str) -> None:
    person = await door.sign_in()
    visitor = person.visitor
    value = visitor.cookie(name) or ""
    others = [visitor.cookie(other) or "" for other in ("session", "consent", "signin", "csrf") if other != name]
    for forged in (value[:-1], value + "A", "A" * 43, "", "\x7f", "x" * 5000, *others):
        visitor.http.cookies.set(f"vestibule_{name}", forged, domain="127.0.0.1")
        answer = await visitor.get(person.flow.authorize_url())
        assert answer.status_code == (400 if forged == "\x7f" else 302)  # a control character is not even HTTP
        if name == "session":
            assert "code=" not in answer.headers.get("location", "")


async def test_a_page_is_used_once(door: Door, flow: Flow) -> None:
    visitor = door.browser()
    page = await visitor.ask(flow)
    await visitor.decide(page, "deny")
    assert (await visitor.decide(page)).status_code == 400


async def test_a_page_expires(door: Door, flow: Flow) -> None:
    visitor = door.browser()
    page = await visitor.ask(flow)
    door.clock.advance(601)
    assert (await visitor.decide(page)).status_code == 400


_HTTPS: dict[str, Any] = {
    "public_url": "https://gw.example.com",
    "identity_providers": [
        {
            "name": "idp",
            "kind": "oidc",
            "issuer": "https://idp.example.com",
            "client_id": "vestibule",
        }
    ],
}


async def _raw(door: Door, request: str, body: str = "", cookie: bytes = b"") -> tuple[int, dict[str, list[str]], str]:
    async with Wire(door.url) as wire:
        lines = [request, "Host: gw.example.com", "Connection: close"]
        if body:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        raw = "\r\n".join(lines).encode() + (b"\r\nCookie: " + cookie if cookie else b"") + b"\r\n\r\n" + body.encode()
        await wire.send(raw)
        answer = await wire.rest(3)
    top, _, text = answer.data.partition(b"\r\n\r\n")
    headers: dict[str, list[str]] = {}
    for line in top.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return answer.status, headers, text.decode("utf-8", "replace")


def _cookie(headers: dict[str, list[str]], name: str) -> str:
    return next(v.partition(";")[0].partition("=")[2] for v in headers["set-cookie"] if v.startswith(f"{name}="))


@vector("CONS-003")
@pytest.mark.parametrize("byte", [b"\xa0", b"\x85"])
async def test_a_neighbouring_host_cannot_plant_our_cookies_and_consent_for_somebody(
    vector: str, tmp_path: Path, upstream: RecordingUpstream, byte: bytes
) -> None:
    """A cookie named 0xA0 + `__Host-…` has no prefix for a browser, and must have none for us.

    evil.example.com sets it with Domain=example.com; with the consent and CSRF cookies of its own page it then posts
    that page's form from the victim's browser, where only the victim's session is real.
    """
    async with open_door(tmp_path, upstream.url, **_HTTPS) as door:
        server = door.house.plane.server
        victim = Identity(issuer="https://idp.example.com", subject="victim", provider="idp", name="Victim")
        session = (await server.open_session(SignedIn(victim), "default", Browser()))[1].value

        reg = await door.http.post(
            f"{door.url}/register",
            headers={"Host": "gw.example.com"},
            json={"redirect_uris": ["https://attacker.example/cb"], "token_endpoint_auth_method": "none"},
        )
        client_id, verifier = reg.json()["client_id"], "v" * 50
        query = urlencode(
            {
                "response_type": "code",
                "client_id": client_id,
                "redirect_uri": "https://attacker.example/cb",
                "code_challenge": challenge_of(verifier),
                "code_challenge_method": "S256",
                "resource": "https://gw.example.com/mcp",
            }
        )
        status, headers, _ = await _raw(door, f"GET /authorize?{query} HTTP/1.1")
        assert status == 302
        consent = _cookie(headers, "__Host-vestibule_consent")
        page = urlsplit(headers["location"][0])
        status, headers, text = await _raw(
            door, f"GET {page.path}?{page.query} HTTP/1.1", cookie=b"__Host-vestibule_consent=" + consent.encode()
        )
        assert status == 200
        csrf = _cookie(headers, "__Host-vestibule_csrf")
        fields = {
            name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)
        }
        # From here on it is the victim's browser. Real cookies first, tossed ones after.
        jar = b"__Host-vestibule_session=%b; %b__Host-vestibule_consent=%b; %b__Host-vestibule_csrf=%b" % (
            session.encode(),
            byte,
            consent.encode(),
            byte,
            csrf.encode(),
        )
        form = urlencode({"txn": fields["txn"], "csrf": fields["csrf"], "decision": "approve"})
        status, headers, text = await _raw(door, "POST /consent HTTP/1.1", form, jar)
    assert status in (400, 403), headers.get("location")
