"""subscriptions/listen: what changes at any member, on one stream.

Every member is asked for what the client asked for, under the client's own id, so that subscription ids need no other
name. It is acknowledged once, when every member has acknowledged or its time is over, and what is acknowledged is what
one of them has. A member whose stream breaks off is listened to again after a while; what has changed meanwhile is not
known, so its lists count as changed. Nothing of that is told to the client otherwise.
"""

import asyncio
from typing import Any

import msgspec

from vestibule.errors import Refusal
from vestibule.gateway.aggregate.asking import Asking
from vestibule.gateway.aggregate.listings import relay_error
from vestibule.gateway.aggregate.members import Member, Reply, errand_to, events_of
from vestibule.gateway.aggregate.merging import Put, merging
from vestibule.gateway.aggregate.out import EVENTS, event
from vestibule.model import Operation
from vestibule.protocol.aggregate_messages import (
    Message,
    UnreadableMessage,
    members_of,
    raw,
    read_items,
    read_message,
    text_of,
)
from vestibule.protocol.event_stream import EventTooLong
from vestibule.protocol.resource_uri import has_one_spelling

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0  # seconds until a member that was lost is listened to again
MOST_URIS = 1000
_ID = "io.modelcontextprotocol/subscriptionId"
_ACK = "notifications/subscriptions/acknowledged"
_UPDATED = "notifications/resources/updated"
_FLAGS = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
_TOLD = frozenset((*_FLAGS.values(), _UPDATED))
_URIS = "resourceSubscriptions"


class _Ear:
    """On one member. `heard`: what it has acknowledged; a reply that is none; or None when it is gone."""

    def __init__(self, asking: Asking, member: Member, wanted: Message, may_tell: asyncio.Event) -> None:
        self._asking = asking
        self.member = member
        self._wanted = wanted
        self._may_tell = may_tell
        self._pause = FIRST_PAUSE
        self._is_over = False
        self._changed: list[str] = []  # methods of what may have changed while nobody listened
        self.heard: asyncio.Future[Message | Reply | None] = asyncio.get_running_loop().create_future()

    async def follow(self, put: Put) -> None:
        """Until the member ends it, or says that it cannot."""
        while True:
            try:
                is_over = await self._listen(put)
            except (Refusal, UnreadableMessage, EventTooLong) as error:
                is_over = False
                reason = error.detail or error.message if isinstance(error, Refusal) else str(error)
                self._asking.members.tell_absent(self.member, f"listening: {reason}")
            self._settle(None)
            if is_over:
                return
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _settle(self, heard: Message | Reply | None) -> bool:
        """Whether it is the first time."""
        if self.heard.done():
            return False
        self.heard.set_result(heard)
        return True

    async def _listen(self, put: Put) -> bool:
        """Whether the stream has had its end. Raises a `Refusal` when it broke off."""
        asking, member = self._asking, self.member
        params = {**asking.params, "notifications": raw(self._wanted)}
        question = asking.question(member.name, msgspec.json.encode({**asking.message, "params": raw(params)}))
        async with errand_to(member, question) as errand:
            head = await errand.head()
            if not head.is_stream:
                body = await errand.body(longest=65536)
                message = read_message(body) if body.lstrip().startswith(b"{") else {}
                self._settle(Reply(member, head.status, head.headers, message))
                asking.members.tell_absent(member, f"listening: it answered {head.status}")
                return True
            self._is_over = False
            async for events in events_of(errand, self._rename):
                if self.heard.done():
                    await self._may_tell.wait()
                    changed, self._changed = self._changed, []
                    await put(b"".join(event(self._told(method, {})) for method in changed) + events)
                if self._is_over:
                    break
            return self._is_over

    def _rename(self, data: bytes) -> bytes:
        if not data.strip():
            return b""
        message = read_message(data)
        if "method" not in message:
            self._is_over = True
            if "error" in message:
                self._settle(Reply(self.member, 200, [], message))
            return b""
        method, params = text_of(message["method"]), members_of(message.get("params"))
        if method == _ACK:
            return self._acknowledged(members_of(params.get("notifications")))
        if method not in _TOLD or not self.heard.done():
            return b""
        if method == _UPDATED:
            uri = text_of(params.get("uri"))
            if uri is None:
                return b""
            params["uri"] = raw(self._asking.members.prefixes.uri(self.member.name, uri))
        return self._told(method, params)

    def _acknowledged(self, honoured: Message) -> bytes:
        self._pause = FIRST_PAUSE
        if self._settle(honoured):
            return b""
        self._changed = [method for flag, method in _FLAGS.items() if _is_true(honoured.get(flag))]
        return b""

    def _told(self, method: str, params: Message) -> bytes:
        meta = {**members_of(params.get("_meta")), _ID: self._asking.id}
        return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": {**params, "_meta": meta}})


