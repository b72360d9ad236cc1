"""What each page shows, as values. Everything that a stranger wrote is text here and is escaped when it is rendered."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ScopeLine:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Button:
    provider: str
    label: str


@dataclass(frozen=True, slots=True)
class ConsentView:
    """Who asks, for what, where it leads, and as whom."""

    txn: str = field(repr=False)
    csrf: str = field(repr=False)
    client_name: str
    client_claim: str  # what is known of the client: the host of its document, or that it registered itself
    is_verified_host: bool
    redirect_host: str
    is_loopback: bool
    resource_title: str
    resource_url: str
    scopes: tuple[ScopeLine, ...]
    account: str  # empty: nobody is signed in yet
    tenant: str
    buttons: tuple[Button, ...]
    form_action: tuple[str, ...] = ()  # origins that the answer to the form may redirect to
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonView:
    login: str
    name: str
    email: str

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper() or "?"


@dataclass(frozen=True, slots=True)
class DevelopmentView:
    provider: str
    state: str = field(repr=False)
    csrf: str = field(repr=False)
    people: tuple[PersonView, ...]


@dataclass(frozen=True, slots=True)
class ErrorView:
    message: str
    action: str
    request_id: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class ServerLine:
    title: str
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class HomeView:
    servers: tuple[ServerLine, ...]
    issuer: str
    account: str = ""
