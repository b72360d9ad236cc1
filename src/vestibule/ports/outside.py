"""The way out: documents of strangers, and the services that the operator named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """What a guarded GET brought: status 200 only, the body capped."""

    url: str
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class DocumentFetcher(Protocol):
    """The guarded GET for every URL that a stranger can steer."""

    async def fetch(self, url: str, *, cap: int) -> FetchedDocument:
        """At most `cap` bytes of a 200 answer, within five seconds in all, over verified https.

        Raises `FetchRefused` or `FetchError`, with one message for all causes: the caller may be a stranger's agent.
        """


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient(Protocol):
    """The plain client for URLs of the operator's configuration (identity providers)."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer: ...

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """Raises `FetchError`. Never retried: a form may carry a one-time code."""

    async def send_json(
        self, method: str, url: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> HttpAnswer:
        """POST, PUT, PATCH or DELETE with a JSON body. Raises `FetchError`. Never retried."""
