"""Who tells us who someone is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from vestibule.model import ProviderTokens, SignedIn


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """What a provider needs to send a browser on its way. All of it is ours; nothing of the client's passes."""

    state: str
    nonce: str
    code_verifier: str
    callback_url: str
    prompt: frozenset[str] = frozenset()
    login_hint: str = ""
    max_age: int | None = None


class IdentityProvider(Protocol):
    """Who tells us who someone is."""

    @property
    def name(self) -> str:
        """Its name in the configuration and in /callback/{provider}."""

    @property
    def title(self) -> str:
        """What the button says."""

    async def begin(self, request: SignInRequest) -> str:
        """The URL to send the browser to. Raises `IdentityProviderUnavailable`."""

    async def finish(self, answer: Mapping[str, str], request: SignInRequest) -> SignedIn:
        """The identity behind the callback's query, after every check the protocol has, and the provider's tokens.

        Raises `PageError` (the answer is not acceptable; nobody is signed in), `AccessDenied` (the person or the
        provider said no) or `IdentityProviderUnavailable`.
        """

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        """Newer tokens; what the answer leaves out is kept from the old ones.

        Raises `ProviderSignInNeeded` when only the person can help (the refresh token has ended, or there is none), and
        `IdentityProviderUnavailable` when another try may: then the old refresh token is still good.
        """

    async def revoke(self, tokens: ProviderTokens) -> None:
        """Tell the provider that we need them no more, where it has a way to be told. Never raises: best effort."""

    async def ping(self) -> None:
        """Raises `IdentityProviderUnavailable` when it cannot be reached."""
