"""What an attacker still can: each test says what should be, and fails."""

import contextlib
import time
from pathlib import Path

import pytest

from tests.gateway.test_judged_calls import legacy_call, message
from tests.support.house import open_door
from vestibule.errors import BadRequest
from vestibule.model import Operation, Policy, Rule
from vestibule.policy.question import Facts, Question
from vestibule.policy.rules import CelRules
from vestibule.protocol.operation import read_operation
from vestibule.testing.recording_upstream import RecordingUpstream

pytestmark = pytest.mark.xfail(strict=False, reason="open")


async def test_completions_of_a_prompt_need_what_the_prompt_needs(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """policy/methods.py KINDS has no completion/complete, although its operation is named by the prompt."""
    scopes = {"default": ["notes"], "prompts": {"secret": ["notes.secret"]}}
    upstreams = [{"name": "main", "url": upstream.url, "scopes": scopes}]
    async with open_door(tmp_path, upstream.url, upstreams=upstreams) as door:
        who = await door.sign_in(scope="notes")
        ref = {"type": "ref/prompt", "name": "secret"}
        content = message("completion/complete", ref=ref, argument={"name": "customer", "value": "a"})
        assert (await legacy_call(who, content)).status_code == 403


def test_an_argument_in_another_case_does_not_pass_a_rule() -> None:
    """Go's encoding/json would take it for the one that the rule names; keys of the protocol are refused so already."""
    rule = Rule(
        "no-force", "deny", tools=("drop",), when="has(arguments.force) && arguments.force", arguments=("force",)
    )
    engine = CelRules(Policy("allow", (rule,)))
    operation = Operation("tools/call", "drop", {"Force": True})
    assert not engine.decide(Question(Facts(user="a"), "main", "r", operation, time.time())).is_allowed


def test_no_body_stops_everybody_for_long() -> None:
    """One megabyte of brackets takes 300 to 650 ms of the only loop, for a caller who is allowed nothing."""
    inside = b'{"a":[' + (b"[" * 55 + b"]" * 55 + b",") * 9000 + b"1]}"
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":' + inside + b"}}"
    began = time.perf_counter()
    with contextlib.suppress(BadRequest):
        read_operation(b"POST", [], body)
    assert time.perf_counter() - began < 0.1
