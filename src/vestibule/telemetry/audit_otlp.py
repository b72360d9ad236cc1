"""The trail as OpenTelemetry log records over OTLP/HTTP, for whoever has a collector. Needs the extra `otel`.

Records are queued and sent from a thread of the SDK; what a collector does not take for long is dropped there, and the
store still has it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vestibule.errors import StartError
from vestibule.model import AuditEvent, AuditLink

if TYPE_CHECKING:
    from opentelemetry._logs import LogRecord

SHUTDOWN_TIMEOUT = 5000  # milliseconds

_NAMES = {
    "action": "vestibule.audit.action",
    "outcome": "vestibule.audit.outcome",
    "request_id": "vestibule.request_id",
    "actor": "enduser.id",
    "client_id": "vestibule.client_id",
    "tenant": "vestibule.tenant",
    "target": "vestibule.audit.target",
    "reason": "vestibule.audit.reason",
    "address": "client.address",
    "tool": "vestibule.tool",
}


class OtlpAudit:
    """Implements `AuditSink`."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], *, timeout: float, version: str) -> None:
        """`endpoint`: the whole URL, with /v1/logs. `timeout`: seconds of one request. Raises `StartError`."""
        try:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
            from opentelemetry.sdk.resources import Resource
        except ImportError as error:
            raise StartError(
                "The audit trail is to be sent by OTLP, and OpenTelemetry is not installed.",
                action="Run: pip install 'vestibule[otel]'",
                detail=str(error),
            ) from error
        exporter = OTLPLogExporter(endpoint=endpoint, headers=dict(headers), timeout=timeout)
        resource = Resource.create({"service.name": "vestibule", "service.version": version})
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter, schedule_delay_millis=1000))
        self._logger = self._provider.get_logger("vestibule.audit", version)

    async def write(self, links: Sequence[AuditLink]) -> None:
        for link in links:
            self._logger.emit(_record(link))

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._provider.force_flush(SHUTDOWN_TIMEOUT)
        self._provider.shutdown()


def attributes(event: AuditEvent) -> dict[str, str]:
    """What is not empty, by the names of the semantic conventions where there are any."""
    found = {name: value for field, name in _NAMES.items() if (value := getattr(event, field))}
    return {**found, **{f"vestibule.fact.{name}": value for name, value in event.facts.items()}}


def _record(link: AuditLink) -> "LogRecord":
    from opentelemetry._logs import LogRecord, SeverityNumber

    event = link.event
    allowed = event.outcome == "allowed"
    return LogRecord(
        timestamp=int(event.at.timestamp()) * 1_000_000_000 + event.at.microsecond * 1000,
        severity_number=SeverityNumber.INFO if allowed else SeverityNumber.WARN,
        severity_text="INFO" if allowed else "WARN",
        body=f"{event.action} {event.outcome}",
        attributes={
            **attributes(event),
            "vestibule.audit.sequence": link.sequence,
            "vestibule.audit.hash": link.hash,
        },
        event_name="vestibule.audit",
    )
