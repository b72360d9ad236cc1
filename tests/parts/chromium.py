"""Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        raise RuntimeError("chromium is missing. Install Debian's package: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


async def a_person(
    browser: Browser, *, scheme: Literal["light", "dark"] = "light", width: int = 1000
) -> BrowserContext:
    """A fresh profile: a colour scheme, a window, no cookies; JavaScript switched off, as our pages need none."""
    return await browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, java_script_enabled=False
    )


def complaints(page: Page) -> list[str]:
    """What the browser will object to from now on: breaches of the page's policy, and other errors of its console.

    That the page itself has a status of 400 or more is not an objection.
    """
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        is_own_status = message.text.startswith("Failed to load resource") and message.location["url"] == page.url
        if message.type in ("error", "warning") and not is_own_status:
            heard.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


async def keep_picture(page: Page, name: str) -> None:
    """For people who want to look: VESTIBULE_TEST_PICTURES names a folder."""
    if folder := os.environ.get("VESTIBULE_TEST_PICTURES"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def scrolls_sideways(page: Page) -> bool:
    widest = await page.locator("body").evaluate("body => body.ownerDocument.documentElement.scrollWidth")
    return int(widest) > (page.viewport_size or {"width": 0})["width"]
