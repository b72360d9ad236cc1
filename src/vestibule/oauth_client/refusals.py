"""What another server's refusal means for us, whichever server it is.

SIGN_IN    only the person can help, by being there
DENIED     the person, or a rule about the person, said no
GRANT      the code or the refresh token is no good (any more)
OPERATOR   our configuration there is wrong: nobody can sign in until somebody corrects it
LATER      another try may help
STRANGE    none of the protocol's answers
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Meaning(Enum):
    SIGN_IN = auto()
    DENIED = auto()
    GRANT = auto()
    OPERATOR = auto()
    LATER = auto()
    STRANGE = auto()


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, understood. `hint` tells the operator what to do, in our log."""

    meaning: Meaning
    hint: str = ""


_MEANINGS: Mapping[str, Meaning] = {
    **dict.fromkeys(
        # OpenID Connect Core §3.1.2.6
        ("login_required", "consent_required", "interaction_required", "account_selection_required"),
        Meaning.SIGN_IN,
    ),
    "access_denied": Meaning.DENIED,
    "invalid_grant": Meaning.GRANT,
    **dict.fromkeys(
        # RFC 6749 §4.1.2.1, §5.2
        "invalid_client unauthorized_client invalid_request invalid_scope unsupported_response_type "
        "unsupported_grant_type".split(),
        Meaning.OPERATOR,
    ),
    **dict.fromkeys(("temporarily_unavailable", "server_error", "slow_down"), Meaning.LATER),
}


def meaning_of(error: str) -> Refused:
    """Of an `error` of RFC 6749 §4.1.2.1 or §5.2, or of OpenID Connect Core §3.1.2.6."""
    return Refused(_MEANINGS.get(error, Meaning.STRANGE))
