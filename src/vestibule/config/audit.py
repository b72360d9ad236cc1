"""The section `audit`: what the trail tells beside the decisions, and where else it is told."""

from typing import Literal

from pydantic import Field

from vestibule.config import defaults
from vestibule.config.addresses import HttpsOrLoopbackUrl
from vestibule.config.sections import Model
from vestibule.config.values import Duration, SecretValue


class AuditOtlpConfig(Model):
    """A collector that takes OpenTelemetry log records over HTTP (`pip install 'vestibule[otel]'`)."""

    endpoint: HttpsOrLoopbackUrl = Field(
        description="Its whole URL for logs.", examples=["https://collector.example.com/v1/logs"]
    )
    headers: dict[str, SecretValue] = Field(
        default_factory=dict,
        description="Headers that it wants, each value as file: or env:.",
        examples=[{"Authorization": "env:COLLECTOR_AUTHORIZATION"}],
    )
    timeout: Duration = Field(defaults.OTLP_TIMEOUT, description="How long one request may take.", examples=["10s"])


class AuditConfig(Model):
    """The audit trail. Decisions about sign-ins, tokens and administration are always in it."""

    calls: Literal["all", "denied", "none"] = Field(
        "all",
        description="Which MCP calls it tells of: all, denied (and failed) ones, or none.",
        examples=["denied"],
    )
    arguments: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Arguments of tools that it tells, by the tool's name or a pattern with * and ?; secrets are "
        "masked and values cut at 200 characters. None, when left out: arguments are what people say.",
        examples=[{"delete_*": ["id"]}],
    )
    file: str | None = Field(
        None,
        description="A file of JSON lines to write it to as well, mode 0600; it may be rotated by renaming.",
        examples=["/var/log/vestibule/audit.jsonl"],
        min_length=1,
    )
    otlp: AuditOtlpConfig | None = Field(
        None,
        description="A collector to send it to as well.",
        examples=[{"endpoint": "https://collector.example.com/v1/logs"}],
    )
