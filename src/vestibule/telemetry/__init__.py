"""Logs and the audit trail. Nothing that leaves here holds a secret."""

from vestibule.telemetry.audit import AuditTrail
from vestibule.telemetry.audit_sinks import AuditSink
from vestibule.telemetry.audit_words import ArgumentRule, CallFacts, argument_facts
from vestibule.telemetry.logs import configure_logging, event_logger

__all__ = [
    "ArgumentRule",
    "AuditSink",
    "AuditTrail",
    "CallFacts",
    "argument_facts",
    "configure_logging",
    "event_logger",
]
