"""What the authorization server promises about grants and their tokens, as a few rules over plain values.

No I/O, and nothing of the product: times are UTC, the numbers are those of the documentation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

CODE = timedelta(seconds=60)
CODE_REMEMBERED = timedelta(hours=1)  # after its end, so that a replay is known as one
ACCESS = timedelta(minutes=10)
REFRESH = timedelta(days=30)
GRACE = timedelta(seconds=45)
SESSION = timedelta(hours=8)

HABITS = frozenset({"offline_access", "openid"})  # asked for by many, granted to nobody


class Answer(Enum):
    NEW = "a new successor"
    SAME = "the same successor again"
    REUSE = "the family ends"
    UNKNOWN = "invalid_grant"
    OTHER_RESOURCE = "invalid_target"
    WIDER = "invalid_scope"


ERRORS = {Answer.REUSE: "invalid_grant"} | {
    answer: answer.value for answer in (Answer.UNKNOWN, Answer.OTHER_RESOURCE, Answer.WIDER)
}


@dataclass(eq=False)
class GrantModel:
    grant_id: str
    client_id: str
    resource: str
    scopes: tuple[str, ...]
    revoked: bool = False


@dataclass(eq=False)
class CodeModel:
    value: str = field(repr=False)
    grant: GrantModel
    verifier: str = field(repr=False)
    redirect_uri: str
    expires_at: datetime
    redeemed: bool = False
    forgotten: bool = False

    def judge(self, now: datetime) -> Answer:
        """What a redemption with every proof gets."""
        if self.forgotten:
            return Answer.UNKNOWN
        if self.redeemed:
            return Answer.REUSE
        if self.grant.revoked or self.expires_at <= now:
            return Answer.UNKNOWN
        return Answer.NEW


@dataclass(eq=False)
class LinkModel:
    """A refresh token. `value` is empty while only the server knows it: the answer with it was lost."""

    grant: GrantModel
    expires_at: datetime
    value: str = field(default="", repr=False)
    spent_at: datetime | None = None
    successor: "LinkModel | None" = None
    forgotten: bool = False

    def judge(self, now: datetime, *, client_id: str, scopes: Iterable[str], resources: Iterable[str]) -> Answer:
        if self.forgotten or self.expires_at <= now or client_id != self.grant.client_id or self.grant.revoked:
            return Answer.UNKNOWN
        if set(resources) - {self.grant.resource}:
            return Answer.OTHER_RESOURCE
        if set(scopes) - HABITS - set(self.grant.scopes):
            return Answer.WIDER
        if self.spent_at is None:
            return Answer.NEW
        assert self.successor is not None
        if now - self.spent_at <= GRACE and self.successor.spent_at is None:
            return Answer.SAME
        return Answer.REUSE

    def spend(self, now: datetime) -> "LinkModel":
        self.spent_at = now
        self.successor = LinkModel(self.grant, now + REFRESH)
        return self.successor


@dataclass(eq=False)
class AccessModel:
    value: str = field(repr=False)
    grant: GrantModel
    scopes: frozenset[str]
    expires_at: datetime
    token_id: str = ""
    revoked: bool = False

    @property
    def is_dead(self) -> bool:
        return self.revoked or self.grant.revoked


@dataclass(eq=False)
class Issued:
    """One answer of /token."""

    access: AccessModel
    link: LinkModel


@dataclass
class PersonModel:
    session_until: datetime | None = None
    approved: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)  # (client, resource) → scopes

    def asked(
        self, now: datetime, client_id: str, resource: str, scopes: Iterable[str], *, is_public: bool
    ) -> list[str]:
        """What a person is asked on the way to a code.

        A public client on loopback may be any program: always a click.
        """
        if self.session_until is None or self.session_until <= now:
            return ["consent", "sign-in"]
        if is_public:
            return ["consent"]
        return [] if self.approved.get((client_id, resource), frozenset()) >= set(scopes) else ["consent"]

    def approve(self, client_id: str, resource: str, scopes: Iterable[str]) -> None:
        known = self.approved.get((client_id, resource), frozenset())
        self.approved[client_id, resource] = known | frozenset(scopes)


def refreshed_scopes(asked: Iterable[str], grant: GrantModel) -> frozenset[str]:
    return frozenset(asked) - HABITS or frozenset(grant.scopes)
