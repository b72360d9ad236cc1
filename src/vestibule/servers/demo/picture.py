"""A bar chart as a PNG, with nothing but the standard library (PNG specification, §5 and §11)."""

import struct
import zlib
from collections.abc import Sequence

WIDTH, HEIGHT, GAP = 320, 160, 4
_PAPER, _BAR = b"\xfa\xf7\xf2", b"\x0b\x5c\x54"


def bar_chart(values: Sequence[float]) -> bytes:
    """A PNG of 320 by 160 pixels; the tallest bar nearly fills it. Values below zero count as zero.

    There is room for 64 bars; what comes after them is left out. Values must be finite.
    """
    heights = _heights(values)
    rows = (b"\0" + _row(HEIGHT - y, heights) for y in range(HEIGHT))  # each begins with its filter: none
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(b"".join(rows))), _chunk(b"IEND", b""))
    )


def _heights(values: Sequence[float]) -> list[int]:
    tallest = max((value for value in values if value > 0), default=1.0)
    return [round(max(value, 0) / tallest * (HEIGHT - 2 * GAP)) for value in values]


def _row(above: int, heights: Sequence[int]) -> bytes:
    """The pixels of the row whose upper edge is `above` pixels above the ground."""
    thick = max(WIDTH // max(len(heights), 1) - GAP, 1)
    drawn = b"".join(_PAPER * GAP + (_BAR if above <= height else _PAPER) * thick for height in heights)
    return (drawn + _PAPER * WIDTH)[: WIDTH * len(_PAPER)]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
