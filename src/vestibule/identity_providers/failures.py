"""The errors of one provider: what the person reads, and what only the log tells the operator."""

from dataclasses import dataclass

from vestibule.errors import AccessDenied, IdentityProviderUnavailable, PageError, ProviderSignInNeeded, VestibuleError
from vestibule.oauth_client.refusals import Meaning, Refused

_START_AGAIN = "Go back to the application and start again."


@dataclass(frozen=True, slots=True)
class Failures:
    """Made with the provider's name in the configuration and its title for people."""

    name: str
    title: str

    def not_acceptable(self, detail: str) -> PageError:
        return PageError(
            f"The answer of {self.title} could not be accepted, so nobody was signed in.",
            action=f"{_START_AGAIN} If it happens again, tell the operator the request id.",
            detail=f"{self.name}: {detail}",
            status=502,
            error="server_error",
        )

    def unavailable(self, detail: str) -> IdentityProviderUnavailable:
        return IdentityProviderUnavailable(
            f"{self.title} cannot be reached right now.",
            action="Try again in a minute. People who are signed in already are not affected.",
            detail=f"{self.name}: {detail}",
        )

    def denied(self, detail: str, *, because: str = "") -> AccessDenied:
        """`because`: for the person; the client reads it as well."""
        return AccessDenied(because or f"{self.title} did not sign the person in.", detail=f"{self.name}: {detail}")

    def sign_in_needed(self, detail: str) -> ProviderSignInNeeded:
        return ProviderSignInNeeded(
            f"{self.title} wants to see you again.", action="Sign in again.", detail=f"{self.name}: {detail}"
        )

    def of_sign_in(self, refused: Refused, text: str) -> VestibuleError:
        """What a refusal becomes while the person is at the browser."""
        detail = _with_hint(refused, text)
        match refused.meaning:
            case Meaning.SIGN_IN | Meaning.DENIED:
                return self.denied(detail)
            case Meaning.LATER:
                return self.unavailable(detail)
            case _:
                return self.not_acceptable(detail)

    def of_refresh(self, refused: Refused, text: str) -> VestibuleError:
        """What a refusal becomes when nobody is there: the refresh token is still good unless the provider says so."""
        detail = _with_hint(refused, text)
        match refused.meaning:
            case Meaning.SIGN_IN | Meaning.DENIED | Meaning.GRANT:
                return self.sign_in_needed(detail)
            case _:
                return self.unavailable(detail)


def _with_hint(refused: Refused, text: str) -> str:
    return f"{text}: {refused.hint}" if refused.hint else text
