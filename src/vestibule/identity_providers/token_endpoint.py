"""Asking a provider's token endpoint, authenticated; and what its answer is worth to us."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from vestibule.errors import FetchError
from vestibule.identity_providers.authentication import ClientAuthentication
from vestibule.model import ProviderTokens
from vestibule.oauth_client.token_answer import TokenAnswer, read_token_answer
from vestibule.ports import HttpAnswer, HttpClient


async def ask(
    http: HttpClient,
    authentication: ClientAuthentication,
    endpoint: str,
    form: Mapping[str, str],
    *,
    auth_methods: Sequence[str],
) -> TokenAnswer:
    """Raises `AnswerError` when the provider refuses, and `FetchError` when another try may help."""
    answer = await post(http, authentication, endpoint, form, auth_methods=auth_methods)
    if answer.status >= 500 or answer.status == 429:
        raise FetchError("No answer came.", detail=f"token endpoint answered {answer.status}")
    return read_token_answer(answer.status, answer.body)


async def post(
    http: HttpClient,
    authentication: ClientAuthentication,
    endpoint: str,
    form: Mapping[str, str],
    *,
    auth_methods: Sequence[str],
) -> HttpAnswer:
    """Raises `FetchError`."""
    signed, headers = await authentication.apply(form, endpoint=endpoint, auth_methods=auth_methods)
    return await http.post_form(endpoint, signed, headers={"Accept": "application/json", **headers})


def to_keep(
    provider: str, answer: TokenAnswer, *, now: datetime, asked: Sequence[str], old: ProviderTokens | None = None
) -> ProviderTokens:
    """What we keep of an answer. RFC 6749 §5.1, §6: a scope that is not named is the one asked for, and a refresh token
    that is not replaced goes on."""
    return ProviderTokens(
        provider=provider,
        access_token=answer.access_token,
        refresh_token=answer.refresh_token or (old.refresh_token if old else ""),
        expires_at=answer.expires_at(now),
        scopes=answer.scopes if answer.scopes is not None else (old.scopes if old else tuple(asked)),
    )
