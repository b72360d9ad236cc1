"""The authorization code flow, seen from the client: the URL to open, the answer, the redemption."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlencode

from vestibule.model import Secret
from vestibule.protocol.json_body import UnreadableJson, read_object
from vestibule.protocol.pkce import challenge_of


class AnswerError(ValueError):
    """The other server's answer is not one of the protocol. The text is for our log."""


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


def authorization_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    nonce: str,
    code_verifier: str,
    extra: Mapping[str, str] | None = None,
) -> str:
    """OpenID Connect Core §3.1.2.1 with PKCE S256. Only the challenge is in the URL, never the verifier."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(code_verifier),
        "code_challenge_method": "S256",
        **(extra or {}),
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query, quote_via=quote)}"


def token_request(
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    client_id: str,
    client_secret: Secret | None,
    auth_methods: Sequence[str],
) -> tuple[dict[str, str], dict[str, str]]:
    """The form and the headers that redeem a code, authenticated as the provider's metadata allows."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }
    if client_secret is None:
        return {**form, "client_id": client_id}, {}
    if "client_secret_basic" in auth_methods or "client_secret_post" not in auth_methods:
        # RFC 6749 §2.3.1: both parts are form-encoded before base64.
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
        return form, {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {**form, "client_id": client_id, "client_secret": client_secret.reveal()}, {}


def read_token_answer(status: int, body: bytes) -> TokenAnswer:
    """Raises `AnswerError`."""
    try:
        answer = read_object(body)
    except UnreadableJson as error:
        raise AnswerError(f"token endpoint answered {status}: {error}") from error
    if status != 200:
        raise AnswerError(f"token endpoint answered {status} {str(answer.get('error'))[:100]!r}")
    if str(answer.get("token_type", "")).lower() != "bearer":
        raise AnswerError(f"token_type is {str(answer.get('token_type'))[:40]!r}")
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str):
        raise AnswerError("the answer has no id_token or no access_token")
    refresh_token = answer.get("refresh_token")
    return TokenAnswer(access_token, id_token, refresh_token if isinstance(refresh_token, str) else "")
