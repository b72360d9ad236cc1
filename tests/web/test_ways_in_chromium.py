"""The whole way of a person through our pages, in a real browser: every scheme and width, and by keyboard."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.parts.chromium import a_person, complaints, keep_picture, scrolls_sideways
from tests.support.house import Door, Flow, open_door
from tests.support.proofs import DEVICE_CODE
from tests.web.test_pages_in_chromium import code_in, flow_of
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream

pytestmark = pytest.mark.slow

SCOPES = {
    "default": ["notes.read"],
    "optional": ["notes.write", "notes.delete"],
    "texts": {
        "notes.read": "Read your notes",
        "notes.write": "Write and change your notes",
        "notes.delete": "Delete notes for good",
    },
}


@pytest.fixture
async def idp() -> AsyncIterator[ScriptedIdentityProvider]:
    async with ScriptedIdentityProvider() as running:
        yield running


@pytest.fixture
async def house(tmp_path: Path, upstream: RecordingUpstream, idp: ScriptedIdentityProvider) -> AsyncIterator[Door]:
    """Two ways to sign in, and scopes that have texts."""
    keys: dict[str, Any] = {
        "upstreams": [{"name": "notes", "title": "Team notes", "url": upstream.url, "scopes": SCOPES}],
        "identity_providers": [
            {"kind": "development", "name": "development"},
            {
                "kind": "oidc",
                "name": "work",
                "title": "Work",
                "issuer": idp.issuer,
                "client_id": idp.client_id,
                "client_secret": idp.client_secret,
            },
        ],
    }
    async with open_door(tmp_path, upstream.url, **keys) as running:
        yield running


@dataclass
class Look:
    """A person's one window, which is looked at on every page."""

    page: Page
    name: str
    heard: list[str] = field(default_factory=list)

    @classmethod
    async def through(
        cls, browser: Browser, scheme: Literal["light", "dark"] = "light", width: int = 1000, *, name: str = ""
    ) -> "Look":
        page = await (await a_person(browser, scheme=scheme, width=width)).new_page()
        return cls(page, name or f"{scheme}-{width}", complaints(page))

    async def at(self, name: str, *, title: str = "") -> None:
        """This page has one heading, fits, is big enough for a thumb, and the browser objects to nothing."""
        await keep_picture(self.page, f"{name}-{self.name}")
        assert self.heard == [], name
        heading = self.page.locator("h1")
        await expect(heading).to_have_count(1)
        if title:
            await expect(heading).to_contain_text(title)
        assert not await scrolls_sideways(self.page), name
        for target in await self.page.locator("button, input:not([type=hidden])").all():
            box = await target.bounding_box()
            assert box is not None
            assert box["height"] >= 44, (name, await target.inner_text())
            assert await target.evaluate("element => element.scrollHeight <= element.clientHeight"), name

    async def press(self, button: str) -> None:
        await self.page.get_by_role("button", name=button, exact=True).click()

    async def leave_by(self, button: str) -> None:
        """Press a button that leads out of the browser."""
        target = self.page.get_by_role("button", name=button)
        async with self.page.expect_event("requestfailed", timeout=5000):
            await target.click(no_wait_after=True)

    async def hears(self, words: str) -> None:
        async with asyncio.timeout(5):
            while not any(words in text for text in self.heard):
                await asyncio.sleep(0.05)


async def begin_device(door: Door, client: dict[str, Any]) -> dict[str, Any]:
    form = {"client_id": client["client_id"], "resource": door.mcp, "scope": "notes.read"}
    answer: dict[str, Any] = (await door.post("/device_authorization", form)).json()
    return answer


async def poll(door: Door, client: dict[str, Any], device: dict[str, Any]) -> httpx2.Response:
    form = {"grant_type": DEVICE_CODE, "device_code": device["device_code"], "client_id": client["client_id"]}
    return await door.post("/token", form)


async def register_device(door: Door) -> dict[str, Any]:
    return await door.register(grant_types=[DEVICE_CODE], redirect_uris=[], client_name="Kitchen display")


