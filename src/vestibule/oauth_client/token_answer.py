"""Reading a token endpoint's answer (RFC 6749 §5; OpenID Connect Core §3.1.3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from vestibule.protocol.json_body import UnreadableJson, read_object

MAX_LIFETIME = timedelta(days=3650)
MAX_SHOWN = 300  # characters of somebody else's text in our log


class AnswerError(ValueError):
    """The other server's answer is not tokens. The text is for our log.

    `error` is its RFC 6749 §5.2 code, when it has one; `document` the whole answer, for those who know more members.
    """

    def __init__(self, text: str, *, error: str = "", document: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.error = error
        self.document = document or {}


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """A token response. What is empty was not in it."""

    access_token: str = field(repr=False)
    id_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in: timedelta | None = None  # of the access token
    scopes: tuple[str, ...] | None = None

    def expires_at(self, now: datetime) -> datetime | None:
        return None if self.expires_in is None else now + self.expires_in


def read_token_answer(status: int, body: bytes) -> TokenAnswer:
    """Raises `AnswerError`, also for the 200 with an `error` in it that GitHub sends."""
    try:
        answer = read_object(body)
    except UnreadableJson as error:
        raise AnswerError(f"token endpoint answered {status}: {error}{_looks_like(body)}") from error
    if status != 200 or "error" in answer:
        raise _refusal(status, answer)
    if str(answer.get("token_type", "")).lower() != "bearer":
        raise AnswerError(f"token_type is {str(answer.get('token_type'))[:40]!r}", document=answer)
    access_token = answer.get("access_token")
    if not isinstance(access_token, str) or not access_token:
        raise AnswerError("the answer has no access_token", document=answer)
    return TokenAnswer(
        access_token,
        _text(answer, "id_token"),
        _text(answer, "refresh_token"),
        _lifetime(answer.get("expires_in")),
        _scopes(answer.get("scope")),
    )


def _refusal(status: int, answer: Mapping[str, Any]) -> AnswerError:
    error, description = _text(answer, "error")[:100], _text(answer, "error_description")[:MAX_SHOWN]
    told = f" ({description!r})" if description else ""
    return AnswerError(f"token endpoint answered {status} {error!r}{told}", error=error, document=answer)


def _looks_like(body: bytes) -> str:
    return " It looks like a page (HTML)." if body.lstrip()[:1] == b"<" else ""


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""


def _lifetime(value: Any) -> timedelta | None:
    """Seconds, as a number or (Entra v1, some proxies) as digits in a string."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12:
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
        return None
    return timedelta(seconds=min(value, MAX_LIFETIME.total_seconds()))


def _scopes(value: Any) -> tuple[str, ...] | None:
    """Separated by spaces, or by commas as GitHub does."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else None
