"""Grants and their tokens against a model: every order of events that Hypothesis can think of.

Replicas redeem, refresh, replay, revoke, die between any two operations, get new keys and have their clocks set; after
each step the tokens are worth what the model says, on each of them. `make torture-as` runs it for longer.
"""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, rule

from tests.authorization_server.lineage_model import (
    REFRESH,
    Answer,
    CodeModel,
    Issued,
    LinkModel,
    refreshed_scopes,
)
from tests.authorization_server.lineage_steps import LineageSteps, redemption
from tests.support.replicas import CONTEXT, RESOURCES
from vestibule.authorization_server.endings import revoke_grant
from vestibule.keys import RootKey
from vestibule.model import Resource

SKEW = 15  # seconds that a clock may be wrong, each way: together half of the margin that revocations outlive tokens
KEY_RETIRES = 700.0  # seconds after which nothing is alive that an accepted key has sealed

SEATS = st.sampled_from([0, 1])
CALLERS = st.sampled_from([0, 1, 2])
PEOPLE = st.sampled_from(["ada", "grace"])
WANTED = st.sampled_from(["", "read", "write", "read write"])
WHICH = st.integers(0, 9)  # of the live lineages, counted from the newest
CHORES = st.sampled_from(
    [
        "nothing",
        "a replica restarts",
        "all restart",
        "a replica looks",
        "a minute without a look",
        "a sweep",
        "the keys change",
        "the keys change",
        "the keys change twice",
    ]
)
ASKED = st.sampled_from(["", "", "read", "write", "read write", "write read admin", "offline_access", "read openid"])
TARGETS = st.sampled_from([(), (), (RESOURCES[0].identifier,), (RESOURCES[1].identifier,)])
# On the edges of every lifetime, a second to each side, and far beyond; the short ones often.
SECONDS = st.one_of(
    st.sampled_from([1, 5, 44, 45, 46, 59, 60, 61]),
    st.sampled_from([120, 599, 600, 601, 720, 3661, 8 * 3600, 30 * 86400 - 1]),
)


PROOFS = ("code_verifier", "redirect_uri", "resource", "client")


def given(issued: Issued | None) -> Any:
    """For a bundle: what was given, if anything was."""
    return multiple() if issued is None else issued


