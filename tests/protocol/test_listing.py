"""Tools left out of listings, in documents and in event streams; whatever else there is stays to the byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.protocol.event_stream import EventRewriter, EventTooLong
from vestibule.protocol.listing import UnreadableListing, leave_out


def only_a(name: str) -> bool:
    return name == "a"


def test_what_stays_stays_to_the_byte() -> None:
    kept = '{"name":"a",  "x":1.0, "y":1e400, "\\u0041":[ ]}'
    message = f'{{"jsonrpc":"2.0","id":"7","result":{{"tools":[{kept},{{"name":"b"}}],"nextCursor":"n","v":{{ }}}}}}'
    left = leave_out(message.encode(), only_a, is_modern=False)
    assert left.decode() == message.replace(',{"name":"b"}', "")


@pytest.mark.parametrize(
    ("said", "is_modern", "expected"),
    [(None, False, None), (None, True, "private"), ("public", True, "private"), ("public", False, "private")],
)
def test_a_listing_for_one_caller_is_nobody_elses(said: str | None, is_modern: bool, expected: str | None) -> None:
    result = {"tools": [], **({"cacheScope": said} if said else {})}
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
    assert json.loads(leave_out(message, only_a, is_modern=is_modern))["result"].get("cacheScope") == expected


@pytest.mark.parametrize(
    "message",
    [
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"tools"}}',
        b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
        b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}',
        b'{"jsonrpc":"2.0","id":1,"result":"tools"}',
    ],
)
def test_what_is_no_listing_is_not_touched(message: bytes) -> None:
    assert leave_out(message, only_a, is_modern=True) is message


@pytest.mark.parametrize(
    "message",
    [
        b"tools",
        b'[{"result":{"tools":[]}}]',
        b'{"result":{"tools":{"name":"a"}}}',
        b'{"result":{"tools":[{"title":"no name"}]}}',
        b'{"result":{"tools":[{"name":7}]}}',
        b'{"result":{"tools":["a"]}}',
        b"\xff",
    ],
)
def test_what_cannot_be_judged_is_not_shown(message: bytes) -> None:
    with pytest.raises(UnreadableListing):
        leave_out(message, only_a, is_modern=True)


STREAM = b"data: a\r\n\r\n: note\r\ndata: b\r\rid: 1\ndata: c\ndata:d\nevent: x\n\ndata\n\nretry: 5\n\n"


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_events_are_rewritten_however_they_arrive(sizes: list[int]) -> None:
    rewriter, out, at = EventRewriter(bytes.upper, longest=1000), b"", 0
    for size in [*sizes, len(STREAM)]:
        out += rewriter.feed(STREAM[at : at + size])
        at += size
    out += rewriter.finish()
    assert out == b"data: A\n\n: note\ndata: B\n\nid: 1\nevent: x\ndata: C\ndata: D\n\ndata\n\nretry: 5\n\n"


def test_an_event_that_is_not_rewritten_passes_to_the_byte() -> None:
    assert EventRewriter(lambda data: data, longest=1000).feed(STREAM) == STREAM


def test_an_unfinished_event_is_nobodys() -> None:
    rewriter = EventRewriter(bytes.upper, longest=1000)
    assert rewriter.feed(b"data: a\n") == b""
    assert not rewriter.is_between_events
    assert rewriter.finish() == b""


def test_an_event_without_end() -> None:
    rewriter = EventRewriter(bytes.upper, longest=1000)
    assert rewriter.feed(b"data: more\n" * 90) == b""
    with pytest.raises(EventTooLong):
        rewriter.feed(b"data: more\n")
