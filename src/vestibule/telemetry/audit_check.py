"""Reading whole chains: is the trail as it was written? In pages, so that a long one needs no more memory than a short.

A chain may grow while it is read. The head is asked for when the links have come to an end: an honest one is never
behind the links that were there before it, and the links that it knows of can be read after it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from vestibule.model import AuditHead, AuditLink, AuditPlace
from vestibule.ports import AuditHistory, Authenticator
from vestibule.protocol.audit_chain import HEAD_PURPOSE, ChainCheck, ChainFault, head_message

PAGE = 1000  # links

_BEFORE_ALL: AuditPlace = (-(2**62), 0)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found of one tenant's chain."""

    tenant: str
    sequence: int  # of the last link
    hash: str  # of the last link, empty where there is none
    before_the_chains: int
    faults: tuple[ChainFault, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that somebody has kept elsewhere: the chain must still go through it."""

    sequence: int
    hash: str


async def check_chain(
    tenant: str,
    history: AuditHistory,
    authenticator: Authenticator,
    *,
    anchor: Anchor | None = None,
    progress: Callable[[int], None] = lambda links: None,
) -> ChainReport:
    """Read the tenant's chain from its beginning to its head. Raises `StoreUnavailable`."""
    check, seen, place = ChainCheck(tenant), 0, _BEFORE_ALL
    anchored = anchor is None
    head: AuditHead | None = None
    while True:
        page = await history.links(tenant, after=place, limit=PAGE)
        for link in page:
            check.feed(link)
            anchored = anchored or (anchor is not None and (link.sequence, link.hash) == (anchor.sequence, anchor.hash))
        seen += len(page)
        progress(seen)
        if page and page[-1].place > place:
            place = page[-1].place
            continue
        before, head = head, await history.head(tenant)
        if head is None or head.sequence <= check.sequence or head == before:
            break
    check.end(head, is_ours=head is not None and _is_ours(head, authenticator))
    faults = list(check.faults)
    if anchor is not None and not anchored:
        faults.append(
            ChainFault(anchor.sequence, "head forged", "the chain does not go through the head that was kept")
        )
    return ChainReport(
        tenant, check.sequence, check.hash if check.sequence else "", check.before_the_chains, tuple(faults)
    )


def _is_ours(head: AuditHead, authenticator: Authenticator) -> bool:
    return authenticator.verify(HEAD_PURPOSE, head_message(head.tenant, head.sequence, head.hash), head.tag)


async def chain_between(history: AuditHistory, tenant: str, first: int, last: int) -> AsyncIterator[AuditLink]:
    """The links of a tenant from one sequence to another, a page at a time."""
    place: AuditPlace = (first - 1, 2**62)
    while True:
        page = await history.links(tenant, after=place, up_to=last, limit=PAGE)
        for link in page:
            yield link
        if not page or page[-1].place <= place:
            return
        place = page[-1].place
