"""What the browser endpoints answer, before anybody knows HTTP frameworks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vestibule.errors import Allowance


class CookieName(StrEnum):
    """The four cookies of docs: on https each is `__Host-vestibule_…`."""

    CONSENT = "consent"  # this browser asked: binds a request and its consent page to it
    CSRF = "csrf"  # the form came from our page in this browser
    SIGN_IN = "signin"  # this browser approved: the callback must come from it
    SESSION = "session"  # this browser is signed in


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie to set; `max_age` in seconds, 0 deletes it."""

    name: CookieName
    value: str = field(repr=False)
    max_age: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser on. `web` uses 303 after a POST and 302 otherwise."""

    url: str = field(repr=False)
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A JSON answer of a back-channel endpoint; always sent with Cache-Control: no-store."""

    body: Mapping[str, Any] = field(repr=False)
    status: int = 200
    allowance: Allowance | None = None  # what is left of the limit that this request counted in


@dataclass(frozen=True, slots=True)
class Browser:
    """What a browser showed us: the values of our cookies, and whether it only prefetches."""

    consent: str = field(default="", repr=False)
    csrf: str = field(default="", repr=False)
    sign_in: str = field(default="", repr=False)
    session: str = field(default="", repr=False)
    prefetches: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Of which request, and from where: for the audit trail."""

    request_id: str
    address: str
    actor: str = ""  # who acts, where it is nobody of the request: the operator at the command line
