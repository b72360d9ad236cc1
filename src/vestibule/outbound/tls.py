"""One TLS context for the process: building one reads the system's certificates and costs tens of milliseconds."""

import ssl
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=4)
def client_context(extra_ca_file: Path | None = None) -> ssl.SSLContext:
    """Verifies names and chains against the system's certificates, and those of `extra_ca_file`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if extra_ca_file is not None:
        context.load_verify_locations(extra_ca_file)
    return context
