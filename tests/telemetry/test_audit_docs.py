"""docs/audit.md names every action that the source records, and none that it does not."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text()

_ACTION = r'"([a-z_]+\.[a-z_]+|authorize)"'
_RECORDED = re.compile(
    rf"""
      {_ACTION},\s*(?:"(?:allowed|denied|failed)"|outcome)        # an event, or server.record
    | server,\ context,\ {_ACTION}                                # tell_refusal
    | action(?::\ str)?\ ?=\ ?{_ACTION}                           # by keyword
    | record_theft\({_ACTION}
    | _record\({_ACTION}
    | _record\(\w+,\ {_ACTION}
    """,
    re.VERBOSE,
)
_OF_THE_GATEWAY = "mcp.call"


def test_every_action_is_told_of() -> None:
    recorded = {_OF_THE_GATEWAY}
    for file in (ROOT / "src" / "vestibule").rglob("*.py"):
        if "testing" not in file.parts:
            recorded |= {name for found in _RECORDED.findall(file.read_text()) for name in found if name}
    table = PAGE.partition("## Actions")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE)) == recorded