async def redeem(flow: Flow, page: Page) -> dict[str, Any]:
    """The tokens for the code that the browser has just brought."""
    await page.wait_for_url(f"{flow.redirect_uri}?code=*")
    flow.code = code_in(page.url)
    answer = await flow.redeem()
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1000])
async def test_every_page_of_the_whole_way(
    house: Door, browser: Browser, client_port: int, scheme: Literal["light", "dark"], width: int
) -> None:
    flow = await flow_of(house, client_port)
    look = await Look.through(browser, scheme, width)
    page = look.page
    await page.goto(f"{house.url}/me")
    await look.at("me-signed-out", title="Your connections")

    await page.goto(flow.authorize_url(scope="notes.read"))
    await look.at("consent", title="Sketchbook")
    await look.press("Allow and sign in")
    await look.at("chooser", title="How do you sign in?")
    await look.press("Sign in with Work")
    tokens = await redeem(flow, page)
    assert tokens["scope"] == "notes.read"

    await page.goto(flow.authorize_url(scope="notes.read notes.write notes.delete"))
    await look.at("step-up", title="Sketchbook")
    await look.press("Allow")
    tokens = await redeem(flow, page)
    assert (await house.call(tokens["access_token"])).status_code == 200

    other = await flow_of(house, client_port, client_name="Somebody else's tool")
    await page.goto(other.authorize_url(scope="notes.read"))
    await look.press("Refuse")
    await page.wait_for_url(f"{other.redirect_uri}?error=access_denied*")
    await page.goto(other.authorize_url(scope="notes.read"))
    await look.at("refused", title="You refused")

    client = await register_device(house)
    device = await begin_device(house, client)
    await page.goto(device["verification_uri"])
    await look.at("device", title="Connect a device")
    await page.get_by_label("Code on the device").fill(device["user_code"])
    await look.press("Continue")
    await look.at("device-consent", title="Kitchen display")
    await look.press("Allow")
    await look.at("device-done", title="The device is connected")
    assert (await poll(house, client, device)).status_code == 200

    await page.goto(f"{house.url}/me")
    await look.at("connections", title="Your connections")
    await look.press("Sign out of this browser")
    await look.at("home-signed-out")


