"""Our own certificate as an operator's file has it: read, understood, and made into what serves TLS.

Everything that could be wrong with it is found here, by `check` and before anything listens. Certificate and key are
read once: what was checked is what is served, even while a renewal writes the next one.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vestibule.config.values import wrong
from vestibule.model import Secret

if TYPE_CHECKING:
    from cryptography import x509

# TLS 1.2 with forward secrecy and AEAD only (RFC 9325 §4.2); what TLS 1.3 has is good as it is.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_MAX_BYTES = 256 * 1024

Context = TypeVar("Context", bound=ssl.SSLContext)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What its file says of itself. Times are UTC."""

    pem: bytes
    names: tuple[str, ...]  # DNS names, in lower case; a wildcard stands for one label
    addresses: tuple[str, ...]
    begins: datetime
    ends: datetime

    def is_for(self, host: str) -> bool:
        """Whether a client that went to this host accepts it (RFC 9525 §6)."""
        host = host.strip("[]").lower().rstrip(".")
        try:
            return str(ip_address(host)) in self.addresses
        except ValueError:
            parent = host.partition(".")[2]
            return host in self.names or ("." in parent and f"*.{parent}" in self.names)


def read_certificate(path: Path) -> Certificate:
    """Raises the error of `wrong` for what is no certificate."""
    from cryptography import x509

    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise wrong(f"the file cannot be read ({error.strerror})", "check the path and its owner") from None
    if len(pem) > _MAX_BYTES:
        raise wrong("the file is larger than any chain of certificates", "check the path")
    try:
        first = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise wrong("it is no certificate", "name a file of PEM: BEGIN CERTIFICATE") from None
    return Certificate(pem, *_names_of(first), begins=first.not_valid_before_utc, ends=first.not_valid_after_utc)


def _names_of(certificate: "x509.Certificate") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The alternative names; no client looks at the common name any more."""
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return (), ()
    names = tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))
    return names, tuple(str(address) for address in found.get_values_for_type(x509.IPAddress))


def server_context(pem: bytes, key: Secret, kind: type[Context]) -> Context:
    """`kind`: the class it is to be of. Raises the error of `wrong` when the two cannot serve TLS together."""
    if "ENCRYPTED" in key.reveal():
        raise wrong("the private key has a password", "write it without one: openssl pkey -in KEY -out NEW")
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    with _as_file(pem) as certificate, _as_file(key.reveal().encode()) as private:
        try:
            context.load_cert_chain(certificate, private, password=lambda: "")
        except ssl.SSLError as error:
            raise wrong(*_what_is_wrong(error)) from None
    return context


def _what_is_wrong(error: ssl.SSLError) -> tuple[str, str]:
    reason = error.reason or ""
    if "MISMATCH" in reason:
        return "the key is not the certificate's", "give the key that the certificate was made for"
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return "the certificate's key or signature is too weak", "use EC P-256, or RSA with 2048 bits or more"
    return "it is no private key that could serve TLS", "name a file of PEM: BEGIN PRIVATE KEY"


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """OpenSSL reads from files only. In memory where the system can, so that a key never reaches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor, path = os.memfd_create("vestibule", os.MFD_CLOEXEC), ""
    else:
        descriptor, path = tempfile.mkstemp(prefix="vestibule-")  # 0600
    try:
        os.write(descriptor, content)
        yield path or f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
        if path:
            Path(path).unlink()