class Lineages(LineageSteps):
    codes: Bundle[CodeModel] = Bundle("codes")
    issued: Bundle[Issued] = Bundle("issued")

    # --- from a client to its tokens --------------------------------------------------------------------------------

    @initialize(target=issued)
    def somebody_is_signed_in(self) -> Any:
        code = self.authorize_as(self.callers[0], "ada", self.seats[0], RESOURCES[0], "")
        return given(self.redeem_code(code, self.seats[0]))

    @initialize(target=codes)
    def a_code(self) -> CodeModel:
        return self.authorize_as(self.callers[0], "ada", self.seats[0], RESOURCES[0], "")

    @rule(
        target=codes,
        caller=CALLERS,
        login=PEOPLE,
        at=SEATS,
        resource=st.sampled_from(RESOURCES),
        scope=WANTED,
        port=st.sampled_from(["", ":7777", ":8888"]),
        seconds=st.sampled_from([0, 0, 0, 0, 0, 8 * 3600]),
    )
    def authorize(
        self, caller: int, login: str, at: int, resource: Resource, scope: str, port: str, seconds: int
    ) -> CodeModel:
        self.time_passes(seconds)
        return self.authorize_as(self.callers[caller], login, self.seats[at], resource, scope, port)

    @rule(
        target=issued,
        caller=CALLERS,
        login=PEOPLE,
        at=SEATS,
        scope=WANTED,
        seconds=st.sampled_from([0, 0, 0, 59, 60]),
        wrong=st.sampled_from([None, *PROOFS]),
    )
    def sign_in(self, caller: int, login: str, at: int, scope: str, seconds: int, wrong: str | None) -> Any:
        """All the way; perhaps somebody who has only seen the code tries it first."""
        code = self.authorize_as(self.callers[caller], login, self.seats[at], RESOURCES[0], scope)
        self.time_passes(seconds)
        if wrong is not None:
            self.redeem_without(wrong, code, self.seats[at])
        return given(self.redeem_code(code, self.seats[1 - at]))

    @rule(target=issued, code=codes, at=SEATS)
    def redeem(self, code: CodeModel, at: int) -> Any:
        """For the first time, or again."""
        return given(self.redeem_code(code, self.seats[at]))

    @rule(code=codes, at=SEATS)
    def redeem_without_proof(self, code: CodeModel, at: int) -> None:
        for wrong in PROOFS:
            self.redeem_without(wrong, code, self.seats[at])

    @rule(code=codes)
    def redeem_twice_at_once(self, code: CodeModel) -> None:
        """At most one of them gets tokens, and whatever it got is dead: the other has proven that the code leaked."""
        verdict, caller = code.judge(self.time.wall()), self.caller_of(code.grant)

        async def both() -> list[dict[str, Any] | str]:
            asks = [seat.replica.ask_token(caller, **redemption(code)) for seat in self.seats]
            return await asyncio.gather(*asks)

        replies = self.run(both())
        given = [reply for reply in replies if isinstance(reply, dict)]
        assert len(given) <= (verdict is Answer.NEW), replies
        if verdict is not Answer.UNKNOWN:
            code.redeemed = True
            self.adopt(code.grant)
            assert code.grant.revoked
        if given:
            for seat in self.seats:
                self.look(seat)
            link = LinkModel(code.grant, self.time.wall() + REFRESH)
            self.links.append(link)
            self.issue(given[0], link, frozenset(code.grant.scopes), self.seats[0].replica)
            assert self.judge(link) is Answer.UNKNOWN

    # --- refreshing -------------------------------------------------------------------------------------------------

    @rule(target=issued, held=issued, at=SEATS, scope=ASKED, resources=TARGETS)
    def refresh(self, held: Issued, at: int, scope: str, resources: tuple[str, ...]) -> Any:
        """With the newest token of a grant, or with any older one."""
        return given(self.refresh_link(held.link, self.seats[at], scope, resources))

    @rule(target=issued, which=WHICH, at=SEATS, scope=ASKED)
    def refresh_the_newest(self, which: int, at: int, scope: str) -> Any:
        """After all that it must not give: another resource, and more than the person approved."""
        link, seat = self.live(which), self.seats[at]
        for resource in RESOURCES:
            if resource.identifier != link.grant.resource:
                self.refresh_link(link, seat, resources=(resource.identifier,))
        self.refresh_link(link, seat, scope=" ".join((*link.grant.scopes, "admin" if scope else "unheard-of")))
        return given(self.refresh_link(self.live(which), seat, scope))

    @rule(
        target=issued,
        which=WHICH,
        at=SEATS,
        seconds=st.sampled_from([0, 1, 44, 45, 46]),
        what=CHORES,
        ended=st.sampled_from([False, False, True]),
    )
    def refresh_and_again(self, which: int, at: int, seconds: int, what: str, ended: bool) -> Any:
        """The answer got lost, and the client asks again some time later, whatever has happened in between."""
        link = self.live(which)
        self.refresh_link(link, self.seats[at])
        self.time_passes(seconds)
        self.happens(at, what)
        if ended:
            self.run(revoke_grant(link.grant.grant_id, self.seats[at].replica.server, CONTEXT, reason="test"))
            self.revoke_in_model(link.grant, self.seats[at])
        return given(self.refresh_link(link, self.seats[1 - at]))

    @rule(which=WHICH, at=SEATS)
    def refresh_thrice(self, which: int, at: int) -> None:
        """A token whose successor has been used is not one whose answer got lost."""
        link = self.live(which)
        for presented in (link, link.successor, link):
            self.refresh_link(presented or link.successor or link, self.seats[at])

    @rule(held=issued, at=SEATS)
    def used_by_another_client(self, held: Issued, at: int) -> None:
        """A stolen token signs nobody in, and its owner not out; and who cannot use it cannot revoke it."""
        stranger, replica = self.stranger_to(held.link.grant), self.seats[at].replica
        form = {"grant_type": "refresh_token", "refresh_token": held.link.value}
        assert self.run(replica.ask_token(stranger, **form)) == "invalid_grant"
        for token in (held.link.value, held.access.value):
            self.run(replica.ask_revoke(stranger, token))

    @rule(target=issued, which=WHICH, count=st.integers(2, 5))
    def refresh_at_once(self, which: int, count: int) -> Any:
        """Several processes share a token: one new lineage, and all of them have it."""
        link = self.live(which)
        caller = self.caller_of(link.grant)
        form = {"grant_type": "refresh_token", "refresh_token": link.value}

        async def all_of_them() -> list[dict[str, Any] | str]:
            asks = (self.seats[number % 2].replica.ask_token(caller, **form) for number in range(count))
            return await asyncio.gather(*asks)

        replies = self.run(all_of_them())
        self.links.append(link.spend(self.time.wall()))
        assert link.successor is not None
        given = [
            self.issue(reply, link.successor, refreshed_scopes((), link.grant), self.seats[0].replica)
            for reply in replies
        ]
        return given[-1]

    # --- revoking ---------------------------------------------------------------------------------------------------

    @rule(held=issued, at=SEATS, what=st.sampled_from(["access token", "refresh token"]))
    def revoke(self, held: Issued, at: int, what: str) -> None:
        seat, caller = self.seats[at], self.caller_of(held.link.grant)
        if what == "access token":
            self.run(seat.replica.ask_revoke(caller, held.access.value))
            held.access.revoked = True
            seat.known.add(held.access.token_id)
        else:
            self.run(seat.replica.ask_revoke(caller, held.link.value))
            if not held.link.forgotten:
                self.revoke_in_model(held.link.grant, seat)

    @rule(code=codes, at=SEATS)
    def revoke_grant(self, code: CodeModel, at: int) -> None:
        """The operator, or the person, ends it; perhaps before its code was redeemed."""
        server = self.seats[at].replica.server
        revoked = self.run(revoke_grant(code.grant.grant_id, server, CONTEXT, reason="test"))
        assert revoked is not code.grant.revoked
        self.revoke_in_model(code.grant, self.seats[at])

    @rule(which=WHICH, at=SEATS)
    def revoke_while_it_is_refreshed(self, which: int, at: int) -> None:
        """Whoever is first: nothing that the refresh gave outlives the revocation."""
        link, seat, other = self.live(which), self.seats[at], self.seats[1 - at]
        form = {"grant_type": "refresh_token", "refresh_token": link.value}

        async def both() -> dict[str, Any] | str:
            revoking = revoke_grant(link.grant.grant_id, seat.replica.server, CONTEXT, reason="test")
            refreshing = other.replica.ask_token(self.caller_of(link.grant), **form)
            answers: tuple[dict[str, Any] | str, bool] = await asyncio.gather(refreshing, revoking)
            return answers[0]

        reply = self.run(both())
        assert isinstance(reply, dict) or reply == "invalid_grant"
        self.adopt(link.grant)
        assert link.grant.revoked
        seat.known.add(link.grant.grant_id)
        if isinstance(reply, dict):
            assert link.successor is not None
            assert link.successor.value in ("", reply["refresh_token"])
            link.successor.value = reply["refresh_token"]
            self.look(other)
            assert self.run(other.replica.admit(reply["access_token"], self.resource_of(link.grant))) == "TokenRevoked"

    # --- dying ------------------------------------------------------------------------------------------------------

    @rule(target=issued, which=WHICH, at=SEATS, operations=st.integers(0, 6))
    def dies_in_refreshing_and_is_asked_again(self, which: int, at: int, operations: int) -> Any:
        """A client whose answer was lost by a crash is not signed out by asking again."""
        link = self.live(which)
        form = {"grant_type": "refresh_token", "refresh_token": link.value}
        if self.dies(at, operations, self.caller_of(link.grant), form, link.grant):
            return given(self.refresh_link(link, self.seats[1 - at]))
        return multiple()

    @rule(code=codes, at=SEATS, operations=st.integers(0, 7))
    def dies_in_redeeming(self, code: CodeModel, at: int, operations: int) -> None:
        self.dies(at, operations, self.caller_of(code.grant), redemption(code), code.grant)

    @rule(held=issued, at=SEATS, operations=st.integers(0, 4))
    def dies_in_revoking(self, held: Issued, at: int, operations: int) -> None:
        """Once it was acknowledged it is so; before that, it may have been either."""
        if not self.dies(at, operations, self.caller_of(held.link.grant), {"token": held.link.value}, held.link.grant):
            assert held.link.grant.revoked or held.link.forgotten

    # --- time and keys ----------------------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        """And every replica looks at the feed, as it does each second."""
        self.time.passes(timedelta(seconds=seconds))
        for seat in self.seats:
            self.look(seat)

    @rule(offset=st.integers(-SKEW, SKEW))
    def the_clock_is_set(self, offset: int) -> None:
        self.time.is_set(offset)

    @rule(at=SEATS, what=CHORES)
    def happens(self, at: int, what: str) -> None:
        match what:
            case "a replica restarts":
                self.restart(at)
            case "all restart":
                self.restart_all()
            case "a replica looks":
                self.look(self.seats[at])
            case "a minute without a look":  # the store is away: nobody is admitted, a revocation may have been missed
                self.time.passes(timedelta(seconds=61))
            case "a sweep":
                self.run(self.seats[at].replica.store.housekeeping.sweep(now=self.time.wall()))
                self.swept()
            case "the keys change":
                self.change_keys(first=at)
            case "the keys change twice":
                self.change_keys(first=at)
                self.change_keys(first=at)

    def change_keys(self, first: int) -> None:
        """One step of a rotation: accepted everywhere, then active, then alone. One replica is rolled at a time."""
        for number, seat in enumerate(self.seats):
            if seat.keys is not self.keys:
                self.restart(number)
                return
        match self.keys:
            case (only,):
                self.keys = (only, RootKey(os.urandom(32), only.created_at + 1, "accepted"))
            case (old, RootKey(state="accepted") as new):
                self.keys = (RootKey(old.secret, old.created_at, "accepted"), RootKey(new.secret, new.created_at))
            case (_, new) if self.time.monotonic() - self.keys_settled_at > KEY_RETIRES:
                self.keys = (new,)
            case _:
                return
        self.restart(first)


