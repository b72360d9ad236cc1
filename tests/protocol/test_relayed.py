"""What a bridge reads of a message and puts in the place of ids, and what it leaves as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.protocol.relayed import (
    ID,
    PROGRESS_TOKEN,
    Kind,
    UnreadableMessage,
    error_answer,
    number_of,
    one_line,
    read_asked,
    read_message,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.integers() | st.text(), st.booleans())
def test_all_but_the_id_stays_and_it_is_one_line(more: dict[str, object], rpc_id: object, ascii_only: bool) -> None:
    original = {
        **more,
        "jsonrpc": "2.0",
        "id": rpc_id,
        "method": "m",
        "params": {"_meta": {"progressToken": 1}, **more},
    }
    original.pop("result", None)
    original.pop("error", None)
    try:
        written = json.dumps(original, indent=1, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    message = read_message(written)
    message.put(ID, b"42")
    message.put(PROGRESS_TOKEN, b"42")
    line = message.encode()
    assert len(line.decode().splitlines()) == 1
    found = json.loads(line)
    assert found.pop("id") == 42
    expected = json.loads(written)
    expected.pop("id")
    if isinstance(expected["params"].get("_meta"), dict):
        expected["params"]["_meta"]["progressToken"] = 42
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[{}]",
        "{}",
        '{"id":1}',
        '{"method":1}',
        '{"method":"m","result":{}}',
        '{"method":"m","id":null}',
        '{"method":"m","id":{}}',
        '{"method":"m","id":true}',
        '{"method":"m","id":"%s"}' % ("x" * 2000),
        '{"result":{}}',
        '{"a":"\n"}',
        '{"method":"m"',
        "{" * 100_000,
    ],
)
def test_what_is_no_message_is_not_read(text: str) -> None:
    with pytest.raises(UnreadableMessage):
        read_message(text.encode())


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (b'{"method":"m","id":"1"}', Kind.REQUEST),
        (b'{"method":"m","id":1.5}', Kind.REQUEST),
        (b'{"method":"m"}', Kind.NOTIFICATION),
        (b'{"id":null,"error":{}}', Kind.ANSWER),
        (b' {"id" : 1 ,"result":{}} ', Kind.ANSWER),
    ],
)
def test_kinds(written: bytes, kind: Kind) -> None:
    assert read_message(written).kind is kind


def test_half_a_pair_is_mended_and_a_whole_one_stays() -> None:
    written = rb'{"id":1,"result":{"a":"\ud83d","b":"\ud83d\ude00","c":"\\ud83d","d":"\uDE00\ud83d\\"}}'
    assert json.loads(read_message(written).encode())["result"] == {
        "a": "\ufffd",
        "b": "\U0001f600",
        "c": "\\ud83d",
        "d": "\ufffd\ufffd\\",
    }


def test_the_last_of_two_keys_is_the_one_that_passes() -> None:
    assert read_message(b'{"id":1,"id":2,"result":{}}').encode() == b'{"id":2,"result":{}}'


@pytest.mark.parametrize("written", [b'"1"', b"1.0", b"-1", b"1e3", b"9" * 5000, b"null", None])
def test_only_a_plain_number_is_one_of_ours(written: bytes | None) -> None:
    assert number_of(written) is None


def test_no_reader_of_lines_sees_two() -> None:
    line = one_line('{"a": "x\u2028y\u2029z\u0085"}'.encode() + b"\r\n\x0b\x0c\x1c \n")
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line) == {"a": "x\u2028y\u2029z\u0085"}


def test_an_error_without_an_id_says_null() -> None:
    assert json.loads(error_answer(b"", -32700, "no"))["id"] is None


@pytest.mark.parametrize(
    "written",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"ping","ID":2}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","param\xc5\xbf":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"RequestId":2}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"re\\u0071uestid":2}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_Meta":{"progressToken":2}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progresstoken":2}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressTo\xe2\x84\xaaen":2}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progressToken":2},"\\q":1}}',
    ],
)
def test_a_key_that_some_would_take_for_an_id_is_none(written: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        read_asked(written)


@pytest.mark.parametrize(
    ("written", "passed"),
    [
        ('{"id":7,"method":"x","id":1}', {"id": 1, "method": "x"}),
        ('{"method":"x","params":{"_meta":{"progressToken":7},"_meta":{}}}', {"method": "x", "params": {"_meta": {}}}),
        (
            '{"method":"x","params":{"_meta":{"progressToken":7}},"params":{"a":[1]}}',
            {"method": "x", "params": {"a": [1]}},
        ),
        (
            '{"method":"x","params":{"_meta":{"progressToken":7,"progressToken":8}}}',
            {"method": "x", "params": {"_meta": {"progressToken": 8}}},
        ),
    ],
)
def test_what_stands_twice_is_passed_on_once(written: str, passed: dict[str, object]) -> None:
    pairs = json.loads(read_asked(written.encode()).encode(), object_pairs_hook=list)
    assert pairs == json.loads(json.dumps(passed), object_pairs_hook=list)


@pytest.mark.parametrize("params", ["null", "[1]", "5", '{"_meta":null}', '{"_meta":[1]}', '{"a":{"ID":1,"id":2}}'])
def test_what_has_no_token_passes_as_it_is(params: str) -> None:
    written = f'{{"jsonrpc":"2.0","id":1,"method":"x","params":{params}}}'.encode()
    assert read_asked(written).encode() == written
