"""Our pages in a real browser: the whole way, by keyboard, in both colour schemes, on a phone."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser

from tests.parts.chromium import a_person, keep_picture, scrolls_sideways
from tests.support.house import Door, Flow, open_door
from vestibule.testing.identity_provider import ScriptedIdentityProvider
from vestibule.testing.recording_upstream import RecordingUpstream

pytestmark = pytest.mark.slow

LONG = "An application with a name that goes on and on " * 3


async def flow_of(door: Door, port: int, **metadata: str) -> Flow:
    uri = f"http://127.0.0.1:{port}/callback"
    client = await door.register(redirect_uris=[uri], **{"client_name": "Sketchbook", **metadata})
    return Flow(door, client, redirect_uri=uri)


def code_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["code"][0]


async def test_sign_in_and_consent(door: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(door, client_port)
    page = await (await a_person(browser)).new_page()
    await page.goto(flow.authorize_url())
    await keep_picture(page, "consent")
    assert await page.locator("h1").count() == 1
    assert "127.0.0.1" in await page.locator(".fact-strong").inner_text()
    await page.get_by_role("button", name="Allow and sign in").click()
    await keep_picture(page, "development")
    await page.get_by_role("button", name="Ada Lovelace").click()
    await page.wait_for_url(f"{flow.redirect_uri}?*")
    flow.code = code_in(page.url)
    assert (await flow.redeem()).status_code == 200

    other = await flow_of(door, client_port, client_name="Second")
    await page.goto(other.authorize_url())
    assert "Ada Lovelace" in await page.locator("main").inner_text()
    await page.get_by_role("button", name="Refuse").click()
    await page.wait_for_url(f"{flow.redirect_uri}?error=access_denied*")
    await page.goto(other.authorize_url())
    await keep_picture(page, "refused")
    await page.get_by_role("button", name="Look at it again").click()
    await page.get_by_role("button", name="Allow").click()
    await page.wait_for_url(f"{flow.redirect_uri}?code=*")


async def test_typing_a_name(door: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(door, client_port)
    page = await (await a_person(browser)).new_page()
    await page.goto(flow.authorize_url())
    await page.get_by_role("button", name="Allow and sign in").click()
    await page.get_by_label("Somebody else").fill("zoe@example.com")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{flow.redirect_uri}?code=*")
    (grant,) = await door.house.store.grants.list_live()
    assert grant.identity.subject == "zoe@example.com"


async def test_by_keyboard_alone(door: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(door, client_port)
    page = await (await a_person(browser)).new_page()
    await page.goto(flow.authorize_url())
    seen = []
    for _ in range(4):
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if await focused.count():
            seen.append(await focused.inner_text())
            outline = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline == "solid"
    assert seen[:2] == ["Allow and sign in", "Refuse"]
    await page.get_by_role("button", name="Refuse").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{flow.redirect_uri}?error=access_denied*")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1000])
async def test_every_page_fits(door: Door, browser: Browser, client_port: int, scheme: str, width: int) -> None:
    flow = await flow_of(door, client_port, client_name=LONG)
    context = await a_person(browser, scheme="dark" if scheme == "dark" else "light", width=width)
    page = await context.new_page()
    backgrounds = set()
    for name, url in (
        ("home", f"{door.url}/"),
        ("error", f"{door.url}/authorize?client_id=x"),
        ("consent", flow.authorize_url()),
    ):
        await page.goto(url)
        await keep_picture(page, f"{name}-{scheme}-{width}")
        assert not await scrolls_sideways(page), name
        backgrounds.add(await page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor"))
    await page.get_by_role("button", name="Allow and sign in").click()
    await keep_picture(page, f"development-{scheme}-{width}")
    assert not await scrolls_sideways(page)
    assert backgrounds == {"rgb(22, 21, 19)" if scheme == "dark" else "rgb(246, 243, 238)"}
    for button in await page.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


async def test_through_a_provider_of_another_origin(
    tmp_path: Path, upstream: RecordingUpstream, browser: Browser, client_port: int
) -> None:
    """Chromium holds form-action against every redirect that follows a form: to the provider, and to the client."""
    async with ScriptedIdentityProvider() as idp:
        work = {
            "kind": "oidc",
            "name": "work",
            "issuer": idp.issuer,
            "client_id": idp.client_id,
            "client_secret": idp.client_secret,
        }
        private = {
            **work,
            "name": "private",
            "title": "Private",
            "client_id": "other",
            "client_secret": "another-secret-of-tests",
        }
        async with open_door(tmp_path, upstream.url, identity_providers=[work, private]) as door:
            flow = await flow_of(door, client_port)
            page = await (await a_person(browser)).new_page()
            await page.goto(flow.authorize_url())
            await keep_picture(page, "consent-two-providers")
            await page.get_by_role("button", name="Allow and sign in").click()
            await page.get_by_role("button", name="Sign in with Work").click()
            await page.wait_for_url(f"{flow.redirect_uri}?code=*")


async def test_the_policy_stops_what_is_not_ours(door: Door, browser: Browser, client_port: int) -> None:
    flow = await flow_of(door, client_port, client_name='"><img src=x onerror=alert(1)><script>alert(1)</script>')
    context = await browser.new_context()
    page = await context.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(flow.authorize_url())
    assert dialogs == []
    assert all(url.startswith((door.url, "data:")) for url in requested)
    assert await page.locator("main img, main script").count() == 0
