"""What GitHub's API says about a person. There is no ID token: these documents come for the person's access token."""

from collections.abc import Mapping, Sequence
from typing import Any

from vestibule.protocol.claims import plain_email


class UnreadablePerson(ValueError):
    """The document is not about a person. The text is for our log."""


def subject_of(user: Mapping[str, Any]) -> str:
    """The number that stays when somebody changes the login, which another person may take then."""
    number = user.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise UnreadablePerson("/user has no id")
    return str(number)


def email_of(emails: Sequence[Any]) -> str:
    """The address that is primary and verified, or none.

    Anybody can add anybody's address to their account, where it stays unverified; and one that is verified but
    secondary may be of a former employer.
    """
    for one in emails:
        if isinstance(one, dict) and one.get("primary") is True and one.get("verified") is True:
            address = one.get("email")
            return plain_email(address) if isinstance(address, str) else ""
    return ""


def organizations_of(orgs: Sequence[Any]) -> tuple[str, ...]:
    """Logins in lower case: GitHub compares them so."""
    return tuple(one["login"].lower() for one in orgs if isinstance(one, dict) and isinstance(one.get("login"), str))


def teams_of(teams: Sequence[Any]) -> tuple[str, ...]:
    """organisation/team, in lower case."""
    return tuple(
        f"{one['organization']['login']}/{one['slug']}".lower()
        for one in teams
        if isinstance(one, dict)
        and isinstance(one.get("slug"), str)
        and isinstance(one.get("organization"), dict)
        and isinstance(one["organization"].get("login"), str)
    )