async def listen(asking: Asking) -> None:
    """Raises a `Refusal` as long as nothing has been acknowledged."""
    may_tell = asyncio.Event()
    wanted = _wanted(asking)
    ears = [_Ear(asking, asking.members[name], one, may_tell) for name, one in wanted.items()]
    async with merging(asking.out, [ear.follow for ear in ears]) as merge:
        if ears:
            await asyncio.wait([ear.heard for ear in ears], timeout=asking.members.deadline)
        heard = [ear.heard.result() if ear.heard.done() else None for ear in ears]
        honoured = [(ear, one) for ear, one in zip(ears, heard, strict=True) if isinstance(one, dict)]
        wrong = [one for one in heard if isinstance(one, Reply)]
        if wrong and not honoured:
            await relay_error(asking, wrong)
            return
        asking.out.begin(200, [EVENTS])
        acknowledged = _union(asking, [(ear.member.name, one) for ear, one in honoured])
        meta = {_ID: asking.id}
        params = {"notifications": acknowledged, "_meta": meta}
        await asking.out.write(event(msgspec.json.encode({"jsonrpc": "2.0", "method": _ACK, "params": params})))
        may_tell.set()
        await merge.pass_on()
        result = {"resultType": "complete", "_meta": meta}
        await asking.out.write(event(msgspec.json.encode({"jsonrpc": "2.0", "id": asking.id, "result": result})))
        asking.out.end()


def _wanted(asking: Asking) -> dict[str, Message]:
    """What to ask of each member; of one that has nothing to say to this, nothing."""
    notifications = members_of(asking.params.get("notifications"))
    flags = {flag: notifications[flag] for flag in _FLAGS if _is_true(notifications.get(flag))}
    uris: dict[str, list[str]] = {}
    for item in read_items(notifications[_URIS])[:MOST_URIS] if _URIS in notifications else ():
        named = asking.members.prefixes.of_uri(text_of(item) or "")
        if named is not None:
            uris.setdefault(named.member, []).append(named.name)
    found: dict[str, Message] = {}
    for member in asking.members.open_to(asking.principal, Operation(asking.method)):
        theirs = [
            uri
            for uri in uris.get(member.name, ())
            if has_one_spelling(uri) and member.may(asking.principal, Operation("resources/subscribe", uri))
        ]
        wanted = {**flags, **({_URIS: raw(theirs)} if theirs else {})}
        if wanted:
            found[member.name] = wanted
    return found


def _union(asking: Asking, honoured: list[tuple[str, Message]]) -> dict[str, Any]:
    union: dict[str, Any] = {flag: True for flag in _FLAGS if any(_is_true(one.get(flag)) for _, one in honoured)}
    uris = [
        asking.members.prefixes.uri(member, uri)
        for member, one in honoured
        if _URIS in one
        for item in read_items(one[_URIS])
        if (uri := text_of(item)) is not None
    ]
    return {**union, **({_URIS: uris} if uris else {})}


def _is_true(found: msgspec.Raw | None) -> bool:
    return found is not None and bytes(found) == b"true"
