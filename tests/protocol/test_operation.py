"""One reading of what an MCP request asks for; what could be read in two ways is refused."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.errors import BadRequest, HeaderMismatch
from vestibule.model import Operation
from vestibule.protocol.operation import decode_header, read_operation

MODERN = (b"mcp-protocol-version", b"2026-07-28")
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1}}}'


def call(**params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def test_a_call_is_read_by_its_body_in_the_legacy_eras() -> None:
    assert read_operation(b"POST", [], CALL) == Operation("tools/call", "add", {"a": 1})


def test_headers_that_agree_are_asked_for_in_the_modern_era() -> None:
    headers = [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b" add\t")]
    assert read_operation(b"POST", headers, CALL).tool == "add"


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS"])
def test_what_has_no_message_asks_for_nothing(method: bytes) -> None:
    assert read_operation(method, [], b"") == Operation()


def test_an_answer_of_the_client_asks_for_nothing() -> None:
    assert read_operation(b"POST", [], b'{"jsonrpc":"2.0","id":1,"result":{}}') == Operation()


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("prompts/get", {"name": "p"}, "p"),
        ("resources/read", {"uri": "notes://1"}, "notes://1"),
        ("resources/subscribe", {"uri": "notes://1"}, "notes://1"),
        ("resources/subscribe", {}, ""),
        ("tasks/cancel", {"taskId": "t"}, "t"),
        ("tools/list", None, ""),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "p"}}, "p"),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "notes://{n}"}}, "notes://{n}"),
        ("completion/complete", {}, ""),
    ],
)
def test_what_a_method_is_about(method: str, params: Any, name: str) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    assert read_operation(b"POST", [], body) == Operation(method, name)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"tools/call"',
        b"[" + CALL + b"]",
        CALL + CALL,
        CALL + b",",
        b"\xef\xbb\xbf" + CALL,
        CALL.decode().encode("utf-16"),
        CALL.replace(b"add", b"\xff"),
        CALL.replace(b'"a":1', b'"a":NaN'),
        CALL.replace(b'"a":1', b'"a":-Infinity'),
        CALL.replace(b'"a":1', b'"a":1e999'),
        CALL.replace(b'"a":1', b'"a":1,"a":2'),
        CALL.replace(b'"a":1', b'"a":1,"\\u0061":2'),
        CALL.replace(b'"a":1', b'"a":' + b"[" * 80 + b"]" * 80),
        CALL.replace(b'"a":1', b'"a":' + b"[" * 200_000 + b"]" * 200_000),
        CALL.replace(b'"add"', b'"add\\ud800"'),
        CALL.replace(b'"add"', b'"list","name":"add"'),
        CALL.replace(b'"add"', b'"list","Name":"add"'),
        CALL.replace(b'"name"', b'"NAME"'),
        CALL.replace(b'"method"', b'"Method"'),
        CALL.replace(b'"params"', b'"param\xc5\xbf"'),  # U+017F: some readers fold it to s
        CALL.replace(b'"method":"tools/call"', b'"method":"tools/list","method":"tools/call"'),
        CALL.replace(b'"method":"tools/call"', b'"method":["tools/call"]'),
        CALL.replace(b'"method":"tools/call"', b'"method":""'),
        CALL.replace(b'"id":1', b'"id":1,"result":{}'),
        CALL.replace(b'{"a":1}', b"[1]"),
        CALL.replace(b'"add"', b"1"),
        CALL.replace(b'"add"', b'""'),
        CALL.replace(b'"name":"add",', b""),
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["add"]}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
    ],
    ids=range(32),
)
def test_a_body_with_more_than_one_reading_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_operation(b"POST", [], body)


@pytest.mark.parametrize(
    "headers",
    [
        [MODERN],
        [MODERN, (b"mcp-method", b"tools/call")],
        [MODERN, (b"mcp-name", b"add")],
        [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b"other")],
        [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b"Add")],
        [MODERN, (b"mcp-method", b"tools/list"), (b"mcp-name", b"add")],
        [MODERN, (b"mcp-method", b"Tools/Call"), (b"mcp-name", b"add")],
        [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b"add"), (b"mcp-name", b"add")],
        [MODERN, MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b"add")],
        [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", b"=?base64?YWRk=?=")],
        [(b"mcp-method", b"tools/list")],  # no version: legacy, but a contradiction is one
        [(b"mcp-protocol-version", b"2025-11-25"), (b"mcp-name", b"list")],
    ],
)
def test_headers_that_do_not_agree_are_a_header_mismatch(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(HeaderMismatch) as refused:
        read_operation(b"POST", headers, CALL)
    assert (refused.value.status, refused.value.rpc_code) == (400, -32020)


@pytest.mark.parametrize("value", [b"=?base64?w?=", b"=?base64?YWRl===?=", b"=?base64?YWR=?=", b"=?base64?/w==?="])
def test_a_header_that_is_no_encoding_stands_for_nothing(value: bytes) -> None:
    assert decode_header(value) is None


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_every_name_that_a_client_can_send_arrives(name: str) -> None:
    encoded = b"=?base64?%b?=" % base64.b64encode(name.encode())
    headers = [MODERN, (b"mcp-method", b"tools/call"), (b"mcp-name", encoded)]
    assert read_operation(b"POST", headers, call(name=name)).tool == name


def test_a_completion_is_of_one_thing() -> None:
    """A server goes by the type, or by what it finds first: what is decided about must be what it completes."""
    reference = {"type": "ref/resource", "name": "open", "uri": "file:///secret/{name}"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "completion/complete", "params": {"ref": reference}}
    with pytest.raises(BadRequest):
        read_operation(b"POST", [], json.dumps(message).encode())


def test_a_hostile_text_costs_little() -> None:
    started = time.perf_counter()
    with pytest.raises(BadRequest):
        read_operation(b"POST", [], b'{"method":"' + b'\\"' * 500_000)
    read_operation(b"POST", [], call(name="add", arguments={"text": '"[{\\' * 200_000}))
    assert time.perf_counter() - started < 10  # what is quadratic takes minutes


@pytest.mark.parametrize(
    "line",
    [
        (b"content-encoding", b"gzip"),
        (b"content-encoding", b"identity, gzip"),
        (b"content-type", b"application/json; charset=utf-16"),
        (b"content-type", b"application/json; charset=utf-7"),
        (b"content-type", b"text/plain"),
        (b"content-type", b"multipart/form-data; boundary=x"),
    ],
)
def test_bytes_that_another_reader_would_decode_otherwise(line: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        read_operation(b"POST", [line], b'{"jsonrpc":"2.0","id":1,"method":"ping"}')


@pytest.mark.parametrize(
    "value",
    [b"application/json", b"Application/JSON", b"application/json; charset=utf-8", b'application/json;charset="UTF-8"'],
)
def test_json_in_utf_8_however_it_is_announced(value: bytes) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    assert read_operation(b"POST", [(b"content-type", value)], body) == Operation("ping")


@pytest.mark.parametrize("header", [None, b"2025-06-18"])
def test_a_version_in_the_body_that_the_header_does_not_have(header: bytes | None) -> None:
    """The header chooses how a server reads; a body of another era would be judged by the rules of the wrong one."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}).encode()
    headers = [(b"mcp-protocol-version", header)] if header is not None else []
    with pytest.raises(HeaderMismatch):
        read_operation(b"POST", headers, body)


def test_a_body_of_countless_values_is_refused_before_it_is_read() -> None:
    """One megabyte of brackets would take 300 to 650 ms of the only loop, for a caller who is allowed nothing."""
    inside = b'{"a":[' + (b"[" * 55 + b"]" * 55 + b",") * 9000 + b"1]}"
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":' + inside + b"}}"
    with pytest.raises(BadRequest, match="values"):
        read_operation(b"POST", [], body)
