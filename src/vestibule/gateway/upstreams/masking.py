"""What a program says, as it may stand in our log: without the values that only it was given.

Many programs print their configuration when they start or fail, and what a token looks like is their makers' choice; so
every value of its environment counts as a secret, but for short ones and for paths.
"""

import re
from collections.abc import Callable
from typing import Any

from vestibule.model import Command

SHORTEST = 8  # characters of what is looked for
MASK = "[masked]"


def masked(report: Callable[..., None], command: Command) -> Callable[..., None]:
    """`report`: one line in the log."""
    values = {value.reveal() for value in command.environment.values()}
    secrets = sorted((one for one in values if len(one) >= SHORTEST and not one.startswith("/")), key=len, reverse=True)
    if not secrets:
        return report
    pattern = re.compile("|".join(map(re.escape, secrets)))

    def shown(fact: Any) -> Any:
        text = fact.decode("utf-8", "replace") if isinstance(fact, bytes | bytearray) else fact
        return pattern.sub(MASK, text) if isinstance(text, str) else fact

    def report_masked(event: str, **facts: Any) -> None:
        report(event, **{name: shown(fact) for name, fact in facts.items()})

    return report_masked
