"""A browser, and a native client that waits for its code."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.parts.chromium import chromium
from vestibule.testing.recording_upstream import RecordingUpstream, json_answer


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture
async def client_port() -> AsyncIterator[int]:
    """Where a native client waits for its code."""
    async with RecordingUpstream() as waiting:
        waiting.answer = json_answer({"you": "may close this"})
        yield waiting.port
