"""One TLS context for the process: building one reads the system's certificates and costs tens of milliseconds.

Built at first use and never at import: a gateway that opens no TLS connection carries none. Verification has no switch.
"""

import platform
import re
import ssl
import threading
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

# Where distributions keep their certificates, for a Python whose OpenSSL was built for another one (uv's, for example).
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
)
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]")

_building = threading.Lock()


def client_context(extra_ca_file: Path | None = None) -> ssl.SSLContext:
    """Verifies names and chains against the system's certificates, and those that `extra_ca_file` holds now.

    Raises OSError (`ssl.SSLError` is one) when that file cannot be used.
    """
    with _building:  # threads that ask at once get the same one
        return _context(extra_ca_file, sha256(extra_ca_file.read_bytes()).digest() if extra_ca_file else b"")


@lru_cache(maxsize=4)
def _context(extra_ca_file: Path | None, digest: bytes) -> ssl.SSLContext:
    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if extra_ca_file is not None:
        context.load_verify_locations(extra_ca_file)
    return context


def _system_context() -> ssl.SSLContext:
    if platform.system() in ("Darwin", "Windows"):
        import truststore  # comes with httpx2: asks the system's own verifier, as a browser would

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    if not _openssl_finds_certificates():
        bundle = next((path for path in _BUNDLES if Path(path).is_file()), None)
        if bundle is not None:
            context.load_verify_locations(bundle)
    return context


def _openssl_finds_certificates() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile) or (
        bool(paths.capath) and any(_HASHED.fullmatch(path.name) for path in Path(paths.capath).iterdir())
    )