CI = settings(max_examples=32, stateful_step_count=30)  # half a minute
CHOSEN = settings.get_profile("torture") if settings.get_current_profile_name() == "torture" else CI

TestLineages = Lineages.TestCase
TestLineages.settings = settings(CHOSEN, deadline=None, suppress_health_check=list(HealthCheck))


# --- orders that chance finds too seldom ----------------------------------------------------------------------------


@pytest.fixture
def lineages() -> Iterator[Lineages]:
    machine = Lineages()
    yield machine
    machine.teardown()  # with its last checks


def test_a_revocation_outlives_tokens_from_a_clock_that_was_ahead(lineages: Lineages) -> None:
    lineages.the_clock_is_set(SKEW)
    link = lineages.live(0)
    lineages.the_clock_is_set(-SKEW)
    lineages.run(revoke_grant(link.grant.grant_id, lineages.seats[0].replica.server, CONTEXT, reason="test"))
    lineages.revoke_in_model(link.grant, lineages.seats[0])
    lineages.time_passes(600)  # the token has thirty seconds left, by the clock that is wrong now
    lineages.happens(0, "a sweep")
    lineages.happens(0, "all restart")
    lineages.tokens_are_worth_what_the_model_says()


def test_a_refresh_token_that_expired_in_its_grace_window_is_not_answered(lineages: Lineages) -> None:
    link = lineages.live(0)
    lineages.time_passes(30 * 86400 - 1)
    assert lineages.refresh_link(link, lineages.seats[0]) is not None
    lineages.time_passes(1)
    assert lineages.refresh_link(link, lineages.seats[1]) is None
    assert not link.grant.revoked
