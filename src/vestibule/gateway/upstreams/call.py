"""A client's request that a server behind a channel has been asked."""

from vestibule.gateway.headers import Header
from vestibule.gateway.upstreams.bridge_line import BridgeLine
from vestibule.gateway.upstreams.conversation import Conversation
from vestibule.protocol.relayed import (
    ID,
    INTERNAL_ERROR,
    LOG_LEVEL,
    PROGRESS,
    PROGRESS_TOKEN,
    SUBSCRIPTION,
    SUBSCRIPTION_RESULT,
    Message,
    error_answer,
    http_status,
    is_id,
)

SILENT_SECONDS = 15.0  # then an answer becomes a stream, which is kept alive: a tool may think for minutes
MAX_OF_ONE = 200  # requests of one person that a shared server has not answered
CANCELLED_SECONDS = 5.0  # a server need not answer what has been cancelled, and most do not
_GONE = "The MCP server ended before it had answered. Try again."
_TOO_SLOW = "What the server said was not taken in time; the rest is lost. Ask again, and read faster."
_CANCELLED = "The request was cancelled."


class Call:
    """Implements `Waiting` and `LineOwner`. `is_modern`: a document's status tells what is wrong."""

    def __init__(
        self, conversation: Conversation, message: Message, line: BridgeLine, *, is_modern: bool, now: float
    ) -> None:
        self.line = line
        self.method = message.method
        self.rpc_id = message.id
        self.wants_logs = message.find(LOG_LEVEL) is not None
        self.headers: tuple[Header, ...] = ()  # of the answer
        self.session: object = None  # of several on one server, whose it is
        self.is_shared = False  # others must not wait for this client to read
        self._asked_at = now
        self._cancelled_at = 0.0
        self._conversation = conversation
        self._is_modern = is_modern
        self._number = 0
        token = message.find(PROGRESS_TOKEN)
        self._token = token if token is not None and is_id(token) else None

    def ask(self, message: Message) -> bool:
        """Whether it could be; otherwise the line has been told."""
        try:
            if self.is_shared:
                self._check_share()
            self._number = self._conversation.ask(message, self)
        except OSError as error:
            self.line.lose(str(error))
            return False
        self.line.owner = self
        return True

    def _check_share(self) -> None:
        """Raises OSError when this person has all that one may have of a server that others ask, too."""
        person, others = self.line.person, self._conversation.waiting
        if not person or len(others) < MAX_OF_ONE:
            return
        if sum(isinstance(one, Call) and one.line.person == person for one in others.values()) >= MAX_OF_ONE:
            raise OSError("too many requests of one person wait for this server")

    def cancel(self, now: float) -> int:
        """The client says so itself. The number it is known by to the server."""
        self._cancelled_at = self._cancelled_at or now
        return self._number

    # --- from the server --------------------------------------------------------------------------------------------

    def answered(self, message: Message) -> None:
        self._conversation.resume_for(self)
        message.put(ID, self.rpc_id)
        if self.method == "subscriptions/listen" and message.find(SUBSCRIPTION_RESULT) is not None:
            message.put(SUBSCRIPTION_RESULT, self.rpc_id)
        if self.line.is_begun:
            self._end(message.encode())
        else:
            status = http_status(message) if self._is_modern else 200
            self.line.document(status, message.encode(), self.headers)

    def progressed(self, message: Message) -> None:
        if self._token is not None:
            message.put(PROGRESS, self._token)
            self.tell(message)

    def subscribed(self, message: Message) -> None:
        """Something that this request, a subscription, is told."""
        message.put(SUBSCRIPTION, self.rpc_id)
        self.tell(message)

    def tell(self, message: Message) -> None:
        if self.line.accepts_stream:
            self.line.begin(self.headers)
            self.line.event(message.encode())

    def lost(self, reason: str) -> None:
        if self.line.is_begun:
            self._end(error_answer(self.rpc_id, INTERNAL_ERROR, _GONE, "UPSTREAM_UNAVAILABLE"))
        elif self._conversation.caller.refused:  # about us, not about the caller: our credential is dropped
            self.line.document(self._conversation.caller.refused, b"")
        else:
            self.line.lose(reason)

    def _end(self, message: bytes) -> None:
        self.line.owner = None  # the last message is held, however long it is
        self.line.event(message)
        self.line.end()

    # --- from the client --------------------------------------------------------------------------------------------

    def abandoned(self) -> None:
        self._conversation.resume_for(self)
        if self.method == "initialize":
            self._conversation.close()  # it must not be cancelled; without an answer there is no session
        else:
            self._conversation.drop(self._number, "nobody waits for the answer any more")

    def full(self) -> None:
        if not self.is_shared:
            self._conversation.pause_for(self)
            return
        self._conversation.drop(self._number, "its client does not read")
        self.line.cut()
        self._end(error_answer(self.rpc_id, INTERNAL_ERROR, _TOO_SLOW, "UPSTREAM_UNAVAILABLE"))

    def drained(self) -> None:
        self._conversation.resume_for(self)

    def tick(self, now: float) -> None:
        if self._cancelled_at and now - self._cancelled_at >= CANCELLED_SECONDS:
            self._conversation.waiting.pop(self._number, None)
            if self.line.is_begun:
                self.line.end()
            else:
                self.line.document(200, error_answer(self.rpc_id, INTERNAL_ERROR, _CANCELLED), self.headers)
        elif now - self._asked_at >= SILENT_SECONDS and self.line.accepts_stream:
            self.line.begin(self.headers)
