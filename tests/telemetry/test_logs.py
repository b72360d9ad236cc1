"""One event, one bounded line on stderr, whoever logs it; nothing secret in it."""

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.security.vectors import vector
from vestibule.telemetry import configure_logging, event_logger
from vestibule.telemetry.logs import MAX_EVENT, Form, Level


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logging as it was is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(stream: io.StringIO, level: Level = "info", form: Form = "json") -> None:
    configure_logging(level=level, form=form, stream=stream)


def test_an_event_is_a_line_of_json(stream: io.StringIO) -> None:
    configured(stream)
    event_logger("web")("request_refused", path="/token", status=400)
    (event,) = events(stream)
    assert event["timestamp"].endswith("Z")
    assert {"event": "request_refused", "logger": "web", "level": "info", "status": 400}.items() <= event.items()


def test_the_level_decides_what_is_worth_a_line(stream: io.StringIO) -> None:
    configured(stream, "warning")
    log = event_logger("web")
    log("quiet")
    log("loud", level="error")
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("some.library").warning("loud too")
    assert [event["event"] for event in events(stream)] == ["loud", "loud too"]


def test_libraries_come_the_same_way_and_not_twice(stream: io.StringIO) -> None:
    configured(stream)
    configured(stream)
    logging.getLogger("uvicorn.error").warning("Invalid %s from %s", "vat_AbCdEf012345", "a\nb")
    (event,) = events(stream)
    assert event["logger"] == "uvicorn.error"
    assert event["event"] == "Invalid [masked] from a\\nb"


def test_the_access_log_of_uvicorn_is_silent(stream: io.StringIO) -> None:
    configured(stream, "debug")
    logging.getLogger("uvicorn.access").error("GET /callback/work?code=canary")
    assert stream.getvalue() == ""


def test_libraries_do_not_reach_debug(stream: io.StringIO) -> None:
    configured(stream, "debug")
    logging.getLogger("some.library").debug("header: canary")
    assert stream.getvalue() == ""


def test_warnings_are_events(stream: io.StringIO) -> None:
    configured(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("mind the gap", stacklevel=1)
    assert "mind the gap" in events(stream)[0]["event"]


@vector("LOG-002")
@pytest.mark.parametrize("form", ["json", "console"])
def test_what_strangers_write_is_one_line(vector: str, stream: io.StringIO, form: Form) -> None:
    configured(stream, form=form)
    event_logger("web")("client_registered", name='a\r\n{"event": "forged"}\x1b[2J\u2028\u202e', **{"k\ney": "v"})
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.removesuffix("\n").isprintable()
    assert text.isascii()


@vector("LOG-002")
@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_is_told_in_one_line(vector: str, stream: io.StringIO, form: Form) -> None:
    configured(stream, form=form)

    def fails() -> None:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("vat_AbCdEf012345 and\nmore") from error

    try:
        fails()
    except ValueError as error:
        event_logger("web")("request_failed", level="error", exc_info=error)
        logging.getLogger("some.library").exception("request_failed")
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert "AbCdEf" not in text
    for line in text.splitlines():
        assert "ValueError: [masked] and" in line
        assert "after KeyError: 'inner' at" in line.replace("\\'", "'")
        assert "test_logs.py" in line
        assert " fails < " in line


@vector("LOG-005")
@pytest.mark.parametrize("form", ["json", "console"])
def test_an_event_has_at_most_8_kib(vector: str, stream: io.StringIO, form: Form) -> None:
    configured(stream, form=form)
    log = event_logger("web")
    log("long_value", token_of_1_mb="x" * 1_000_000, other="\U0001f600" * 100_000)
    log("many_values", **{f"key_{number}": "é\n" * 900 for number in range(500)})
    log("long_keys", **{"k" * 5000 + str(number): "v" for number in range(500)})
    log("x" * 100_000)
    log("deep", value={"a": {"b": {"c": {"d": {"e": "x" * 100_000}}}}}, many=list(range(100_000)))
    logging.getLogger("x").error("y" * 100_000)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6
    assert all(len(line.encode()) < MAX_EVENT for line in lines)
    assert "many_values" in lines[1]
    assert "truncated" in lines[1]


@vector("LOG-001")
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_canary_at_debug_level(vector: str, stream: io.StringIO, form: Form) -> None:
    configured(stream, "debug", form)
    canary = "c4n4ry9f8e7d6c5b4a"
    log = event_logger("web")
    log(f"GET /callback/w?code={canary}&state={canary}", path=f"/token?refresh_token={canary}", level="debug")
    log("headers", headers={"Authorization": f"Bearer {canary}", "Cookie": f"a={canary}", "X-Api-Key": canary})
    log(
        "tokens", access_token=canary, token=f"vat_{canary}", text=f"got vrt_{canary} and vac_{canary} and vcs_{canary}"
    )
    log("form", form=[{"code_verifier": canary}, f"code_verifier={canary}&client_secret={canary}"])
    log("store", url=f"postgresql://me:{canary}@h/db", error=ValueError(f"Basic {canary}"))
    logging.getLogger("httpx2").warning("POST %s", f"https://id.example.com/token?code={canary}")
    assert canary not in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 6


def test_logging_does_not_bring_rich_into_the_process() -> None:
    code = (
        "import sys; from vestibule.telemetry import configure_logging, event_logger;"
        "configure_logging(level='info', form='console'); event_logger('x')('y');"
        "print([name for name in sys.modules if name.split('.')[0] == 'rich'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
    assert told.stderr.count("\n") == 1
