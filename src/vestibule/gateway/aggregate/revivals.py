"""Members that come late to a legacy session: they did not answer its handshake, or have forgotten it since.

A session's id cannot change once it is given, and nothing else is kept of it, so what such a member calls its part is
remembered here, in this process and for a while; another replica does the handshake once more. It is done in our own
name, without capabilities of the client's: a server that wants to ask its client something works again when the client
starts anew. A member that refuses somebody is not asked again for them for half a minute.
"""

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from vestibule import __version__
from vestibule.errors import Refusal
from vestibule.gateway.aggregate.members import Member, Members, Wording, ask, request_to
from vestibule.gateway.aggregate.sessions import MemberSession
from vestibule.gateway.lasting import SESSION
from vestibule.gateway.request import ProxiedRequest
from vestibule.protocol.aggregate_merge import HANDSHAKE_VERSIONS, read_about
from vestibule.protocol.aggregate_messages import UnreadableMessage
from vestibule.protocol.event_stream import EventTooLong

if TYPE_CHECKING:
    from vestibule.gateway.aggregate.asking import Asking

MOST = 4096  # parts of sessions
PAUSE = 30.0  # seconds
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


class Revivals:
    """Of one aggregate, in one process."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._late: OrderedDict[tuple[bytes, str], MemberSession] = OrderedDict()  # no two sessions have one id
        self._ended: OrderedDict[bytes, None] = OrderedDict()
        self._not_before: OrderedDict[tuple[str, str], float] = OrderedDict()  # by principal and member

    def known(self, session: bytes) -> dict[str, MemberSession]:
        """By member: what has been brought back to this session."""
        found = ((one.name, self._late.get((session, one.name))) for one in self._members.members)
        return {name: late for name, late in found if late is not None}

    def end(self, session: bytes) -> None:
        """The client has ended it: nothing of it comes back."""
        for member in self._members.members:
            self._late.pop((session, member.name), None)
        self._ended[session] = None
        if len(self._ended) > MOST:
            self._ended.popitem(last=False)

    def is_ended(self, session: bytes) -> bool:
        return session in self._ended

    def forget(self, session: bytes, member: str) -> None:
        """Its member does not know it any more."""
        self._late.pop((session, member), None)

    async def bring_back(self, asking: "Asking", absent: list[Member]) -> None:
        """Let them take part in this session, those that can; `asking` knows of them then."""
        session, now = asking.request.session, asyncio.get_running_loop().time()
        who = asking.principal.key if asking.principal is not None else ""
        due = [one for one in absent if now >= self._not_before.get((who, one.name), 0.0)]
        if session is None or not due:
            return
        made = await asyncio.gather(*(self._begin(one, asking.request) for one in due))
        for member, one in zip(due, made, strict=True):
            if one is None:
                self._not_before[who, member.name] = asyncio.get_running_loop().time() + PAUSE
                if len(self._not_before) > MOST:
                    self._not_before.popitem(last=False)
                continue
            asking.sessions[member.name] = self._late[session, member.name] = one
            if len(self._late) > MOST:
                self._late.popitem(last=False)

    async def _begin(self, member: Member, request: ProxiedRequest) -> MemberSession | None:
        try:
            async with asyncio.timeout(self._members.deadline):
                reply = await ask(member, request_to(request, _initialize(), Wording(None)))
                about = read_about(bytes(reply.message.get("result", b"")))
                if about is None or about.protocol_version not in HANDSHAKE_VERSIONS:
                    self._members.tell_absent(member, f"no handshake: it answered {reply.status}")
                    return None
                made = MemberSession(about.protocol_version.encode(), reply.header(SESSION))
                await ask(member, request_to(request, _INITIALIZED, Wording(made.version, session=made.session)))
                return made
        except Refusal as refusal:
            self._members.tell_absent(member, f"no handshake: {refusal.detail or refusal.message}")
            return None
        except (TimeoutError, UnreadableMessage, EventTooLong) as error:
            self._members.tell_absent(member, f"no handshake: {type(error).__name__}")
            return None


def _initialize() -> bytes:
    params = {
        "protocolVersion": HANDSHAKE_VERSIONS[-1],
        "capabilities": {},
        "clientInfo": {"name": "vestibule", "version": __version__},
    }
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
