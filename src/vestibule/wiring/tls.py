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
    """For a port that strangers connect to, some of them without TLS."""

    sslobject_class = _SaysWhatItSpeaks

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, *args, **options)
        if isinstance(connection, _SaysWhatItSpeaks):
            connection.outgoing = outgoing
        return connection


class ServedCertificate:
    """What clients are shown. `context` is for the server, and stays; `follow` exchanges the certificate.

    OpenSSL lets a handshake change to another context when it has seen the client's first message (the servername
    callback, which is called without a name too). Connections that are open keep the keys they have agreed on.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._shown = context
        context.sni_callback = self._show

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
        """Show that certificate from the next handshake on."""
        self._shown = newer.context

    def _show(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        if self._shown is not context:
            connection.context = self._shown
