"""The chart that the sample server draws, read back pixel by pixel."""

import struct
import zlib

import pytest

from vestibule.servers.demo.picture import HEIGHT, WIDTH, bar_chart


def test_a_chart_is_a_png_whose_bars_are_as_tall_as_their_values() -> None:
    rows = pixels(bar_chart([2, 0, 1, -1]))
    paper, bar = b"\xfa\xf7\xf2", b"\x0b\x5c\x54"
    tall = [sum(row[x * 3 : x * 3 + 3] == bar for row in rows) for x in (40, 120, 200, 280)]  # mid-bar, of 80 pixels
    assert tall == [152, 0, 76, 0]
    assert rows[0] == paper * WIDTH


@pytest.mark.parametrize("values", [[], [0], [1.0] * 64, [1.0] * 1000, [5e-324, 1e308]])
def test_any_number_of_bars_makes_a_whole_picture(values: list[float]) -> None:
    rows = pixels(bar_chart(values))
    assert [len(row) for row in rows] == [WIDTH * 3] * HEIGHT


def pixels(png: bytes) -> list[bytes]:
    """The rows of an unfiltered RGB picture, its checksums compared."""
    chunks: dict[bytes, bytes] = {}
    rest = png.removeprefix(b"\x89PNG\r\n\x1a\n")
    while rest:
        length = struct.unpack(">I", rest[:4])[0]
        kind, data, checksum = rest[4:8], rest[8 : 8 + length], rest[8 + length : 12 + length]
        assert zlib.crc32(kind + data) == struct.unpack(">I", checksum)[0]
        chunks[kind], rest = data, rest[12 + length :]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    raw = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + WIDTH * 3
    assert len(raw) == HEIGHT * stride
    assert not any(raw[::stride])
    return [raw[at + 1 : at + stride] for at in range(0, len(raw), stride)]
