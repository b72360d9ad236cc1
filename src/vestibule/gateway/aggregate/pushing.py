"""The GET stream of a legacy session: what all members say by themselves, on one.

Ids of events get their member's name, so that a client may come back for what it has missed: the member that the id is
of takes its own up again, the others go on from now. A member without such a stream is missing from it; one whose
stream ends is asked again after a while, from where it ended.
"""

import asyncio

import msgspec

from vestibule.errors import MethodNotAllowed, Refusal, SessionNotFound
from vestibule.gateway.aggregate.asking import Asking
from vestibule.gateway.aggregate.calls import renamer_for
from vestibule.gateway.aggregate.members import Member, Wording, errand_to, events_of, request_to
from vestibule.gateway.aggregate.merging import Put, merging
from vestibule.gateway.aggregate.out import EVENTS
from vestibule.gateway.headers import Header
from vestibule.protocol.aggregate_messages import UnreadableMessage, read_event_id
from vestibule.protocol.event_stream import EventTooLong

AGAIN = 5.0  # seconds until a stream that has ended is asked for anew
_LAST_EVENT = b"last-event-id"


class _Push:
    """Of one member. `status`: of its answer to the first asking; 0: there was none.

    `answers`: the id of the request whose answer is taken up again; nothing else may be answered here.
    """

    def __init__(
        self, asking: Asking, member: Member, last_event: bytes | None = None, answers: msgspec.Raw | None = None
    ) -> None:
        self._asking = asking
        self._member = member
        self._last_event = last_event
        self._answers = answers
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def follow(self, put: Put) -> None:
        while True:
            try:
                is_there = await self._read(put)
            except (Refusal, UnreadableMessage, EventTooLong) as error:
                is_there = self.status.done() and self.status.result() == 200
                reason = error.detail or error.message if isinstance(error, Refusal) else str(error)
                self._asking.members.tell_absent(self._member, f"its stream: {reason}")
            self._settle(0)
            if not is_there:
                return
            await asyncio.sleep(AGAIN)

    def _settle(self, status: int) -> None:
        if not self.status.done():
            self.status.set_result(status)

    async def _read(self, put: Put) -> bool:
        """Whether there was a stream, which has ended. Raises a `Refusal` when it broke off."""
        asking, member = self._asking, self._member
        more: tuple[Header, ...] = ((_LAST_EVENT, self._last_event),) if self._last_event is not None else ()
        words = asking.words(member.name)
        question = request_to(asking.request, b"", _with(words, more), http=b"GET")
        renamer = renamer_for(asking, member.name, answers=self._answers)

        def event_id(value: bytes) -> bytes:
            self._last_event = value  # where to go on when the stream ends; some servers end it after each answer
            return renamer.event_id(value)

        async with errand_to(member, question) as errand:
            head = await errand.head()
            is_there = head.status == 200 and head.is_stream
            self._settle(200 if is_there else head.status)
            if is_there:
                events = events_of(errand, lambda data: renamer.rename(data, lists=False), event_id=event_id)
                async for one in events:
                    await put(one)
            return is_there


def _with(words: Wording, more: tuple[Header, ...]) -> Wording:
    return Wording(words.version, session=words.session, more=more)


async def push(asking: Asking) -> None:
    """Raises `MethodNotAllowed` where no member has such a stream, `SessionNotFound` where none knows the session."""
    last = _last_event(asking)
    pushes = [
        _Push(asking, asking.members[name], *(last[1:] if last is not None and last[0] == name else ()))
        for name in asking.sessions
    ]
    async with merging(asking.out, [one.follow for one in pushes]) as merge:
        waiting = {one.status for one in pushes}
        end = asyncio.get_running_loop().time() + asking.members.deadline
        while waiting and not any(one.status.done() and one.status.result() == 200 for one in pushes):
            left = end - asyncio.get_running_loop().time()
            done, waiting = await asyncio.wait(waiting, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
        statuses = [one.status.result() for one in pushes if one.status.done()]
        if 200 not in statuses:
            if statuses and all(status == 404 for status in statuses) and not waiting:
                raise SessionNotFound("No server knows this session any more.", action="Send initialize again.")
            raise MethodNotAllowed("None of the servers has a stream of its own.", action="Go on without it.")
        asking.out.begin(200, [EVENTS])
        await merge.pass_on()
        asking.out.end()


def _last_event(asking: Asking) -> tuple[str, bytes, msgspec.Raw | None] | None:
    """Of which member, which one, and the request that it was to answer."""
    value = next((value for key, value in asking.request.headers if key == _LAST_EVENT), None)
    found = read_event_id(value.decode("latin-1")) if value is not None else None
    if found is None:
        return None
    member, answers, event_id = found
    return (member, event_id.encode("latin-1"), answers) if member in asking.sessions else None
