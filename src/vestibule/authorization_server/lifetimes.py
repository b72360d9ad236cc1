"""How long things live, and for which client.

The numbers come from the configuration. Some clients refresh only when somebody clicks; longer access tokens for them
are safe, because revoking one works at once. A refresh token lives on with each use, a grant ends when it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from vestibule.model import Client


@dataclass(frozen=True, slots=True)
class Lifetimes:
    request: timedelta = timedelta(minutes=10)
    code: timedelta = timedelta(seconds=60)
    access_token: timedelta = timedelta(minutes=10)
    refresh_token: timedelta = timedelta(days=30)  # from its last use
    refresh_grace: timedelta = timedelta(seconds=45)
    grant: timedelta | None = timedelta(days=400)  # from the sign-in, however often it is used; None: until revoked
    session: timedelta = timedelta(hours=8)
    pushed_request: timedelta = timedelta(seconds=90)
    device_request: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class LifetimeRule:
    """Other lifetimes for the clients that this names, by id or by where their sign-ins return to."""

    client_ids: tuple[str, ...] = ()
    redirect_hosts: tuple[str, ...] = ()
    access_token: timedelta | None = None
    refresh_token: timedelta | None = None
    grant: timedelta | None = None

    def fits(self, client: Client) -> bool:
        """A client that returns anywhere else too, or gets tokens without returning, is not the one that is meant:
        whoever registers itself says where."""
        if client.client_id in self.client_ids:
            return True
        if not {*client.grant_types} <= {"authorization_code", "refresh_token"}:
            return False
        places = [urlsplit(uri) for uri in client.redirect_uris]
        return bool(places) and all(one.scheme == "https" and one.hostname in self.redirect_hosts for one in places)


def lifetimes_for(client: Client, lifetimes: Lifetimes, rules: Sequence[LifetimeRule]) -> Lifetimes:
    """Those of the first rule that fits, and the usual ones for what it leaves out."""
    rule = next((rule for rule in rules if rule.fits(client)), None)
    if rule is None:
        return lifetimes
    return replace(
        lifetimes,
        access_token=rule.access_token or lifetimes.access_token,
        refresh_token=rule.refresh_token or lifetimes.refresh_token,
        grant=rule.grant or lifetimes.grant,
    )


def longest_access_token(lifetimes: Lifetimes, rules: Sequence[LifetimeRule]) -> timedelta:
    """After this, no access token that exists now is alive."""
    return max([lifetimes.access_token, *(rule.access_token for rule in rules if rule.access_token is not None)])


def capped(moment: datetime, end: datetime | None) -> datetime:
    return moment if end is None else min(moment, end)
