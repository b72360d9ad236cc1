"""Whatever a server says, nothing breaks, and nobody is answered but who asked."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.gateway.upstreams.channel import Caller, Listener
from vestibule.gateway.upstreams.conversation import Conversation, Parts
from vestibule.gateway.upstreams.modern import ModernServer
from vestibule.gateway.upstreams.sessions import OwnSession
from vestibule.gateway.upstreams.shared import SharedServer
from vestibule.protocol.relayed import Message, make_request

NAMES = st.sampled_from(["id", "method", "params", "result", "error", "jsonrpc", "_meta", "progressToken", "requestId"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | st.text(max_size=4) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
)
METHODS = st.sampled_from(
    [
        "ping",
        "sampling/createMessage",
        "notifications/progress",
        "notifications/cancelled",
        "notifications/message",
        "notifications/resources/updated",
        "notifications/tools/list_changed",
    ]
)
MESSAGES = (
    st.fixed_dictionaries(
        {}, optional={"id": VALUES, "method": METHODS | VALUES, "params": VALUES, "result": VALUES, "error": VALUES}
    )
    | VALUES
)


class SilentChannel:
    """A server that says nothing by itself."""

    def __init__(self, *, is_clogged: bool = False) -> None:
        self.is_clogged = is_clogged
        self.sent = 0

    async def open(self, listener: Listener) -> None: ...
    def send(self, message: bytes) -> None:
        self.sent += 1
        assert b"\n" not in message
        json.loads(message)

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...
    async def closed(self) -> None: ...


class Recorder:
    """Implements `Waiting`."""

    def __init__(self) -> None:
        self.answers: list[Message] = []

    def answered(self, message: Message) -> None:
        self.answers.append(message)

    def progressed(self, message: Message) -> None: ...
    def lost(self, reason: str) -> None: ...


CONVERSATIONS: list[Callable[[Parts], Conversation]] = [
    lambda parts: OwnSession(parts, b"s"),
    lambda parts: ModernServer(parts, is_shared=False),
    lambda parts: ModernServer(parts, is_shared=True),
    SharedServer,
]
KINDS = ["own", "modern", "modern shared", "shared"]


@pytest.mark.parametrize("make", CONVERSATIONS, ids=KINDS)
@given(said=st.lists(MESSAGES, max_size=8), noise=st.lists(st.binary(max_size=30), max_size=4))
def test_nothing_breaks(make: Callable[[Parts], Conversation], said: list[Any], noise: list[bytes]) -> None:
    async def run() -> None:
        parts = Parts(SilentChannel(), Caller("t", None, ()), lambda *_: None, lambda *_, **__: None, lambda: 0.0)
        conversation, recorder = make(parts), Recorder()
        await asyncio.sleep(0)
        number = conversation.ask(make_request("tools/list"), recorder)
        for data in [json.dumps(one).encode() for one in said] + noise:
            conversation.heard(data)
        meant = [one for one in said if isinstance(one, dict) and one.get("id") == number and "method" not in one]
        meant = [one for one in meant if type(one["id"]) is int and ("result" in one or "error" in one)]
        assert len(recorder.answers) <= min(1, len(meant))
        conversation.lost("over")
        await asyncio.sleep(0)

    asyncio.run(run())


@pytest.mark.parametrize("make", CONVERSATIONS, ids=KINDS)
async def test_a_server_that_asks_on_and_never_reads_is_told_nothing_more(
    make: Callable[[Parts], Conversation],
) -> None:
    channel = SilentChannel()
    conversation = make(Parts(channel, Caller("t", None, ()), lambda *_: None, lambda *_, **__: None, lambda: 0.0))
    await asyncio.sleep(0.01)
    channel.is_clogged, before = True, channel.sent
    for number in range(1000):
        for method in ("ping", "roots/list"):
            conversation.heard(json.dumps({"jsonrpc": "2.0", "id": f"{method}{number}", "method": method}).encode())
    assert channel.sent == before
    conversation.lost("over")
    await asyncio.sleep(0)
