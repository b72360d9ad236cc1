"""What runs beside the requests goes on, whatever happens to it once."""

import asyncio
from datetime import timedelta

import pytest

from tests.support.house import Door
from vestibule.errors import StoreUnavailable


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), ValueError("odd"), OSError("disk")], ids=repr)
async def test_a_chore_that_fails_is_tried_again(door: Door, error: Exception) -> None:
    done, failures = asyncio.Event(), [error]

    async def work() -> None:
        if failures:
            raise failures.pop()
        done.set()

    chore = asyncio.create_task(door.house._again_and_again("test", work, timedelta(milliseconds=5)))
    await asyncio.wait_for(done.wait(), 5)
    chore.cancel()
    assert (await asyncio.gather(chore, return_exceptions=True))[0].__class__ is asyncio.CancelledError
