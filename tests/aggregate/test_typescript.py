"""The TypeScript SDK's client before several servers."""

import pytest

from tests.aggregate.conftest import REDIRECT, Together
from tests.aggregate.test_real_clients import ALL
from tests.parts.typescript_client import typescript_client

pytestmark = pytest.mark.slow


async def test_the_typescript_client(together: Together) -> None:
    async with typescript_client(together.url, REDIRECT) as client:
        url = (await client.ask("connect"))["authorize"]
        assert (await client.ask("finish", callback=await together.browser(url)))["connected"]
        assert set((await client.ask("list"))["tools"]) == ALL
        for name, text in (("demo_greet", "front door"), ("wiki_greet", "The wiki greets Ada.")):
            result = (await client.ask("call", name=name, arguments={"name": "Ada"}))["result"]
            assert text in result["content"][0]["text"]
        arrived = (await client.ask("call", name="demo_what_arrived", arguments={}))["result"]
        assert arrived["structuredContent"]["carries_a_token"] is False
