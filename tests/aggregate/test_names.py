"""Names there and back: for any, whatever a server calls its things."""

import json
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from vestibule.gateway.aggregate.sessions import LONGEST, MemberSession, read_sessions, write_sessions
from vestibule.protocol.aggregate_messages import Renamer, UnreadableMessage
from vestibule.protocol.aggregate_names import MEMBER, Named, Prefixes, Separator
from vestibule.protocol.operation import decode_header, encode_header

members = st.from_regex(MEMBER, fullmatch=True)
several = st.sets(members, min_size=2, max_size=6).map(frozenset)
separators: Any = st.sampled_from(["_", "__", ".", "/"])
texts = st.text(min_size=1, max_size=60)


@given(several, separators, texts, st.data())
def test_a_name_has_one_owner_and_comes_back_as_it_was(
    found: frozenset[str], separator: Separator, name: str, data: st.DataObject
) -> None:
    prefixes, member = Prefixes(found, separator), data.draw(st.sampled_from(sorted(found)))
    assert prefixes.of_name(prefixes.name(member, name)) == Named(member, name)
    assert prefixes.of_uri(prefixes.uri(member, name)) == Named(member, name)


@given(several, separators, texts, texts, st.data())
def test_no_two_things_meet_in_a_name(
    found: frozenset[str], separator: Separator, one: str, other: str, data: st.DataObject
) -> None:
    first, second = data.draw(st.sampled_from(sorted(found))), data.draw(st.sampled_from(sorted(found)))
    assume((first, one) != (second, other))
    prefixes = Prefixes(found, separator)
    assert prefixes.name(first, one) != prefixes.name(second, other)
    assert prefixes.uri(first, one) != prefixes.uri(second, other)
    assert prefixes.of_uri(prefixes.name(first, one)) is None or "+" in one  # a prompt is not taken for a template


@given(several, separators, texts)
def test_a_name_that_was_not_made_here_is_nobodys(found: frozenset[str], separator: Separator, name: str) -> None:
    named = Prefixes(found, separator).of_name(name)
    assert named is None or Prefixes(found, separator).name(*named) == name


@given(several, st.integers(-(10**15), 10**15) | st.text(max_size=40), st.data())
def test_an_id_comes_back_as_it_was(found: frozenset[str], rpc_id: int | str, data: st.DataObject) -> None:
    prefixes, member = Prefixes(found), data.draw(st.sampled_from(sorted(found)))
    for written in (json.dumps(rpc_id), json.dumps(rpc_id, ensure_ascii=False)):
        named = prefixes.of_id(prefixes.id(member, written))
        assert named == Named(member, written)
        assert json.loads(named.name) == rpc_id


@given(st.text(max_size=80).filter(lambda text: text.isprintable()))
def test_a_header_says_what_the_body_says(name: str) -> None:
    assert decode_header(encode_header(name)) == name


versions = st.sampled_from([b"2024-11-05", b"2025-03-26", b"2025-06-18", b"2025-11-25"])
visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=300).map(str.encode)
parts = st.dictionaries(members, st.builds(MemberSession, versions, st.none() | visible), max_size=16)


@given(parts)
def test_sessions_come_back_as_they_were(sessions: dict[str, MemberSession]) -> None:
    written, too_long = write_sessions("0123456789abcdef", sessions)
    assert len(written) <= LONGEST
    assert written.isascii()
    assert read_sessions(written, sessions) == {name: one for name, one in sessions.items() if name not in too_long}
    assert not too_long or sum(len(one.session or b"") for one in sessions.values()) > LONGEST - 16 * 60


@given(parts, st.binary(max_size=60), st.integers(0, 1100))
def test_what_is_no_session_is_none(sessions: dict[str, MemberSession], noise: bytes, at: int) -> None:
    written, _ = write_sessions("0123456789abcdef", sessions)
    found = read_sessions(written[:at] + noise, sessions)
    assert found is None or set(found) <= set(sessions)


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["uri", "type", "content", "contents", "messages", "resource", "method", "id", "params", "x"]
            )
            | st.text(max_size=4),
            inner | st.sampled_from(["resource", "resource_link", "notifications/resources/updated"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(values, st.booleans())
def test_whatever_a_member_says_only_names_change(value: Any, is_modern: bool) -> None:
    """Never anything but a rewritten message or `UnreadableMessage`; and it is JSON still."""
    prefixes = Prefixes(frozenset({"a"}))
    renamer = Renamer(prefixes, "a", is_modern=is_modern, answers=msgspec.Raw(b"1"), seal_state=str.upper)
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()
    try:
        renamed = json.loads(renamer.rename(message))
    except UnreadableMessage:
        return
    assert _without(renamed) == _without(json.loads(message))


def _without(value: Any) -> Any:
    """The same, but for URIs."""
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if key != "uri"}
    return [_without(one) for one in value] if isinstance(value, list) else value
