"""Nobody reads a message otherwise than we did: the corpus of `smuggling`, with h11 as the one who reads after us."""

import asyncio

import pytest

from tests.security.smuggling import ANSWERS, EVIL, REQUESTS, Answered, Sent
from tests.security.vectors import vector
from tests.support.house import Door, open_door
from tests.support.second_reader import SecondReader, read_answer
from tests.support.wire import RawAnswer, Wire
from vestibule.testing.recording_upstream import RecordingUpstream, raw_answer


async def ask(door: Door, token: str, sent: Sent) -> RawAnswer:
    async with Wire(door.url) as wire:
        own = f"Host: {wire.host}\r\nAuthorization: Bearer {token}"
        text = "\r\n".join([sent.start, *([own, sent.lines] if sent.lines else [own]), "", ""])
        await wire.send(text.encode("latin-1") + sent.body)
        return await wire.rest(0.4)


def faults_of(sent: Sent, answer: RawAnswer, upstream: SecondReader) -> list[str]:
    """What is wrong with what became of it."""
    found = [f"h11: {error}" for error in upstream.errors]
    if answer.data.count(b"HTTP/1.1 ") > 1:
        found.append("answered twice")
    if b"evil" in upstream.seen or EVIL in upstream.seen:
        found.append("what followed it went on")
    bodies = [body for _, body in upstream.requests]
    if sent.read is None:
        if bodies or upstream.seen:
            found.append(f"went on as {bodies}")
        closes = answer.closed or b"connection: close" in answer.data  # and until then reads nothing more
        if answer.status == 200 or (sent.closes and not closes):
            found.append(f"{answer.status}, closed: {answer.closed}")
    elif bodies != [sent.read] or answer.status != sent.status:
        found.append(f"{answer.status}, went on as {bodies}")
    return [f"{sent.name}: {fault}" for fault in found]


@vector("PROXY-007", "PROXY-009", "PROXY-013", "PROXY-036")
@pytest.mark.parametrize("group", REQUESTS)
async def test_a_request_has_one_reading_or_none(vector: str, group: str, tmp_path: object) -> None:
    async with SecondReader() as upstream, open_door(tmp_path, upstream.url) as door:  # type: ignore[arg-type]
        token = (await door.sign_in()).access_token
        found = []
        for sent in REQUESTS[group]:
            upstream.forget()
            found += faults_of(sent, await ask(door, token, sent), upstream)
            async with asyncio.timeout(1):
                while door.house.gateway.exchanges:
                    await asyncio.sleep(0.01)
    assert not found, "\n".join(found)


def faults_of_answer(answered: Answered, answer: RawAnswer) -> list[str]:
    seen = read_answer(answer.data, closed=answer.closed)
    if answered.seen is None:
        fine = seen is None or seen[0] == 502
        return [] if fine else [f"{answered.name}: {seen}"]
    if answered.or_bad and seen is not None and seen[0] == 502:
        return []
    if seen is None or seen[:2] != answered.seen or seen[2]:
        return [f"{answered.name}: {seen} instead of {answered.seen}"]
    return []


@vector("PROXY-007", "PROXY-036")
async def test_an_answer_has_one_reading_or_none(vector: str, door: Door, upstream: RecordingUpstream) -> None:
    token = (await door.sign_in()).access_token
    found = []
    for answered in ANSWERS:
        upstream.answer = raw_answer(answered.head.encode("latin-1") + b"\r\n\r\n" + answered.body, close=True)
        answer = await ask(door, token, Sent("", "Content-Length: 5\r\nConnection: close", b"hello"))
        found += faults_of_answer(answered, answer)
        upstream.answer = raw_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
        assert (await door.call(token)).content == b"next", answered.name
    assert not found, "\n".join(found)
