"""The authorization code flow, seen from the client: the URL to open, and the form that redeems the code."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from vestibule.protocol.pkce import challenge_of


def authorization_url(
    endpoint: str,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Sequence[str],
    state: str,
    code_verifier: str,
    nonce: str = "",
    extra: Mapping[str, str] | None = None,
) -> str:
    """OpenID Connect Core §3.1.2.1 with PKCE S256. Only the challenge is in the URL, never the verifier.

    `nonce`: empty where there is no ID token to put it into (GitHub).
    """
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        **({"nonce": nonce} if nonce else {}),
        "code_challenge": challenge_of(code_verifier),
        "code_challenge_method": "S256",
        **(extra or {}),
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query, quote_via=quote)}"


def code_form(*, code: str, redirect_uri: str, code_verifier: str) -> dict[str, str]:
    """RFC 6749 §4.1.3 with PKCE. Who we are is added by `client_authentication`."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": code_verifier,
    }


def refresh_form(*, refresh_token: str) -> dict[str, str]:
    """RFC 6749 §6. Without `scope`: the same as before."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def revocation_form(*, token: str, hint: str) -> dict[str, str]:
    """RFC 7009 §2.1. `hint`: access_token or refresh_token."""
    return {"token": token, "token_type_hint": hint}
