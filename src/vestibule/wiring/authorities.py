"""Whom we believe beside the system's certificate authorities: what `outbound.ca_file` held when it was read."""

import ssl
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

from vestibule.config import Configuration
from vestibule.errors import StartError
from vestibule.outbound.tls import client_context


@dataclass(frozen=True)
class Authorities:
    """Two are equal when they believe the same: connections that one has made are good for the other."""

    file: Path | None
    digest: bytes

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        """Raises `StartError` for a file that holds none."""
        if configuration.outbound.ca_file is None:
            return cls(None, b"")
        file = Path(configuration.outbound.ca_file)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
            return cls(file, sha256(file.read_bytes()).digest())
        except OSError as error:
            raise StartError(
                f"outbound.ca_file cannot be used: {error.strerror or error}.",
                action="Name a file of PEM: BEGIN CERTIFICATE.",
            ) from error

    def context(self) -> ssl.SSLContext:
        """Made when it is first asked for, and the same from then on, whatever becomes of the file."""
        return self._context

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return client_context(self.file)
