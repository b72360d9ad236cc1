"""What the log says of refused calls, in a flood too."""

from typing import Any

from vestibule.gateway.refusal_log import LINES, RefusalLog


def told(flood: int) -> tuple[RefusalLog, list[dict[str, Any]]]:
    """A log after a flood of strangers, and its lines."""
    lines: list[dict[str, Any]] = []
    log = RefusalLog(lambda event, **facts: lines.append({"event": event, **facts}))
    for number in range(flood):
        log.tell("MISSING_AUTHORIZATION", request_id=f"{number}")
    return log, lines


def test_a_flood_of_strangers_hides_nothing_that_they_cannot_cause() -> None:
    log, lines = told(100 * LINES)
    log.tell("UPSTREAM_CREDENTIAL_FAILED", request_id="seen")
    assert lines[-1] == {"event": "mcp_refused", "code": "UPSTREAM_CREDENTIAL_FAILED", "request_id": "seen"}


def test_what_is_beyond_a_seconds_lines_is_counted_by_its_code() -> None:
    log, lines = told(LINES + 7)
    assert len(lines) == LINES
    log.tick()
    assert lines[LINES:] == [
        {"event": "mcp_refused_more", "level": "warning", "code": "MISSING_AUTHORIZATION", "count": 7}
    ]
    log.tell("MISSING_AUTHORIZATION", request_id="next")
    assert lines[-1]["request_id"] == "next"
