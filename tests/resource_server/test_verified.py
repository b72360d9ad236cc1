"""What is remembered of tokens: bounded in bytes and time, and what refused ones may cost."""

import asyncio
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from vestibule.errors import InvalidSignature, InvalidToken, PolicyDenied, Unavailable
from vestibule.model import Block, BlockKind, Presented, Principal, Resource, Upstream
from vestibule.resource_server.blocked import BlockedPeople
from vestibule.resource_server.brake import Brake
from vestibule.resource_server.remembered import RememberedTokens
from vestibule.resource_server.verified import REFUSED_FOR, SIZE, VerifiedTokens, digest_of
from vestibule.testing.records import NOW

RESOURCE = Resource("https://mcp.example.com/mcp", "/mcp", Upstream("a", "http://127.0.0.1:9/mcp"))
BYTES_PER_ENTRY = 1000


def principal(number: int) -> Principal:
    """As a verifier makes it: every value its own object."""
    return Principal(
        issuer="".join(["https://login.example.com/", "tenant"]),
        identity_issuer="".join(["https://login.example.com/", "tenant"]),
        subject=f"0a11ce00-3333-4333-8333-{number:012}",
        user=f"work:0a11ce00-3333-4333-8333-{number:012}",
        tenant="".join(["def", "ault"]),
        client_id="".join(["c0ffee00-0000-4000-8000-", "000000000000"]),
        scopes=frozenset(["mcp", "".join(["tickets.", "read"])]),
        resource="".join(["https://mcp.example.com", "/mcp"]),
        grant_id="",
        token_id=f"work:0a11ce00-3333-4333-8333-{number:012}",
        expires_at=datetime.fromtimestamp(2_000_000_000 + number % 600, UTC),
        issued_at=1_900_000_000 + number,
        shown="foreign-token",
    )


def test_a_hundred_thousand_tokens_are_at_most_a_hundred_megabytes() -> None:
    count = 20_000
    tracemalloc.start()
    verified = VerifiedTokens()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(count):
        digest = digest_of(Presented(b"Bearer %d" % number), RESOURCE)
        verified.keep(digest, principal(number), 2_000_000_000.0)
    each = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    assert SIZE * each < SIZE * BYTES_PER_ENTRY, f"{each:.0f} bytes an entry"


def test_the_oldest_goes_first_and_nothing_outlives_its_time() -> None:
    verified = VerifiedTokens(size=2)
    for number in range(3):
        verified.keep(bytes([number]), principal(number), 100.0)
    assert verified.get(b"\0", 1.0) is None
    assert verified.get(b"\2", 99.0) is not None
    assert verified.get(b"\2", 100.0) is None
    assert len(verified) == 2


def test_every_part_of_what_is_shown_tells_two_requests_apart() -> None:
    shown = Presented(b"a", b"b", b"c")
    others = [Presented(b"a", None, b"c"), Presented(b"a", b"b"), Presented(None, b"a", b"b"), Presented(b"a")]
    digests = {digest_of(one, RESOURCE) for one in (shown, *others)}
    digests.add(digest_of(shown, replace(RESOURCE, identifier="https://mcp.example.com/other/mcp")))
    assert len(digests) == 6


def test_a_refusal_is_remembered_for_some_seconds() -> None:
    verified = VerifiedTokens()
    verified.refuse(b"x", InvalidSignature("no", action="Sign in again.", detail="secret"), 100.0)
    with pytest.raises(InvalidSignature, match="no"):
        verified.check_not_refused(b"x", 101.0)
    verified.check_not_refused(b"x", 100.0 + REFUSED_FOR)
    verified.check_not_refused(b"y", 101.0)


async def test_what_is_refused_too_often_slows_down_what_comes_next() -> None:
    brake = Brake(per_second=100, burst=10)
    loop = asyncio.get_running_loop()
    for _ in range(20):
        brake.charge()
    begun = loop.time()
    await brake.wait()
    assert 0.05 < loop.time() - begun < 2


async def test_no_more_wait_than_there_is_room_for() -> None:
    brake = Brake(per_second=1, burst=1)
    for _ in range(1000):
        brake.charge()
    waiting = [asyncio.create_task(brake.wait()) for _ in range(500)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await brake.wait()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


class Blocks:
    """A store of blocks that counts how often it is read."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.read = 0

    async def add(self, block: Block) -> None:
        self.blocks.append(block)

    async def find(self, kind: BlockKind, tenant: str, value: str) -> Block | None:
        raise AssertionError

    async def remove(self, kind: BlockKind, tenant: str, value: str) -> bool:
        raise AssertionError

    async def list_all(self) -> list[Block]:
        self.read += 1
        await asyncio.sleep(0)
        return list(self.blocks)


async def test_a_thousand_new_tokens_read_the_blocks_once() -> None:
    blocks = Blocks()
    people = BlockedPeople(blocks, monotonic=lambda: 1.0)
    await asyncio.gather(*(people.check(principal(number)) for number in range(1000)))
    assert blocks.read == 1


async def test_a_block_counts_at_once_when_it_is_told_of_and_else_in_seconds() -> None:
    blocks, time = Blocks(), [1.0]
    people = BlockedPeople(blocks, monotonic=lambda: time[0])
    await people.check(principal(1))
    await blocks.add(Block(BlockKind.USER, principal(1).user, "default", NOW))
    await blocks.add(Block(BlockKind.CLIENT, principal(2).user, "default", NOW))
    await blocks.add(Block(BlockKind.USER, principal(3).user, "another", NOW))
    people.forget()
    with pytest.raises(PolicyDenied):
        await people.check(principal(1))
    await people.check(principal(2))
    await people.check(principal(3))
    blocks.blocks.clear()
    time[0] = 7.0
    await people.check(principal(1))


async def test_one_stranger_does_not_make_the_others_wait() -> None:
    """Ten networks together may use up what there is; one of them has a tenth of it, and of the places to wait."""
    brake = Brake(per_second=100, burst=100)
    for _ in range(10):
        brake.charge("203.0.113.9")
    for network in ("198.51.100.1", ""):
        async with asyncio.timeout(0.05):
            await brake.wait(network)
    waiting = [asyncio.create_task(brake.wait("203.0.113.9")) for _ in range(60)]
    await asyncio.sleep(0)
    assert sum(task.done() and isinstance(task.exception(), Unavailable) for task in waiting) == 10
    async with asyncio.timeout(0.05):
        await brake.wait("198.51.100.1")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


class OnlyOne:
    """A verifier that knows one token, to the letter."""

    def __init__(self, token: str, principal: Principal) -> None:
        self.token = token
        self.principal = principal

    async def verify(self, token: str, resource: Resource, now: float, *, hint: str = "") -> Principal:
        if token != self.token:
            raise InvalidToken("no")
        return self.principal


@pytest.mark.parametrize("other", ["eyjhbgci.ab.cd", "EYJHBGCI.AB.CD", "eyJhbGci.aB.cd", "eyJhbGci.ab.cD"])
async def test_a_token_in_another_case_is_another_token(other: str) -> None:
    good = "eyJhbGci.ab.cd"
    tokens = RememberedTokens(OnlyOne(good, principal(1)), lambda _: 60.0)
    assert await tokens.verify(good, RESOURCE, 1.0) == principal(1)
    with pytest.raises(InvalidToken):
        await tokens.verify(other, RESOURCE, 1.0)
    shown = [digest_of(Presented(text.encode()), RESOURCE) for text in (good, good.upper())]
    assert shown[0] != shown[1]