async def test_what_is_new_is_shown_as_new(house: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(house, client_port)
    look = await Look.through(browser)
    page = look.page
    known, new = page.locator(".scopes-known"), page.locator(".scopes:not(.scopes-known)")
    await page.goto(flow.authorize_url(scope="notes.read"))
    await expect(new.locator("li")).to_have_count(1)
    await expect(known).to_have_count(0)
    await expect(page.get_by_text("New", exact=True)).to_have_count(0)
    await look.press("Allow and sign in")
    await look.press("Sign in with Work")
    await redeem(flow, page)

    await page.goto(flow.authorize_url(scope="notes.read notes.write"))
    await expect(new).to_contain_text("Write and change your notes")
    await expect(new).not_to_contain_text("Read your notes")
    await expect(known).to_contain_text("Read your notes")
    await expect(known).not_to_contain_text("Write and change")
    await look.press("Refuse")
    await page.wait_for_url(f"{flow.redirect_uri}?error=access_denied*")

    await page.goto(flow.authorize_url(scope="notes.read notes.write"))
    assert "code=" not in page.url


async def test_a_refusal_is_remembered_and_there_is_a_way_back(house: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(house, client_port)
    look = await Look.through(browser)
    page = look.page
    await page.goto(flow.authorize_url())
    await look.press("Allow and sign in")
    await look.press("Sign in with Work")
    await redeem(flow, page)

    other = await flow_of(house, client_port, client_name="Second")
    for answer in ("Refuse", "Keep refusing"):
        await page.goto(other.authorize_url())
        await look.press(answer)
        await page.wait_for_url(f"{other.redirect_uri}?error=access_denied*")
    await page.goto(f"{house.url}/me")
    second = page.get_by_role("region", name="Second")
    await expect(second).to_contain_text("you refused it")
    await second.get_by_role("button", name="Forget the refusal").click()
    await expect(second).to_have_count(0)
    await page.goto(other.authorize_url())
    await expect(page.locator("h1")).to_contain_text("Let Second use")
    await look.press("Refuse")
    await page.wait_for_url(f"{other.redirect_uri}?error=access_denied*")

    await page.goto(other.authorize_url())
    await look.press("Look at it again")
    await look.press("Allow")
    assert await redeem(other, page)


async def test_a_connection_ends_at_once(house: Door, browser: Browser, client_port: int) -> None:
    flows = [await flow_of(house, client_port, client_name=name) for name in ("First", "Second")]
    look = await Look.through(browser)
    page = look.page
    tokens: list[str] = []
    for flow in flows:
        await page.goto(flow.authorize_url())
        if not tokens:
            await look.press("Allow and sign in")
            await look.press("Sign in with Work")
        else:
            await look.press("Allow")
        tokens.append((await redeem(flow, page))["access_token"])
    assert [(await house.call(token)).status_code for token in tokens] == [200, 200]

    await page.goto(f"{house.url}/me")
    first = page.get_by_role("region", name="First")
    await expect(first).to_contain_text("Team notes")
    await first.get_by_role("button", name="End this connection").click()
    await expect(first).to_have_count(0)
    await expect(page.get_by_role("region", name="Second")).to_have_count(1)
    assert [(await house.call(token)).status_code for token in tokens] == [401, 200]

    await look.press("Sign out of this browser")
    await expect(page.locator("main")).to_contain_text("Nobody is signed in")
    assert (await house.call(tokens[1])).status_code == 200
    await page.goto(f"{house.url}/me")
    await look.press("Sign in")
    await look.press("Sign in with Work")
    await expect(page.get_by_role("region", name="Second")).to_have_count(1)
    assert look.heard == []


async def test_cancelling_at_the_chooser(house: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(house, client_port)
    look = await Look.through(browser)
    await look.page.goto(flow.authorize_url())
    await look.press("Allow and sign in")
    await look.press("Cancel")
    await look.page.wait_for_url(f"{flow.redirect_uri}?error=access_denied*")


async def test_a_device_that_is_refused(house: Door, browser: Browser) -> None:
    client = await register_device(house)
    device = await begin_device(house, client)
    look = await Look.through(browser)
    await look.page.goto(device["verification_uri_complete"])
    await expect(look.page.get_by_label("Code on the device")).to_have_value(device["user_code"])
    await look.press("Continue")
    await expect(look.page.locator(".code")).to_have_text(device["user_code"])
    await look.press("Refuse")
    await look.at("device-refused", title="The device was refused")
    assert (await poll(house, client, device)).json()["error"] == "access_denied"


async def test_a_code_that_nobody_waits_with(house: Door, browser: Browser) -> None:
    look = await Look.through(browser)
    await look.page.goto(f"{house.url}/device")
    await look.page.get_by_label("Code on the device").fill("BCDF-GHJK")
    await look.press("Continue")
    await expect(look.page.get_by_role("alert")).to_contain_text("not one that a device is waiting with")
    await look.at("device-wrong-code", title="Connect a device")
    device = await begin_device(house, await register_device(house))
    await look.page.get_by_label("Code on the device").fill(device["user_code"])
    await look.press("Continue")
    await expect(look.page.locator("h1")).to_contain_text("Kitchen display")


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, and see that it shows."""
    for _ in range(20):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === element.ownerDocument.activeElement"):
            outline = await target.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline == "solid"
            return
    raise AssertionError(f"not within reach of the keyboard: {target}")


async def test_the_whole_way_by_keyboard(house: Door, browser: Browser, client_port: int) -> None:
    look = await Look.through(browser)
    page = look.page

    async def press(button: str, within: Locator | None = None) -> None:
        await tab_to(page, (within or page.locator("body")).get_by_role("button", name=button, exact=True))
        await page.keyboard.press("Enter")

    device = await begin_device(house, client := await register_device(house))
    await page.goto(f"{house.url}/")
    await tab_to(page, page.get_by_role("link", name="Connect a device"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Code on the device")).to_be_focused()
    await page.keyboard.type(device["user_code"].replace("-", "").lower())
    await page.keyboard.press("Enter")
    await press("Allow and sign in")
    await expect(page.locator("h1")).to_contain_text("How do you sign in?")
    await press("Sign in with Work")
    await expect(page.locator("h1")).to_contain_text("The device is connected")
    token = (await poll(house, client, device)).json()["access_token"]
    assert (await house.call(token)).status_code == 200
    await tab_to(page, page.get_by_role("link", name="Your connections"))
    await page.keyboard.press("Enter")
    await press("End this connection", page.get_by_role("region", name="Kitchen display"))
    await expect(page.locator("main")).to_contain_text("Nothing has access in your name")
    assert (await house.call(token)).status_code == 401
    await press("Sign out of this browser")
    await expect(page.locator("main")).to_contain_text("Nobody is signed in")


async def test_the_browser_tells_of_a_breach_of_the_policy(house: Door, browser: Browser) -> None:
    """That no complaint is heard elsewhere means something only because this one is."""
    look = await Look.through(browser)
    await look.page.goto(f"{house.url}/device")
    await look.page.locator("form").evaluate("form => { form.action = 'https://elsewhere.example/' }")
    await look.page.get_by_label("Code on the device").fill("BCDF-GHJK")
    await look.page.get_by_role("button", name="Continue").click(no_wait_after=True)
    await look.hears("form-action")


@pytest.mark.parametrize("way", ["Development sign-in", "Work"])
async def test_an_application_with_a_scheme_of_its_own(house: Door, browser: Browser, way: str) -> None:
    """The browser hands the code to the application, or tells that there is none; no policy of ours is in its way."""
    look = await Look.through(browser)
    client = await house.register(redirect_uris=["cursor://anysphere.cursor-mcp/callback"], client_name="Cursor")
    flow = Flow(house, client, redirect_uri=client["redirect_uris"][0])
    for first in (True, False):
        await look.page.goto(flow.authorize_url())
        if first:
            await look.press("Allow and sign in")
            if way == "Work":
                await look.leave_by("Sign in with Work")
            else:
                await look.press("Development sign-in")
                await look.leave_by("Ada Lovelace")
        else:
            await look.leave_by("Allow")
    assert [text for text in look.heard if "Content Security Policy" in text] == []
