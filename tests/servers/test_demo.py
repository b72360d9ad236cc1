"""The sample server by itself: on standard input and output, and what its tools answer to odd questions."""

import struct
import sys
import zlib

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import PromptReference

from vestibule.servers.demo.picture import HEIGHT, WIDTH, bar_chart

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_on_standard_input_and_output(mode: str) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "vestibule", "server", "demo", "--stdio"])
    async with Client(parameters, mode=mode) as client:
        greeted = await client.call_tool("greet", {"name": "Ada"})
        assert "Hello, Ada" in greeted.model_dump_json()
        arrived = await client.call_tool("what_arrived", {})
        assert arrived.structured_content == {"headers": {}, "carries_a_token": False}
        unknown = await client.call_tool("no_such_tool", {})
        assert unknown.is_error
        completed = await client.complete(
            PromptReference(type="ref/prompt", name="explain"),
            {"name": "tone", "value": "f"},
        )
        assert completed.completion.values == ["friendly", "formal"]


@pytest.mark.parametrize("values", [[], [0], [-1, 2], [1] * 200, [1e300, 1]])
def test_a_picture_is_a_png(values: list[float]) -> None:
    picture = bar_chart(values)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (WIDTH, HEIGHT)
    data = picture[picture.index(b"IDAT") + 4 : picture.index(b"IEND") - 8]
    assert len(zlib.decompress(data)) == HEIGHT * (1 + 3 * WIDTH)
