"""Events, read as a browser reads them, whatever pieces they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.protocol.endpoint_event import message_url
from vestibule.protocol.event_stream import EventReader, EventTooLong

URL = "https://mcp.example.com:8443/base/sse"


def read(*pieces: bytes, longest: int = 1000) -> list[tuple[bytes, bytes]]:
    reader = EventReader(longest=longest)
    return [(event.name, event.data) for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\n", [(b"message", b"a")], id="lf"),
        pytest.param(b"data: a\r\n\r\n", [(b"message", b"a")], id="crlf"),
        pytest.param(b"data: a\r\rdata: b\r\r", [(b"message", b"a"), (b"message", b"b")], id="bare-cr"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [(b"message", b"a")], id="byte-order-mark"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [(b"message", b"a")], id="a-later-mark-is-a-name"),
        pytest.param(b"event: endpoint\ndata:/m\n\n", [(b"endpoint", b"/m")], id="endpoint"),
        pytest.param(b"data: a\ndata: b\ndata\n\n", [(b"message", b"a\nb\n")], id="lines"),
        pytest.param(b": comment\n\nevent: x\n\n", [], id="nothing-to-dispatch"),
        pytest.param(b"data: a", [], id="unfinished"),
        pytest.param(b"data: \x00\xff\n\n", [(b"message", b"\x00\xff")], id="nul-and-no-utf-8"),
    ],
)
def test_events_are_read_as_the_standard_has_it(stream: bytes, events: list[tuple[bytes, bytes]]) -> None:
    assert read(stream) == events
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == events


@given(
    st.lists(st.sampled_from([b"data: a", b"\r", b"\n", b"\r\n", b"event: e", b": c", b"\xef\xbb\xbf"]), max_size=20)
)
def test_pieces_change_nothing(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert read(stream) == read(*(stream[at : at + 1] for at in range(len(stream))))


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 600, b"data: " + b"x" * 300 + b"\n"], ids=["line", "lines"])
def test_no_event_is_longer_than_permitted(piece: bytes) -> None:
    with pytest.raises(EventTooLong):
        read(*[piece] * 4)


def test_the_last_id_and_the_time_to_wait_are_kept() -> None:
    reader = EventReader(longest=1000)
    first, second = reader.feed(b"id: 7\nretry: 250\ndata:\n\ndata: a\n\n")
    assert (first.id, first.retry) == (b"7", 250)
    assert (second.id, second.retry) == (b"7", None)


@pytest.mark.parametrize(
    ("said", "url"),
    [
        (b"/message?sessionId=1", "https://mcp.example.com:8443/message?sessionId=1"),
        (b"message", "https://mcp.example.com:8443/base/message"),
        (b"?s=1", "https://mcp.example.com:8443/base/sse?s=1"),
        (b"https://mcp.example.com:8443/m", "https://mcp.example.com:8443/m"),
        (b"https://mcp.example.com/m", None),
        (b"http://mcp.example.com:8443/m", None),
        (b"https://evil.example/m", None),
        (b"//evil.example/m", None),
        (b"https://user@mcp.example.com:8443/m", None),
        (b"https://mcp.example.com:8443@evil.example/m", None),
        (b"javascript:alert(1)", None),
        (b"file:///etc/passwd", None),
        (b"/m\r\nHost: evil", None),
        (b"/m HTTP/1.1", None),
        (b"\\\\evil.example/m", None),
        (b"/m#f", None),
        (b"https://mcp.example.com:99999/m", None),
        (b"/\xc3\xa9", None),
        (b"", None),
        (b"/" + b"a" * 1_000_000, None),
    ],
)
def test_messages_go_nowhere_but_to_the_streams_own_origin(said: bytes, url: str | None) -> None:
    assert message_url(URL, said) == url
