"""The section `tls`, and what Strict-Transport-Security says."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from vestibule.config.addresses import is_loopback_host
from vestibule.config.sections import Model
from vestibule.config.values import SecretValue

if TYPE_CHECKING:
    from vestibule.config.models import Configuration


def _read_path(value: Any) -> Any:
    """A path alone is the file at it: keys are files, and MCP_HTTP_TLS_KEY_PATH is a path."""
    is_path = isinstance(value, str) and not value.startswith(("file:", "env:")) and "PRIVATE KEY" not in value
    return f"file:{value}" if is_path and value.strip() else value


class TlsConfig(Model):
    """The certificate that we show."""

    certificate: str = Field(
        description="A file of PEM: our certificate, and behind it those that lead to its authority.",
        examples=["/etc/vestibule/fullchain.pem"],
        min_length=1,
    )
    key: Annotated[SecretValue, BeforeValidator(_read_path)] = Field(
        description="Its private key, as PEM without a password: a path, file: or env:.",
        examples=["file:/etc/vestibule/privkey.pem"],
    )


def hsts_value(configuration: "Configuration") -> str | None:
    """None where it would say nothing or too much: on http, and on loopback, which other programs share with us."""
    parts, hsts = urlsplit(configuration.public_url), configuration.http.hsts
    if parts.scheme != "https" or is_loopback_host(parts.hostname or ""):
        return None
    value = f"max-age={int(hsts.max_age.total_seconds())}"
    value += "; includeSubDomains" if hsts.include_subdomains else ""
    return value + ("; preload" if hsts.preload else "")
