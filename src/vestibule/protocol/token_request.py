"""What a token request must look like, and who its client is (RFC 6749 §2.3, §3.2; RFC 7523 §2.2; RFC 7636 §4.5).

Reading is apart from deciding: `read_client_credentials` says what was presented, `check_client` whether that is how
this client must present itself. A client uses the one method it is registered with, and no other.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from vestibule.errors import InvalidClient, InvalidRequest
from vestibule.model import AuthMethod, Client, digest
from vestibule.protocol.parameters import Parameters


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """Who the request says it is, and by which method. Nothing is believed yet."""

    client_id: str
    method: AuthMethod
    secret: str = field(default="", repr=False)
    assertion: str = field(default="", repr=False)


def read_client_credentials(form: Parameters, authorization: str | None) -> PresentedClient:
    """Raises `InvalidClient`, or `InvalidRequest` when two methods are used at once."""
    if authorization is None:
        if form.has("client_assertion") or form.has("client_assertion_type"):
            return _read_assertion(form)
        client_id = form.get("client_id")
        if not client_id:
            raise InvalidClient("The request does not say which client it comes from.", action="Send client_id.")
        secret = form.get("client_secret")
        return PresentedClient(client_id, "client_secret_post" if secret else "none", secret)
    presented = _read_basic(authorization)
    if form.has("client_secret") or form.has("client_assertion"):
        raise InvalidRequest("The client authenticates in two ways at once.", action="Use one (RFC 6749 §2.3).")
    if form.has("client_id") and form.get("client_id") != presented.client_id:
        raise InvalidClient("The client_id of the form is not the one of the Authorization header.")
    return presented


def _read_assertion(form: Parameters) -> PresentedClient:
    from vestibule.protocol.assertion import CLIENT_ASSERTION, MAX_ASSERTION  # brings the JOSE library: 3 MB
    from vestibule.protocol.jwt import JwtError, unverified_claims

    if form.has("client_secret"):
        raise InvalidRequest("The client authenticates in two ways at once.", action="Use one (RFC 6749 §2.3).")
    if form.get("client_assertion_type") != CLIENT_ASSERTION:
        raise InvalidClient("The client_assertion_type is not supported.", action=f"Send {CLIENT_ASSERTION}.")
    assertion = form.get("client_assertion")
    if not assertion or len(assertion) > MAX_ASSERTION:
        raise InvalidClient("The client_assertion is missing, or too long.")
    try:
        _, claims = unverified_claims(assertion)
    except JwtError as error:
        raise InvalidClient("The client_assertion cannot be read.", detail=str(error)) from error
    client_id = form.get("client_id") or claims.get("sub")
    if not isinstance(client_id, str) or not client_id:
        raise InvalidClient("The client_assertion names no client.", action="Its iss and sub are the client_id.")
    return PresentedClient(client_id, "private_key_jwt", assertion=assertion)


def _read_basic(authorization: str) -> PresentedClient:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("Clients authenticate here with the Basic scheme, in the form, or not at all.")
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        # RFC 6749 §2.3.1: both parts are form-encoded before base64.
        client_id, secret = (unquote_to_bytes(part.replace("+", " ")).decode("utf-8") for part in (client_id, secret))
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidClient("The Basic credentials cannot be read.") from error
    if not colon or not client_id:
        raise InvalidClient("The Basic credentials have no client_id and secret separated by a colon.")
    return PresentedClient(client_id, "client_secret_basic", secret)


def check_client(presented: PresentedClient, client: Client | None) -> Client:
    """The client, proven. One answer for every failure: a stranger learns nothing from it. Raises `InvalidClient`."""
    if client is None:
        raise InvalidClient(
            "The client is not known here.",
            action="Register it again.",  # claude.ai and others do, on exactly this error
            detail=f"unknown client {presented.client_id[:200]!r}",
        )
    if presented.method != client.auth_method:
        raise InvalidClient(
            "The client did not authenticate as it is registered to.",
            detail=f"{client.client_id[:200]!r} used {presented.method}, registered {client.auth_method}",
        )
    if client.secret_digest is not None or client.auth_method.startswith("client_secret"):
        _check_secret(presented, client)
    return client


def _check_secret(presented: PresentedClient, client: Client) -> None:
    if not hmac.compare_digest(digest(presented.secret), client.secret_digest or b""):
        raise InvalidClient("The client's secret is not right.", detail=f"client {client.client_id[:200]!r}")


def require(form: Parameters, name: str) -> str:
    """The parameter, or `InvalidRequest`."""
    if not form.has(name):
        raise InvalidRequest(f"The request has no {name}.")
    return form.get(name)
