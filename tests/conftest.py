"""Fixtures for all tests: an upstream that records, and a gateway before it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.house import Door, open_door
from vestibule.testing.recording_upstream import RecordingUpstream


@pytest.fixture
async def upstream() -> AsyncIterator[RecordingUpstream]:
    async with RecordingUpstream() as running:
        yield running


@pytest.fixture
async def door(tmp_path: Path, upstream: RecordingUpstream) -> AsyncIterator[Door]:
    async with open_door(tmp_path, upstream.url) as running:
        yield running
