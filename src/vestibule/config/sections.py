"""The small sections of the file: outbound, keys, http, logging."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from vestibule.config import defaults
from vestibule.config.addresses import NetworkText
from vestibule.config.values import Duration, SecretValue, Size


class Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )


class OutboundConfig(Model):
    """What we connect to on behalf of others."""

    allow_networks: tuple[NetworkText, ...] = Field(
        (),
        description="Networks (CIDR) that client metadata documents may come from although they are not public: for "
        "clients inside your own network, and for tests.",
        examples=[["10.20.0.0/16"]],
    )
    ca_file: str | None = Field(
        None,
        description="More certificate authorities, as PEM, for every outgoing connection. Verification has no switch.",
        examples=["/etc/vestibule/company-ca.pem"],
    )


class KeysConfig(Model):
    """Where the root secret is: everything sealed hangs on it. The file, or `secret`, never both."""

    file: str = Field(
        defaults.KEY_FILE,
        description="The key ring's file; made at the first start, mode 0600.",
        examples=["/var/lib/vestibule/keys"],
    )
    secret: SecretValue | None = Field(
        None,
        description="The root secret itself, as file: or env:, instead of a file.",
        examples=["env:ROOT_SECRET"],
    )
    previous: tuple[SecretValue, ...] = Field(
        (),
        description="Root secrets beside `secret` that still open what they sealed: the last one after a rotation, and "
        "the next one before it.",
        examples=[["env:OLD_ROOT_SECRET"]],
    )


class HstsConfig(Model):
    """Strict-Transport-Security (RFC 6797): browsers then know us by https only."""

    max_age: Duration = Field(
        defaults.HSTS_MAX_AGE,
        description="For how long. 0s makes browsers forget it.",
        examples=["365d"],
    )
    include_subdomains: bool = Field(
        False, description="For all names below this one as well: they all need https then.", examples=[True]
    )
    preload: bool = Field(
        False,
        description="That the name may go into the browsers' own lists (hstspreload.org), from which it comes out "
        "only after months. Needs include_subdomains and a year.",
        examples=[True],
    )


class HttpConfig(Model):
    """What one client may send, and how the server stops."""

    max_body: Size = Field(defaults.MAX_BODY, description="Of a request's body: 1KiB to 1GiB.", examples=["10MB"])
    max_head: Size = Field(defaults.MAX_HEAD, description="Of a request's head: 4KiB to 1MiB.", examples=["32KiB"])
    graceful_timeout: Duration = Field(
        defaults.GRACEFUL_TIMEOUT,
        description="How long requests may go on after SIGTERM, and streams after a reload.",
        examples=["10s"],
    )
    hsts: HstsConfig = Field(
        HstsConfig(),
        description="Strict-Transport-Security on every answer, where public_url is https and not loopback.",
        examples=[{"max_age": "365d"}],
    )


class LoggingConfig(Model):
    """The log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is worth a line.", examples=["info"]
    )
    format: Literal["auto", "console", "json"] = Field(
        "auto", description="auto: for people on a terminal, JSON otherwise.", examples=["json"]
    )
