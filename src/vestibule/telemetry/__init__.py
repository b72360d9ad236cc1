"""Logs and the audit trail. Nothing that leaves here holds a secret."""

from vestibule.telemetry.audit import AuditTrail
from vestibule.telemetry.logs import configure_logging, event_logger

__all__ = ["AuditTrail", "configure_logging", "event_logger"]
