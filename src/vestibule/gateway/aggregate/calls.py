"""A request that is one member's business: sent there under the member's own names, its answer passed on as it comes.

Events pass one by one; a document is held until it is whole. Nothing passes unread: it could be a question with an id
of another member's, or the answer to what the client has asked another member. A client knows its requests by their ids
alone, so a member answers here the one that it was asked, and no other.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from vestibule.gateway.aggregate.asking import Asking
from vestibule.gateway.aggregate.members import Member, Wording, errand_to, events_of, request_to
from vestibule.gateway.errand import Errand, ErrandHead
from vestibule.gateway.headers import Header
from vestibule.gateway.lasting import SESSION
from vestibule.gateway.refusals import unavailable
from vestibule.model import Operation
from vestibule.protocol.aggregate_messages import (
    ForeignState,
    Renamer,
    UnreadableMessage,
    raw,
    rename_request,
    text_of,
)
from vestibule.protocol.aggregate_names import Named
from vestibule.protocol.operation import MIRRORED

LONGEST = 16 * 1024 * 1024  # bytes of a document, or of one event


def renamer_for(asking: Asking, member: str, *, answers: msgspec.Raw | None) -> Renamer:
    """`answers`: the id of the request that the member may answer."""
    return Renamer(
        asking.members.prefixes,
        member,
        is_modern=asking.is_modern,
        answers=answers,
        seal_state=lambda state: asking.seals.seal_state(asking.principal, member, state),
    )


async def call(asking: Asking, named: Named) -> None:
    """Raises a `Refusal` as long as nothing of the answer has been passed on."""
    member = asking.members[named.member]
    try:
        body = rename_request(
            asking.message,
            asking.method,
            named.name,
            open_state=lambda state: asking.seals.open_state(asking.principal, member.name, state),
        )
    except ForeignState:
        await asking.refuse_params("Invalid requestState")
        return
    name = named.name if asking.method in MIRRORED else ""
    await _check_session(asking, member)
    if not await _try(asking, member, body, name):
        asking.sessions.pop(member.name, None)
        asking.revivals.forget(asking.request.session or b"", member.name)
        await _check_session(asking, member)
        if not await _try(asking, member, body, name):
            raise unavailable(member.name, "it knows no session, not even a new one")


async def answer_member(asking: Asking) -> None:
    """A legacy client's answer, or its progress, to what a member has asked it."""
    if asking.method:
        params, key = asking.params, "progressToken"
    else:
        params, key = asking.message, "id"
    told = text_of(params.get(key))
    named = asking.members.prefixes.of_id(told) if told is not None else None
    if named is None or named.member not in asking.sessions:
        await asking.out.document(202 if asking.method else 400, b"")
        return
    parts = {**params, key: msgspec.Raw(named.name.encode())}
    message = {**asking.message, "params": raw(parts)} if asking.method else parts
    member = asking.members[named.member]
    async with errand_to(member, asking.question(member.name, msgspec.json.encode(message))) as errand:
        head = await errand.head_in_time()
        await asking.out.document(202 if head.status < 300 else head.status, b"")


async def _check_session(asking: Asking, member: Member) -> None:
    """In the legacy eras the member must take part in this session. Raises `UpstreamUnavailable`."""
    if not asking.is_modern and member.name not in asking.sessions:
        await asking.revivals.bring_back(asking, [member])
        if member.name not in asking.sessions:
            raise unavailable(member.name, "it takes no part in this session")


async def _try(asking: Asking, member: Member, body: bytes, name: str) -> bool:
    """False: the member does not know its session."""
    accept = next((value for key, value in asking.request.headers if key == b"accept"), b"*/*")
    words = replace(asking.words(member.name, name), accept=accept)  # the answer is passed on as it is made
    async with errand_to(member, request_to(asking.request, body, words)) as errand:
        head = await errand.head_in_time()
        if head.status == 404 and not asking.is_modern:
            return False
        await relay(asking, member, errand, head)
    return True


async def relay(asking: Asking, member: Member, errand: Errand, head: ErrandHead) -> None:
    encoding = head.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise unavailable(member.name, "it has compressed its answer, although it was asked not to")
    headers = [one for one in head.headers if one[0] != SESSION]
    renamer = renamer_for(asking, member.name, answers=asking.id)
    if not head.is_stream:
        await _relay_document(asking, member, errand, renamer, head.status, headers)
        return
    asking.out.begin(head.status, headers)
    event_id = None if asking.is_modern else renamer.event_id
    async for events in events_of(errand, renamer.rename, event_id=event_id, longest=LONGEST):
        await asking.out.write(events)
    asking.out.end()


async def _relay_document(
    asking: Asking, member: Member, errand: Errand, renamer: Renamer, status: int, headers: Sequence[Header]
) -> None:
    held = await errand.body(longest=LONGEST)
    try:
        body = renamer.rename(held)
    except UnreadableMessage as error:
        raise unavailable(member.name, f"unreadable answer: {error}") from error
    if held and not body:
        raise unavailable(member.name, "its answer is one to another request")
    asking.out.begin(status, headers, len(body))
    await asking.out.write(body)
    asking.out.end()


async def tell_all(asking: Asking) -> None:
    """A legacy notification, to every member of the session; the client does not wait for what becomes of it."""
    body = msgspec.json.encode(asking.message)
    open_to = [one.name for one in asking.members.open_to(asking.principal, Operation(asking.method))]
    await asking.members.ask_all({name: asking.question(name, body) for name in open_to if name in asking.sessions})
    await asking.out.document(202, b"")


async def end_session(asking: Asking) -> None:
    """DELETE: each member is told, and nothing of the session comes back."""
    asking.revivals.end(asking.request.session or b"")
    questions = {
        name: request_to(asking.request, b"", Wording(one.version, session=one.session), http=b"DELETE")
        for name, one in asking.sessions.items()
        if one.session is not None
    }
    await asking.members.ask_all(questions)
    await asking.out.document(200, b"")
