"""The development sign-in: whoever is at this computer says who they are.

No password, so loopback only: the configuration refuses it anywhere else, and so does this class. It behaves like any
other provider (state in, code out, redeemed once) so that the flow around it is the one that production runs. Its page
belongs to `web`; the code is sealed by our own key ring and is bound to the state that it answers.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import msgspec

from vestibule.errors import PageError, ProviderSignInNeeded
from vestibule.model import Identity, ProviderTokens, SignedIn, digest
from vestibule.ports import Clock, Sealer, SignInRequest
from vestibule.protocol.registration import clean_name

PURPOSE = "development-sign-in"
CODE_LIFETIME = timedelta(seconds=60)
MAX_PERSON = 100


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the page offers."""

    login: str
    name: str
    email: str


SAMPLE_PEOPLE = (
    Person("ada", "Ada Lovelace", "ada@example.com"),
    Person("grace", "Grace Hopper", "grace@example.com"),
    Person("alan", "Alan Turing", "alan@example.com"),
)


class _Code(msgspec.Struct, array_like=True):
    login: str
    name: str
    email: str
    expires_at: int


class DevelopmentProvider:
    """Built in; for loopback."""

    def __init__(
        self,
        *,
        name: str,
        public_url: str,
        is_loopback: bool,
        sealer: Sealer,
        clock: Clock,
        people: Sequence[Person] = SAMPLE_PEOPLE,
    ) -> None:
        if not is_loopback:
            raise ValueError("the development sign-in is for loopback only")
        self.name = name
        self.title = "Development sign-in"
        self.people = tuple(people)
        self._public_url = public_url
        self._sealer = sealer
        self._clock = clock

    async def begin(self, request: SignInRequest) -> str:
        return f"{self._public_url}/development/sign-in?{urlencode({'provider': self.name, 'state': request.state})}"

    def person(self, login: str, name: str = "") -> Person | None:
        """Who was picked or typed: one of the list, or a name made up on the spot."""
        login = clean_name(login)
        if not login or len(login) > MAX_PERSON:
            return None
        known = next((person for person in self.people if person.login == login), None)
        email = login if login.count("@") == 1 else f"{login.replace('@', '').replace(' ', '.').lower()}@example.com"
        return known or Person(login, clean_name(name) or login, email)

    def callback_url(self, person: Person, state: str) -> str:
        """Where the page sends the browser: our own callback, with a code only this key ring can have made."""
        expires_at = int((self._clock() + CODE_LIFETIME).timestamp())
        code = msgspec.json.encode(_Code(person.login, person.name, person.email, expires_at))
        sealed = self._sealer.seal(PURPOSE, code, context=digest(state))
        query = urlencode({"code": base64.urlsafe_b64encode(sealed).decode(), "state": state})
        return f"{self._public_url}/callback/{self.name}?{query}"

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        try:
            sealed = base64.b64decode(answer.get("code", ""), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            sealed = b""
        opened = self._sealer.open(PURPOSE, sealed, context=digest(request.state))
        if opened is None:
            raise self._refused("the code was not made here for this sign-in")
        code = msgspec.json.decode(opened, type=_Code)
        if self._clock().timestamp() > code.expires_at:
            raise self._refused("the code has expired")
        identity = Identity(
            issuer=f"{self._public_url}/development",
            subject=code.login,
            provider=self.name,
            name=code.name,
            email=code.email,
        )
        return SignedIn(identity)

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        raise ProviderSignInNeeded("The development sign-in gives no tokens.", action="Use a real identity provider.")

    async def revoke(self, tokens: ProviderTokens) -> None:
        """It gives none."""

    async def ping(self) -> None:
        """It is in this process."""

    @staticmethod
    def _refused(detail: str) -> PageError:
        return PageError(
            "This development sign-in cannot be accepted.",
            action="Go back to the application and start again.",
            detail=detail,
        )
