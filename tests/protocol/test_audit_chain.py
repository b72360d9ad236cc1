"""The chain, below any store: no tampering that changes what a reader sees goes unseen, while the head is ours."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vestibule.model import AuditEvent, AuditHead, AuditLink
from vestibule.protocol.audit_chain import BEGINNING, ChainCheck, chain
from vestibule.protocol.audit_form import canonical, line

EMPTY = AuditHead("t", 0, "", "")
NOW = datetime(2026, 11, 21, 8, 0, 0, 5, tzinfo=UTC)
WORDS = ("actor", "client_id", "action", "target", "reason", "address", "tool", "request_id")

words = st.text(max_size=6)
events = st.builds(
    AuditEvent,
    at=st.integers(0, 3).map(lambda n: NOW + timedelta(microseconds=n)),
    action=words,
    outcome=st.sampled_from(["allowed", "denied"]),
    request_id=words,
    actor=words,
    target=words,
    tenant=st.just("t"),
    facts=st.dictionaries(words, words, max_size=2),
)


def check(links: list[AuditLink], head: AuditHead) -> ChainCheck:
    found = ChainCheck("t")
    for link in sorted(links, key=lambda link: link.place):
        found.feed(link)
    found.end(head, is_ours=True)
    return found


@st.composite
def tampered(draw: st.DrawFn) -> tuple[list[AuditLink], list[AuditLink]]:
    """A chain, and the same after somebody was there who cannot make a head."""
    made = chain(draw(st.lists(events, min_size=1, max_size=8)), EMPTY)
    before = [replace(link, row=number) for number, link in enumerate(made, start=1)]
    after = list(before)
    for _ in range(draw(st.integers(1, 3))):
        if not after:
            break
        place = draw(st.integers(0, len(after) - 1))
        match draw(st.sampled_from(["word", "drop", "swap", "copy", "event", "hash"])):
            case "word":
                one_word: dict[str, Any] = {draw(st.sampled_from(WORDS)): draw(words)}
                changed = replace(after[place].event, **one_word)
                after[place] = replace(after[place], event=changed)
            case "drop":
                del after[place]
            case "swap":
                other = draw(st.integers(0, len(after) - 1))
                one, two = after[place], after[other]
                after[place] = replace(one, event=two.event, hash=two.hash)
                after[other] = replace(two, event=one.event, hash=one.hash)
            case "copy":
                after.append(replace(after[place], row=draw(st.integers(1, 20))))
            case "event":
                after[place] = replace(after[place], event=draw(events))
            case "hash":
                after[place] = replace(after[place], hash=draw(st.sampled_from([BEGINNING, "", "x", before[0].hash])))
    return before, after


@given(tampered())
def test_every_tampering_is_found_and_nothing_else_is(both: tuple[list[AuditLink], list[AuditLink]]) -> None:
    before, after = both
    head = AuditHead("t", before[-1].sequence, before[-1].hash, "")
    assert check(before, head).faults == []
    assert bool(check(after, head).faults) is (after != before)


@given(events, events)
def test_two_events_are_hashed_alike_only_when_they_are_one(one: AuditEvent, other: AuditEvent) -> None:
    assert (canonical(one, 1) == canonical(other, 1)) is (one == other)


def test_a_line_is_one_line_of_ascii_in_a_form_that_others_can_make() -> None:
    event = AuditEvent(
        NOW.astimezone(timezone(timedelta(hours=2))), "a.b", "denied", "r", facts={"b": 'ü"\n', "a": "\ud800"}
    )
    link = AuditLink(event, 7, "ff")
    assert line(link) == (
        '{"action":"a.b","at":"2026-11-21T08:00:00.000005Z","facts":{"a":"\\ud800","b":"\\u00fc\\"\\n"},'
        '"outcome":"denied","request_id":"r","sequence":7,"hash":"ff"}'
    )
