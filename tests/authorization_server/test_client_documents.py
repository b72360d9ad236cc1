"""Keeping client metadata documents: one flight, headers, limits."""

import asyncio
import json
from collections.abc import Mapping

import pytest

from vestibule.authorization_server.client_documents import (
    FAILURES,
    IN_ALL,
    MAX_DOCUMENTS,
    PER_HOST,
    PER_SOURCE,
    ClientDocuments,
)
from vestibule.errors import FetchError, FetchRefused, InvalidClientMetadata
from vestibule.ports import FetchedDocument
from vestibule.protocol.client_document import CAP
from vestibule.testing.clock import FrozenClock

URL = "https://c.example/client.json"


class Host:
    """The outside: every URL has a valid document, unless the test says otherwise. Implements `DocumentFetcher`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: Mapping[str, str] = {"cache-control": "max-age=300"}
        self.name = "Notebook"
        self.down: set[str] = set()  # URLs
        self.invalid: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        assert cap == CAP
        self.asked.append(url)
        await self.open.wait()
        if url in self.down:
            raise FetchError("The document could not be fetched.", detail="down")
        described = {"client_id": url, "client_name": self.name, "redirect_uris": ["http://127.0.0.1/callback"]}
        body = b"{}" if url in self.invalid else json.dumps(described).encode()
        return FetchedDocument(url, "application/json", body, self.headers)


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def documents(host: Host, clock: FrozenClock) -> ClientDocuments:
    return ClientDocuments(host, clock, monotonic=clock.monotonic)


async def refusal(documents: ClientDocuments, url: str) -> FetchRefused:
    """That we did not even ask, in the words that every failure has."""
    with pytest.raises(FetchRefused) as caught:
        await documents.get(url)
    assert caught.value.message == "The document could not be fetched."
    return caught.value


async def fail(documents: ClientDocuments, url: str) -> None:
    with pytest.raises(FetchError):
        await documents.get(url)


# --- keeping --------------------------------------------------------------------------------------------------------


async def test_a_document_is_kept_as_long_as_it_says(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    first = await documents.get(URL)
    assert (first.client_id, first.name) == (URL, "Notebook")
    host.name = "Another"
    clock.advance(299)
    assert await documents.get(URL) is first
    clock.advance(1)
    assert (await documents.get(URL)).name == "Another"
    assert host.asked == [URL, URL]


async def test_a_new_answer_brings_its_own_time(documents: ClientDocuments, host: Host, clock: FrozenClock) -> None:
    await documents.get(URL)
    host.headers = {"cache-control": "max-age=3600"}
    clock.advance(300)
    await documents.get(URL)
    clock.advance(3599)
    await documents.get(URL)
    assert len(host.asked) == 2


async def test_a_document_that_has_become_invalid_is_not_used_any_longer(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    await documents.get(URL)
    host.invalid.add(URL)
    clock.advance(300)
    with pytest.raises(InvalidClientMetadata):
        await documents.get(URL)
    host.invalid.clear()
    host.down.add(URL)
    await fail(documents, URL)


async def test_an_operator_may_forget_one(documents: ClientDocuments, host: Host) -> None:
    await documents.get(URL)
    documents.purge(URL)
    documents.purge("https://c.example/unknown")
    await documents.get(URL)
    assert len(host.asked) == 2


async def test_errors_are_not_kept(documents: ClientDocuments, host: Host) -> None:
    host.down.add(URL)
    await fail(documents, URL)
    host.down.clear()
    host.invalid.add(URL)
    with pytest.raises(InvalidClientMetadata):
        await documents.get(URL)
    host.invalid.clear()
    assert (await documents.get(URL)).name == "Notebook"


async def test_the_least_asked_for_goes_when_there_are_too_many(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    host.headers = {"cache-control": "max-age=86400"}
    urls = [f"https://c{number}.example/client.json" for number in range(MAX_DOCUMENTS + 1)]
    for number, url in enumerate(urls[:-1]):
        if number % IN_ALL == 0:
            clock.advance(61)
        await documents.get(url, f"192.0.2.{number % 250}")
    await documents.get(urls[0])  # asked for again: now the second is the oldest
    clock.advance(61)
    await documents.get(urls[-1])
    assert len(documents._kept) == MAX_DOCUMENTS
    before = len(host.asked)
    await documents.get(urls[0])
    assert len(host.asked) == before
    await documents.get(urls[1])
    assert len(host.asked) == before + 1


@pytest.mark.parametrize("url", ["http://c.example/x", "https://c.example/", "https://c.example/../x", "nobody"])
async def test_a_url_that_names_nobody_is_not_asked_for(documents: ClientDocuments, host: Host, url: str) -> None:
    with pytest.raises(InvalidClientMetadata):
        await documents.get(url)
    assert host.asked == []


# --- one flight -----------------------------------------------------------------------------------------------------


async def test_one_fetch_serves_all_who_wait(documents: ClientDocuments, host: Host) -> None:
    host.open.clear()
    waiting = [asyncio.create_task(documents.get(URL)) for _ in range(500)]
    await asyncio.sleep(0)
    host.open.set()
    clients = await asyncio.gather(*waiting)
    assert len({id(client) for client in clients}) == 1
    assert host.asked == [URL]


async def test_one_failure_is_everybodys_and_the_next_one_asks_anew(documents: ClientDocuments, host: Host) -> None:
    host.open.clear()
    host.down.add(URL)
    waiting = [asyncio.create_task(documents.get(URL)) for _ in range(20)]
    await asyncio.sleep(0)
    host.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, FetchError) for result in results)
    assert host.asked == [URL]
    host.down.clear()
    assert (await documents.get(URL)).name == "Notebook"


async def test_who_gives_up_does_not_end_it_for_the_others(documents: ClientDocuments, host: Host) -> None:
    host.open.clear()
    first, second = (asyncio.create_task(documents.get(URL)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    host.open.set()
    assert (await second).name == "Notebook"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert host.asked == [URL]


async def test_a_failure_that_nobody_waits_for_any_more_is_quiet(documents: ClientDocuments, host: Host) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    host.open.clear()
    host.down.add(URL)
    only = asyncio.create_task(documents.get(URL))
    await asyncio.sleep(0)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    host.open.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert documents._flights == {}
    import gc

    gc.collect()
    assert complaints == []


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_a_host_is_asked_a_few_times_a_minute(documents: ClientDocuments, host: Host, clock: FrozenClock) -> None:
    for number in range(PER_HOST):
        await documents.get(f"https://c.example/{number}")
    assert "c.example" in (await refusal(documents, "https://c.example/one-more")).detail
    await documents.get("https://other.example/x")
    await documents.get("https://c.example/0")  # is kept
    clock.advance(60)
    await documents.get("https://c.example/one-more")
    assert len(host.asked) == PER_HOST + 2


async def test_all_strangers_together_are_asked_so_often_a_minute(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    for number in range(IN_ALL):
        await documents.get(f"https://c{number}.example/x", f"192.0.2.{number % 250}")
    await refusal(documents, "https://one-more.example/x")
    assert len(host.asked) == IN_ALL
    clock.advance(60)
    await documents.get("https://one-more.example/x")


async def test_one_network_makes_us_ask_so_often_a_minute_and_nobody_else_pays_for_it(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    for number in range(PER_SOURCE):
        await documents.get(f"https://c{number}.example/x", f"2001:db8::{number}")
    with pytest.raises(FetchError):
        await documents.get("https://one-more.example/x", "2001:db8::ffff")
    await documents.get("https://one-more.example/x", "2001:db8:0:1::1")
    clock.advance(60)
    await documents.get("https://two-more.example/x", "2001:db8::ffff")


async def test_a_host_that_keeps_failing_is_left_alone_for_a_while(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    urls = [f"https://c.example/{number}" for number in range(FAILURES)]
    host.down.update(urls[:-1])
    host.invalid.add(urls[-1])  # what is no document counts as well
    for url in urls:
        with pytest.raises((FetchError, InvalidClientMetadata)):
            await documents.get(url)
    await refusal(documents, "https://c.example/good")
    await documents.get("https://other.example/good")
    clock.advance(30)
    await documents.get("https://c.example/good")


async def test_a_refusal_does_not_prolong_itself(documents: ClientDocuments, host: Host, clock: FrozenClock) -> None:
    for number in range(PER_HOST):
        await documents.get(f"https://c.example/{number}")
    for _ in range(60):
        await refusal(documents, "https://c.example/good")
        clock.advance(0.99)
    clock.advance(1)
    await documents.get("https://c.example/good")


async def test_nobody_uses_up_the_chances_of_a_known_document(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    """Somebody asks for its neighbours, in vain, and for everything else there is."""
    await documents.get(URL)
    clock.advance(300)
    host.down.update(f"https://c.example/{number}" for number in range(FAILURES))
    for number in range(FAILURES):
        await fail(documents, f"https://c.example/{number}")
    await refusal(documents, "https://c.example/good")
    for number in range(IN_ALL - FAILURES):
        await documents.get(f"https://c{number}.example/x", f"192.0.2.{number % 250}")
    await refusal(documents, "https://new.example/x")
    assert (await documents.get(URL)).name == "Notebook"


async def test_a_known_document_has_limits_of_its_own(
    documents: ClientDocuments, host: Host, clock: FrozenClock
) -> None:
    await documents.get(URL)
    clock.advance(300)
    host.down.add(URL)
    for _ in range(FAILURES):
        await fail(documents, URL)
    await refusal(documents, URL)
    assert len(host.asked) == 1 + FAILURES
    clock.advance(30)
    host.down.clear()
    assert (await documents.get(URL)).name == "Notebook"


async def test_the_records_do_not_grow(documents: ClientDocuments, host: Host, clock: FrozenClock) -> None:
    for minute in range(5):
        for number in range(IN_ALL):
            await documents.get(f"https://c{minute}-{number}.example/x", f"192.0.2.{number % 250}")
        clock.advance(61)
    await documents.get("https://last.example/x")
    assert list(documents._limits._records) == ["last.example"]
