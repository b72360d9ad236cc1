"""The audit trail as the configuration wants it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vestibule.config import Configuration
from vestibule.ports import AuditLog
from vestibule.telemetry import ArgumentRule, AuditSink, AuditTrail, CallFacts, argument_facts, event_logger


def make_trail(configuration: Configuration, store: AuditLog) -> AuditTrail:
    """Raises `StartError` when OTLP is wanted and OpenTelemetry is not installed."""
    return AuditTrail(store, event_logger("audit"), sinks=_sinks(configuration), calls=configuration.audit.calls)


def _sinks(configuration: Configuration) -> list[AuditSink]:
    audit = configuration.audit
    found: list[AuditSink] = []
    if audit.file is not None:
        from vestibule.telemetry.audit_file import AuditFile

        found.append(AuditFile(Path(audit.file), event_logger("audit")))
    if audit.otlp is not None:
        from vestibule import __version__
        from vestibule.telemetry.audit_otlp import OtlpAudit

        headers = {name: value.reveal() for name, value in audit.otlp.headers.items()}
        timeout = audit.otlp.timeout.total_seconds()
        found.append(OtlpAudit(audit.otlp.endpoint, headers, timeout=timeout, version=__version__))
    return found


def make_call_facts(configuration: Configuration) -> CallFacts:
    """What the trail tells of a tool's arguments: nothing, but for those that the configuration names."""
    rules = tuple(ArgumentRule(tools, names) for tools, names in configuration.audit.arguments.items())

    def facts(tool: str, arguments: Mapping[str, Any]) -> Mapping[str, str]:
        return argument_facts(tool, arguments, rules) if rules else {}

    return facts
