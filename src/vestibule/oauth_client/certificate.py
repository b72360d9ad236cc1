"""A certificate as a client credential: which key signs, and how the assertion's header names the certificate."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vestibule.oauth_client.client_authentication import thumbprint
from vestibule.protocol.jwt import PrivateKey, UnusableKey


def read_certificate(pem: str) -> tuple[PrivateKey, str]:
    """The private key of a PEM text, and the thumbprint of the certificate in it that belongs to the key.

    Raises `UnusableKey`. Source: Microsoft, "Microsoft identity platform application authentication certificate
    credentials": PS256 and `x5t#S256`.
    """
    key = PrivateKey(pem)
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise UnusableKey("there is no certificate beside the key") from error
    for certificate in certificates:
        if certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == key.public_der():
            return key, thumbprint(certificate.public_bytes(Encoding.DER))
    raise UnusableKey("the certificate belongs to another key")
