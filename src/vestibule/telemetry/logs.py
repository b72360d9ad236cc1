"""The log: structured events on stderr, as JSON or for people. Everything that logs in this process comes through here.

Exceptions are told by their type and place; their texts pass the same cleaning as everything else.
"""

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

if "rich" not in sys.modules:
    # structlog imports rich for its tracebacks wherever rich is installed: 9 MB that an idle gateway never uses.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog

from vestibule.telemetry.redact import MASK, clean, is_secret_key

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_OURS = frozenset({"event", "level", "timestamp", "part", "exception", "code", "tokens"})


def configure_logging(
    *, level: Literal["debug", "info", "warning", "error"], form: Literal["auto", "console", "json"]
) -> None:
    """Once, at the start of the process."""
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if for_people else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        clean_event,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_without_meta, renderer])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if level != "debug" else logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = name != "uvicorn.access"  # its lines hold whole URLs: codes and states
    logging.getLogger("uvicorn.access").disabled = True


def event_logger(name: str) -> Callable[..., None]:
    """`log("event_name", key=value)`; a `level` keyword chooses another level than info."""
    logger = structlog.get_logger(part=name)

    def log(event: str, *, level: str = "info", **facts: Any) -> None:
        getattr(logger, level)(event, **facts)

    return log


def clean_event(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in list(event.items()):
        if key.startswith("_"):
            continue
        event[key] = MASK if key not in _OURS and is_secret_key(key) else clean(value)
    return event


def _without_meta(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(logger, method, event)
