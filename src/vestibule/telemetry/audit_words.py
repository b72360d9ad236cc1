"""What an event may say: nothing that breaks a line, no secret, and at most 8 KiB as a line of JSON (CVE-2025-65015).

And what it says of a tool's arguments: nothing, but for those that the configuration names.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from vestibule.model import AuditEvent, AuditWords
from vestibule.protocol.audit_form import canonical
from vestibule.telemetry.redact import MASK, clean, clean_as, clean_text, is_secret

MAX_TEXT = 2048  # characters of a word: a client's id may be a URL
MAX_LINE = 8192 - 256  # bytes of an event's canonical form; the rest is for sequence and hash
MAX_ADDRESS = 100  # characters
MAX_ARGUMENT = 200  # characters of one argument
_ESCAPED = 6  # bytes that a character of the basic plane may take in JSON; the others count as two
REMEMBERED = 256  # characters of the longest word whose cleaning is remembered
MAX_SHORT = 512  # characters of an event whose line fits, whatever they are
_OURS = re.compile(r"[0-9a-f]{1,64}").fullmatch  # a request's id as we make it; each is new
_LIMITS = (MAX_TEXT, 500, 100)


def cleaned(event: AuditEvent) -> AuditEvent:
    """The event as it is stored. Of one that is too long every word is cut to what still tells who did what.

    The words of a call come again and again: usually it is known that there is nothing to do.
    """
    words = event.words
    if len("".join(words)) <= MAX_SHORT and not event.facts and _OURS(event.request_id) and _are_clean(words):
        return event
    for limit in _LIMITS:
        found = _cleaned(event, limit)
        if _fits(found):
            return found
    return replace(found, facts={"truncated": "true"})


@lru_cache(maxsize=1024)
def _are_clean(words: AuditWords) -> bool:
    _, _, address, *_ = words
    return len(address) <= MAX_ADDRESS and all(clean_text(word, limit=MAX_TEXT) == word for word in words)


def _cleaned(event: AuditEvent, limit: int) -> AuditEvent:
    return replace(
        event,
        actor=_word(event.actor, limit),
        client_id=_word(event.client_id, limit),
        tenant=_word(event.tenant, limit),
        target=_word(event.target, limit),
        reason=_word(event.reason, limit),
        request_id=event.request_id if _OURS(event.request_id) else _word(event.request_id, 200),
        address=_word(event.address, MAX_ADDRESS),
        facts=clean(event.facts, limit=min(limit, 1000)) if event.facts else event.facts,
        tool=_word(event.tool, limit),
    )


def _word(text: str, limit: int) -> str:
    """`clean_text`, remembered for what comes again with every call: it is half the cost of an event otherwise."""
    return _remembered(text, limit) if 0 < len(text) <= REMEMBERED else clean_text(text, limit=limit)


@lru_cache(maxsize=2048)
def _remembered(text: str, limit: int) -> str:
    return clean_text(text, limit=limit)


def _fits(event: AuditEvent) -> bool:
    words = (event.actor, event.client_id, event.tenant, event.target, event.reason, event.request_id, event.tool)
    length = sum(map(len, words)) + sum(len(name) + len(value) for name, value in event.facts.items())
    return length * _ESCAPED * 2 < MAX_LINE or len(canonical(event, 1)) < MAX_LINE


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """Which arguments of which tools the trail tells."""

    tools: str  # a name, or a pattern with * and ?
    names: tuple[str, ...]


CallFacts = Callable[[str, Mapping[str, Any]], Mapping[str, str]]
"""(tool, arguments) → the facts of the event."""


def argument_facts(tool: str, arguments: Mapping[str, Any], rules: Sequence[ArgumentRule]) -> dict[str, str]:
    """The arguments that the rules name for this tool, each as `argument.<name>`; secrets masked, long ones cut."""
    wanted = {name: None for rule in rules if fnmatchcase(tool, rule.tools) for name in rule.names}
    return {f"argument.{name}": _told(name, arguments[name]) for name in wanted if name in arguments}


def _told(name: str, value: Any) -> str:
    if is_secret(name, value):
        return MASK
    found = clean_as(name, value, limit=MAX_ARGUMENT)
    return clean_text(found if isinstance(found, str) else json.dumps(found), limit=MAX_ARGUMENT)
