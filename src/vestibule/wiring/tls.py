"""TLS on our own port: one context for the process, whose certificate a reload exchanges for connections to come."""

import ssl
from pathlib import Path
from typing import Any, Self

from pydantic_core import PydanticCustomError

from vestibule.config import Configuration
from vestibule.config.certificate import read_certificate, server_context
from vestibule.errors import StartError

_TEXT = b"This port speaks https: use an https:// address.\n"
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncache-control: no-store\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_TEXT), _TEXT)
)


class _SaysWhatItSpeaks(ssl.SSLObject):
    """Tells a client that speaks http here what it should have done; without this it would see a closed connection.

    OpenSSL knows the beginning of an HTTP request when it sees one. Instead of failing, the handshake then writes an
    answer in clear and waits for the client to leave; what comes next fails it.
    """

    outgoing: ssl.MemoryBIO
    has_told = False

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason != "HTTP_REQUEST" or self.has_told:
                raise
            self.has_told = True
            self.outgoing.write(_PLAIN_ANSWER)
            raise ssl.SSLWantReadError from None


class PublicContext(ssl.SSLContext):
    """For a port that strangers connect to, some of them without TLS. `successor`: who takes the next connections."""

    sslobject_class = _SaysWhatItSpeaks
    successor: "PublicContext | None" = None

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        if self.successor is not None:
            return self.successor.wrap_bio(incoming, outgoing, *args, **options)
        connection = super().wrap_bio(incoming, outgoing, *args, **options)
        if isinstance(connection, _SaysWhatItSpeaks):
            connection.outgoing = outgoing
        return connection


class ServedCertificate:
    """What clients are shown. `context` is for the server, and stays; `follow` exchanges the certificate.

    Each connection begins with the context of that moment, and keeps it. OpenSSL could change it when it has seen the
    client's first message; Python's word for that (`sni_callback`) writes a traceback past the log for every stranger
    who asks for a name that is not ASCII.
    """

    def __init__(self, context: PublicContext) -> None:
        self.context = context

    @classmethod
    def of(cls, configuration: Configuration) -> Self | None:
        """None without `tls`. Raises `StartError`: the files may have changed since they were checked."""
        if configuration.tls is None:
            return None
        try:
            certificate = read_certificate(Path(configuration.tls.certificate))
            return cls(server_context(certificate.pem, configuration.tls.key, PublicContext))
        except PydanticCustomError as error:
            told = error.context or {}
            raise StartError(f"TLS cannot be served: {told['reason']}.", action=f"{told['fix']}.") from None

    def follow(self, newer: "ServedCertificate") -> None:
        """Show that certificate from the next connection on."""
        self.context.successor = newer.context
