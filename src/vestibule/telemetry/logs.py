"""The log: structured events on stderr, as JSON or for people. Everything that logs in this process comes through here.

    event and facts → level, time → exception told in one line → secrets out, values bounded → one line of at most 8 KiB

Libraries that use `logging` take the same way. Uvicorn's access log stays off: its lines hold whole URLs, and with them
codes and states.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from traceback import extract_tb
from types import TracebackType
from typing import Any, Literal, TextIO, TypeAlias

if "rich" not in sys.modules:
    # structlog imports rich for its tracebacks wherever rich is installed: 9 MB that an idle gateway never uses.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog

from vestibule.telemetry.redact import clean, clean_as

MAX_EVENT = 8192  # bytes, with the newline
MAX_FRAMES = 8

Event: TypeAlias = MutableMapping[str, Any]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["auto", "console", "json"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_ALWAYS = ("timestamp", "level", "logger", "event")
_LIMITS = (200, 60)  # characters a value may keep when the whole event is too long


def configure_logging(*, level: Level, form: Form, stream: TextIO | None = None) -> None:
    """Once, at the start of the process; again is harmless. `stream`: stderr when left out."""
    stream = stream or sys.stderr
    for_people = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        tell_exception,
        clean_event,
    ]
    render = _Bounded(_console(stream) if for_people else structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    _route_libraries(handler, level)


def event_logger(name: str) -> Callable[..., None]:
    """`log("event_name", key=value)`; a `level` keyword chooses another level than info."""

    def log(event: str, *, level: Level = "info", **facts: Any) -> None:
        getattr(structlog.get_logger(), level)(event, logger=name, **facts)

    return log


def _route_libraries(handler: logging.Handler, level: Level) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries at DEBUG print headers and queries of their own; what they say from INFO on is enough to find a fault.
    root.setLevel(max(_LEVELS[level], logging.INFO) if level == "debug" else max(_LEVELS[level], logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(capture=True)


def _console(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)


def tell_exception(logger: Any, method: str, event: Event) -> Event:
    """An exception in one line: what it is, what it says, and where it came from, innermost first."""
    told = event.pop("exc_info", None)
    error = sys.exc_info()[1] if told is True else told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event["raised"] = _told(error)
    return event


def _told(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error} at {_where(error.__traceback__)}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return text if cause is None else f"{text}; after {type(cause).__name__}: {cause} at {_where(cause.__traceback__)}"


def _where(traceback: TracebackType | None) -> str:
    frames = list(reversed(extract_tb(traceback)))[:MAX_FRAMES]
    places = (f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return " < ".join(places) or "?"


def clean_event(logger: Any, method: str, event: Event) -> Event:
    """Secrets out, values bounded; what every event has comes first, so that it is the last to be cut."""
    for key in sorted(event, key=lambda key: _ALWAYS.index(key) if key in _ALWAYS else len(_ALWAYS)):
        if not key.startswith("_"):  # ProcessorFormatter's own
            value = event.pop(key)
            name = key if key.isidentifier() and len(key) <= 60 else clean(key, limit=60)
            event[name] = clean(value) if key in _ALWAYS else clean_as(key, value)
    return event


class _Bounded:
    """A renderer whose lines have a longest length (CVE-2025-65015: a log line as long as a request)."""

    def __init__(self, render: Callable[[Any, str, Event], str | bytes]) -> None:
        self._render = render

    def __call__(self, logger: Any, method: str, event: Event) -> str:
        line = self._line(logger, method, event)
        for limit in _LIMITS:
            if len(line.encode("utf-8", "replace")) < MAX_EVENT:
                return line
            short = {key: clean(value, limit=limit) for key, value in list(event.items())[:30]}
            line = self._line(logger, method, {**short, "truncated": True})
        if len(line.encode("utf-8", "replace")) >= MAX_EVENT:
            kept = {key: clean(event[key], limit=60) for key in _ALWAYS if key in event}
            line = self._line(logger, method, {**kept, "truncated": True})
        return line

    def _line(self, logger: Any, method: str, event: Event) -> str:
        line = self._render(logger, method, dict(event))
        return line if isinstance(line, str) else line.decode()
