"""What each page shows, as values. Everything that a stranger wrote is text here and is escaped when it is rendered."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ScopeLine:
    name: str
    text: str
    is_new: bool = True  # this person has not let this client use it before


@dataclass(frozen=True, slots=True)
class Button:
    provider: str
    label: str


@dataclass(frozen=True, slots=True)
class ConsentView:
    """Who asks, for what, where it leads, and as whom."""

    txn: str = field(repr=False)
    csrf: str = field(repr=False)
    account_tag: str = field(repr=False)
    client_name: str
    client_claim: str  # what is known of the client: the host of its document, or that it registered itself
    is_verified_host: bool
    redirect_host: str
    is_loopback: bool
    resource_title: str
    resource_url: str
    scopes: tuple[ScopeLine, ...]
    account: str  # empty: nobody is signed in yet
    tenant: str  # empty: known when they have signed in
    button: str
    logo: str = field(default="", repr=False)  # a data: URI
    is_loopback_only: bool = False  # the client returns to programs on this computer and nowhere else
    user_code: str = field(default="", repr=False)  # what the device shows that asks; empty: no device
    form_action: tuple[str, ...] = ()  # origins that the answer to the form may redirect to
    refused_at: datetime | None = None

    @property
    def new_scopes(self) -> tuple[ScopeLine, ...]:
        return tuple(scope for scope in self.scopes if scope.is_new)

    @property
    def known_scopes(self) -> tuple[ScopeLine, ...]:
        return tuple(scope for scope in self.scopes if not scope.is_new)


@dataclass(frozen=True, slots=True)
class ChooserView:
    """How one may sign in."""

    txn: str = field(repr=False)
    csrf: str = field(repr=False)
    client_name: str  # empty: it is for our own pages
    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class DeviceView:
    csrf: str = field(repr=False)
    user_code: str = field(default="", repr=False)
    done: str = ""  # approved, refused
    problem: str = ""  # what was wrong with the code that was typed


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """One client at one server."""

    connection_id: str
    client_name: str
    client_id: str
    resource_title: str
    resource_url: str
    scopes: tuple[str, ...]
    since: datetime
    last_used_at: datetime | None
    is_refused: bool
    is_waiting: bool  # allowed, and nothing is out


@dataclass(frozen=True, slots=True)
class AccountView:
    account: str = ""  # empty: nobody is signed in
    signed_in_at: datetime | None = None
    csrf: str = field(default="", repr=False)
    connections: tuple[ConnectionLine, ...] = ()


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
