"""Sessions of several clients of one tenant on one server (`instances: shared`), in the eras with a handshake.

The server cannot tell them apart, so the handshake is ours, once, without capabilities: a server that asks something
back is told that nobody is there, and what one client might learn of another through it is not offered: its logs, and
its tasks. Changes of lists go to everybody, of a resource to those who subscribed to it.
"""

import asyncio
from contextlib import suppress

from vestibule import __version__
from vestibule.gateway.upstreams.bridge_line import BridgeLine
from vestibule.gateway.upstreams.call import Call
from vestibule.gateway.upstreams.conversation import Conversation, Parts, Question, ask
from vestibule.gateway.upstreams.seldom import Seldom
from vestibule.gateway.upstreams.sessions import Listening, calls_of, name_ours
from vestibule.model import HANDSHAKE_VERSIONS, Principal
from vestibule.protocol.relayed import (
    ID,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Kind,
    Message,
    error_answer,
    make_notification,
    make_request,
    read_message,
    result_answer,
    value_of,
)

NEWEST = max(HANDSHAKE_VERSIONS)
MAX_SUBSCRIPTIONS = 1000  # of one session
_VERSION = ("result", "protocolVersion")
_ASKED_VERSION = ("params", "protocolVersion")
_URI = ("params", "uri")
_NOT_OFFERED = (("result", "capabilities", "logging"), ("result", "capabilities", "tasks"))
_CHANGES = ("notifications/tools/list_changed", "notifications/prompts/list_changed")
_FOR_ALL = frozenset({*_CHANGES, "notifications/resources/list_changed"})


class SharedServer(Conversation):
    """One for a tenant."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.sessions: dict[bytes, SharedSession] = {}
        self._logs = Seldom(20, parts.clock)
        self._said = asyncio.get_running_loop().create_task(self._shake_hands())
        self._said.add_done_callback(lambda task: task.exception())  # whoever waits is told, and nobody else

    async def _shake_hands(self) -> bytes:
        """What the server answered to initialize. Raises OSError."""
        us = {"name": "vestibule", "version": __version__}
        params = {"protocolVersion": NEWEST, "capabilities": {}, "clientInfo": us}
        try:
            answer = await ask(self, make_request("initialize", params))
        except OSError:
            self.close()
            raise
        if "error" in answer.members:
            self.close()
            raise OSError("the server refused initialize")
        for path in _NOT_OFFERED:
            answer.remove(path)
        self.send(make_notification("notifications/initialized"))
        return answer.encode()

    async def open(self, session: "SharedSession", message: Message, line: BridgeLine) -> None:
        """Answer an initialize from what the server said to ours."""
        try:
            answer = read_message(await asyncio.shield(self._said))
        except OSError as error:
            line.lose(str(error))
            return
        if not line.is_live or self.is_over:
            line.lose("the server has ended")
            return
        asked, agreed = value_of(message.find(_ASKED_VERSION)), value_of(answer.find(_VERSION))
        if isinstance(asked, str) and asked in HANDSHAKE_VERSIONS and isinstance(agreed, str) and asked < agreed:
            answer.put(_VERSION, b'"%b"' % asked.encode())  # later revisions of this era only add to earlier ones
        answer.put(ID, message.id)
        self.sessions[session.id] = session
        line.document(200, answer.encode(), ((b"mcp-session-id", session.id),))

    @property
    def is_quiet(self) -> bool:
        return super().is_quiet and not self.sessions

    def forget(self, uri: str) -> None:
        """Nobody is subscribed to that resource any more."""
        with suppress(OSError):
            self.ask(make_request("resources/unsubscribe", {"uri": uri}), Question())

    # --- from the server --------------------------------------------------------------------------------------------

    def requested(self, message: Message) -> None:
        if message.method == "ping":
            self.reply(result_answer(message.id))
        else:
            self.reply(error_answer(message.id, METHOD_NOT_FOUND, "This client is several, and cannot be asked."))

    def notified(self, message: Message) -> None:
        if message.method in _FOR_ALL:
            for session in list(self.sessions.values()):
                session.listening.tell(message.encode())
        elif message.method == "notifications/resources/updated":
            uri = value_of(message.find(_URI))
            for session in list(self.sessions.values()):
                if uri in session.subscriptions:
                    session.listening.tell(message.encode())
        elif message.method == "notifications/message" and (left_out := self._logs.now()) is not None:
            params = message.members.get("params")
            self._report("upstream_says", text=bytes(params or b"")[:1000], left_out=left_out)

    def lost(self, reason: str) -> None:
        super().lost(reason)
        for session in list(self.sessions.values()):
            session.listening.end()

    def tick(self, now: float) -> None:
        for call in list(calls_of(self)):
            call.tick(now)


class SharedSession:
    """One client's. Implements `ClientSession`."""

    def __init__(self, server: SharedServer, session_id: bytes, principal: Principal | None, now: float) -> None:
        self.id = session_id
        self.principal = principal
        self.used_at = now
        self.server = server
        self.listening = Listening(server, is_shared=True)
        self.subscriptions: set[str] = set()

    @property
    def is_quiet(self) -> bool:
        return not self.listening.is_open and not self._calls()

    def post(self, message: Message, line: BridgeLine, now: float) -> None:
        self.used_at = now
        if message.kind is Kind.REQUEST:
            self._request(message, line, now)
            return
        # Everything else that a client tells is about itself; the server has one client, which is us.
        if message.method == "notifications/cancelled" and name_ours(message, self._calls(), now):
            self.server.tell(message.encode())
        line.document(202, b"")

    def _request(self, message: Message, line: BridgeLine, now: float) -> None:
        method = message.method
        if method == "initialize":
            line.document(200, error_answer(message.id, INVALID_REQUEST, "This session has been initialized."))
        elif method == "logging/setLevel" or method.startswith("tasks/"):
            line.document(200, error_answer(message.id, METHOD_NOT_FOUND, "Not on a server that others share."))
        elif method in ("resources/subscribe", "resources/unsubscribe") and not self._is_first(message):
            line.document(200, result_answer(message.id))
        else:
            call = Call(self.server, message, line, is_modern=False, now=now)
            call.is_shared = True
            call.session = self
            call.ask(message)

    def _is_first(self, message: Message) -> bool:
        """Whether the server must hear of it: nobody else has subscribed to that resource, or still does."""
        uri = value_of(message.find(_URI))
        others = any(uri in one.subscriptions for one in self.server.sessions.values() if one is not self)
        if not isinstance(uri, str):
            return True
        if message.method == "resources/unsubscribe":
            self.subscriptions.discard(uri)
            return not others
        if len(self.subscriptions) < MAX_SUBSCRIPTIONS:
            self.subscriptions.add(uri)
        return True

    def listen(self, line: BridgeLine, now: float) -> None:
        self.used_at = now
        if self.listening.is_open:
            line.document(409, error_answer(b"", -32000, "This session has a GET stream already."))
        else:
            self.listening.open(line)

    def end(self) -> None:
        self.server.sessions.pop(self.id, None)
        for call in self._calls():
            call.abandoned()
            call.lost("the session has ended")
        self.listening.end()
        for uri in self.subscriptions:
            if not any(uri in one.subscriptions for one in self.server.sessions.values()):
                self.server.forget(uri)

    def _calls(self) -> list[Call]:
        return [call for call in calls_of(self.server) if call.session is self]
