"""One server behind a channel, and who waits for its answers.

Every request leaves under a number of ours, which is never used again, and so does its progress token: callers may use
the ids they like, and an answer reaches whoever asked, or nobody. What the server asks or tells by itself, the kinds of
conversation deal with each in its own way: `requested` and `notified`.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vestibule.gateway.upstreams.channel import Caller, Channel
from vestibule.gateway.upstreams.seldom import Seldom
from vestibule.protocol.relayed import (
    ID,
    PROGRESS,
    PROGRESS_TOKEN,
    Kind,
    Message,
    UnreadableMessage,
    make_notification,
    number_of,
    read_message,
)

_LONGEST_STEP = 2**20  # a million calls a day for a thousand years stay below 2**53
MAX_WAITING = 1000  # requests that one server has not answered yet
ANSWER_SECONDS = 110.0  # to what we ask ourselves; a first start may have to fetch its program
MAX_UNSENT = 16 * 1024 * 1024  # bytes, before the channel is open

Report = Callable[..., None]
Clock = Callable[[], float]


class Waiting(Protocol):
    """Who waits for one answer."""

    def answered(self, message: Message) -> None: ...
    def progressed(self, message: Message) -> None: ...
    def lost(self, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a conversation is made of. `ended` is called once, when the server is gone, with the reason for the log."""

    channel: Channel
    caller: Caller
    ended: Callable[["Conversation", str], None]
    report: Report
    clock: Clock  # seconds, from anywhere on


class Conversation:
    """See the top of the file."""

    def __init__(self, parts: Parts) -> None:
        clock = parts.clock
        self.caller = parts.caller
        self.channel = parts.channel
        self.since = clock()
        self.used_at = self.since
        self.is_over = False
        self.is_closing = False  # we have ended it; its end is no failure
        self.waiting: dict[int, Waiting] = {}
        self._clock = clock
        self._ended = parts.ended
        self._garbage = Seldom(5, clock)
        self._is_open = False
        self._number = 0
        self._paused_by: set[object] = set()
        self._report = parts.report
        self._unsent: list[bytes] = []
        self._unsent_size = 0
        self._opening = asyncio.get_running_loop().create_task(self._open())

    @property
    def is_quiet(self) -> bool:
        """Whether nobody waits for anything from it."""
        return not self.waiting

    # --- to the server ----------------------------------------------------------------------------------------------

    def ask(self, message: Message, waiting: Waiting) -> int:
        """Send a request; its answer goes to `waiting`. Returns its number. Raises OSError when that cannot be."""
        if self.is_over or self.is_closing:
            raise OSError("the server has ended")
        if len(self.waiting) >= MAX_WAITING or self.is_clogged:
            raise OSError("too many requests wait for this server")
        # In steps that nobody knows: a server that answers beside the number it was asked with hits nobody's.
        self._number = number = self._number + 2 + secrets.randbelow(_LONGEST_STEP)
        written = b"%d" % number
        message.put(ID, written)
        if message.find(PROGRESS_TOKEN) is not None:
            message.put(PROGRESS_TOKEN, written)
        self.waiting[number] = waiting
        self.send(message.encode())
        return number

    def tell(self, message: bytes) -> None:
        """What a client says and needs no answer to. Raises OSError when the server does not take what waits for it."""
        if self.is_clogged:
            raise OSError("too much waits for this server")
        self.send(message)

    def reply(self, message: bytes) -> None:
        """To what the server asks by itself. One that asks and asks, and never reads, is told nothing more."""
        if not self.is_clogged:
            self.send(message)

    def send(self, message: bytes) -> None:
        """Whatever waits already: for what is small, and comes once for each request."""
        self.used_at = self._clock()
        if self._is_open:
            self.channel.send(message)
        elif not self.is_over:
            self._unsent.append(message)
            self._unsent_size += len(message)

    @property
    def is_clogged(self) -> bool:
        if self._is_open:
            return self.channel.is_clogged
        return self._unsent_size > MAX_UNSENT

    def drop(self, number: int, reason: str) -> None:
        """Nobody waits for that answer any more; the server is told so."""
        if self.waiting.pop(number, None) is not None:
            self.used_at = self._clock()
            self.send(make_notification("notifications/cancelled", {"requestId": number, "reason": reason}))

    async def _open(self) -> None:
        try:
            await self.channel.open(self)
        except (OSError, TimeoutError) as error:
            self.lost(f"{type(error).__name__}: {error}")
            return
        self._is_open = True
        unsent, self._unsent, self._unsent_size = self._unsent, [], 0
        for message in unsent:
            self.channel.send(message)
        if self.is_closing:
            self.channel.close()

    def close(self) -> None:
        """End it. Who waits is told when it has ended, or cannot be told any more."""
        if self.is_over or self.is_closing:
            return
        self.is_closing = True
        if self._is_open:
            self.channel.close()

    # --- back-pressure ----------------------------------------------------------------------------------------------

    def pause_for(self, reader: object) -> None:
        if not self._paused_by:
            self.channel.pause()
        self._paused_by.add(reader)

    def resume_for(self, reader: object) -> None:
        if reader in self._paused_by:
            self._paused_by.discard(reader)
            if not self._paused_by:
                self.channel.resume()

    # --- from the server --------------------------------------------------------------------------------------------

    def heard(self, data: bytes) -> None:
        try:
            message = read_message(data)
        except UnreadableMessage as error:
            if (left_out := self._garbage.now()) is not None:
                self._report(
                    "upstream_garbage", level="warning", reason=str(error), begins=data[:80], left_out=left_out
                )
            return
        if message.kind is Kind.ANSWER:
            number = number_of(message.id)
            waiting = self.waiting.pop(number, None) if number is not None else None
            if waiting is not None:
                self.used_at = self._clock()
                waiting.answered(message)
        elif message.kind is Kind.REQUEST:
            self.requested(message)
        elif message.method == "notifications/progress":
            self._progressed(message)
        else:
            self.notified(message)

    def _progressed(self, message: Message) -> None:
        number = number_of(message.find(PROGRESS))
        waiting = self.waiting.get(number) if number is not None else None
        if waiting is not None:
            waiting.progressed(message)

    def requested(self, message: Message) -> None:
        raise NotImplementedError

    def notified(self, message: Message) -> None:
        raise NotImplementedError

    def lost(self, reason: str) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._unsent.clear()
        waiting, self.waiting = list(self.waiting.values()), {}
        for one in waiting:
            one.lost(reason)
        self._ended(self, reason)

    def tick(self, now: float) -> None:
        """About once a second."""


class Question:
    """Of ours. Implements `Waiting`."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def answered(self, message: Message) -> None:
        if not self.answer.done():
            self.answer.set_result(message)

    def progressed(self, message: Message) -> None: ...

    def lost(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(OSError(reason))
            self.answer.exception()  # whoever does not ask is not told of it by the loop either


async def ask(conversation: Conversation, message: Message) -> Message:
    """A request of our own. Raises OSError when the server ends before it has answered, or takes too long."""
    question = Question()
    number = conversation.ask(message, question)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await question.answer
    except TimeoutError:
        conversation.drop(number, "it takes too long")
        raise
