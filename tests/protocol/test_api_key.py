"""The form of API keys."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vestibule.model import digest
from vestibule.protocol.api_key import (
    ID_BYTES,
    PATTERN,
    RANDOM_BYTES,
    looks_like_api_key,
    read_api_key,
    write_api_key,
    write_key_id,
)

RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(RANDOM)
def test_a_key_has_one_form_whatever_its_bytes(random: bytes) -> None:
    key = write_api_key(random).reveal()
    assert re.fullmatch(PATTERN, key)
    assert len(key) == 53
    assert looks_like_api_key(key)
    assert read_api_key(key) == digest(key)


@given(RANDOM, st.integers(0, 52), st.characters(min_codepoint=0x21, max_codepoint=0x17F))
def test_a_key_with_another_character_anywhere_is_none(random: bytes, place: int, char: str) -> None:
    key = write_api_key(random).reveal()
    changed = key[:place] + char + key[place + 1 :]
    assert changed == key or read_api_key(changed) is None


@given(RANDOM)
def test_a_key_with_two_neighbours_exchanged_is_none(random: bytes) -> None:
    key = write_api_key(random).reveal()
    for place, (left, right) in enumerate(pairwise(key)):
        if left != right:
            assert read_api_key(key[:place] + right + left + key[place + 2 :]) is None


def test_what_is_no_key() -> None:
    key = write_api_key(bytes(range(32))).reveal()
    spellings = ("", "vsk_", key[:-1], key + "0", key + "\n", f" {key}", key.upper(), key.lower(), f"x{key}", "é" * 53)
    assert [read_api_key(text) for text in spellings] == [None] * len(spellings)


def test_other_bytes_make_another_key() -> None:
    edges = (b"\0" * 32, b"\0" * 31 + b"\1", b"\xff" * 32, b"\xff" * 31 + b"\xfe")
    assert len({write_api_key(random).reveal() for random in edges}) == len(edges)


def test_the_form_does_not_change() -> None:
    """Programs hold keys for years."""
    known = "vsk_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf20It1s"
    assert write_api_key(bytes(range(32))).reveal() == known
    assert write_key_id(b"\xff" * ID_BYTES) == "ak_1f2SI9UJPXvb7vdJ1"


@given(RANDOM)
def test_what_the_page_gives_to_scanners_finds_keys_and_nothing_else(random: bytes) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api-keys.md").read_text("utf-8")
    assert f"\\b{PATTERN}\\b" in page
    (snippet,) = re.findall(r"```python\n(import string.*?)```", page, re.DOTALL)
    page_says: dict[str, Any] = {}
    exec(snippet, page_says)
    key = write_api_key(random).reveal()
    assert page_says["is_key"](key)
    assert not page_says["is_key"](key[:-1] + ("0" if key[-1] != "0" else "1"))
