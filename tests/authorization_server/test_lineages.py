"""Grants and their tokens against a model: every order of events that Hypothesis can think of.

Replicas redeem, refresh, replay, revoke, die between any two operations, get new keys and have their clocks set; after
each step the tokens are worth what the model says, on each of them. `make torture-as` runs it for longer.
"""

import asyncio
import os
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, precondition, rule

from tests.authorization_server.lineage_machine import REDIRECT, LineageMachine, Seat
from tests.authorization_server.lineage_model import (
    CODE,
    ERRORS,
    REFRESH,
    SESSION,
    Answer,
    CodeModel,
    GrantModel,
    Issued,
    LinkModel,
    refreshed_scopes,
)
from tests.support.replicas import CONTEXT, ISSUER, RESOURCES, SCOPES, Caller, Killed
from vestibule.keys import RootKey
from vestibule.model import Resource, digest
from vestibule.protocol.pkce import challenge_of

SKEW = 15  # seconds that a clock may be wrong, each way: together half of the margin that revocations outlive tokens
KEY_RETIRES = 700.0  # seconds after which nothing is alive that an accepted key has sealed

SEATS = st.sampled_from([0, 1])
PEOPLE = st.sampled_from(["ada", "grace"])
WANTED = st.sampled_from(["", "read", "read write"])
ASKED = st.sampled_from(["", "", "read", "write", "read write", "write read admin", "offline_access", "read openid"])
TARGETS = st.sampled_from([(), (), (RESOURCES[0].identifier,), (RESOURCES[1].identifier,)])
# On the edges of every lifetime, a second to each side, and far beyond; the short ones often.
SECONDS = st.one_of(
    st.sampled_from([1, 5, 44, 45, 46, 59, 60, 61]),
    st.sampled_from([120, 599, 600, 601, 720, 3661, 8 * 3600, 31 * 86400]),
)


PROOFS = ("code_verifier", "redirect_uri", "resource", "client")


def has_tokens(machine: LineageMachine) -> bool:
    """Before that, nothing can go wrong by a crash, a clock or a key."""
    return bool(machine.links)


class Lineages(LineageMachine):
    clients: Bundle[Caller] = Bundle("clients")
    codes: Bundle[CodeModel] = Bundle("codes")
    issued: Bundle[Issued] = Bundle("issued")

    # --- from a client to its tokens --------------------------------------------------------------------------------

    @initialize(target=clients)
    def two_clients(self) -> Any:
        return multiple(self.register("none"), self.register("client_secret_basic"))

    @precondition(lambda self: len(self.callers) < 3)
    @rule(target=clients)
    def another_client(self) -> Caller:
        return self.register("client_secret_post")

    @rule(
        target=codes,
        caller=clients,
        login=PEOPLE,
        at=SEATS,
        resource=st.sampled_from(RESOURCES),
        scope=WANTED,
        port=st.sampled_from(["", ":7777", ":8888"]),
    )
    def authorize(self, caller: Caller, login: str, at: int, resource: Resource, scope: str, port: str) -> CodeModel:
        return self._authorize(caller, login, self.seats[at], resource, scope, port)

    @rule(target=issued, caller=clients, login=PEOPLE, at=SEATS, scope=WANTED, wrong=st.sampled_from([None, *PROOFS]))
    def sign_in(self, caller: Caller, login: str, at: int, scope: str, wrong: str | None) -> Any:
        """All the way; perhaps somebody who has only seen the code tries it first."""
        code = self._authorize(caller, login, self.seats[at], RESOURCES[0], scope)
        if wrong is not None:
            self._redeem_without(wrong, code, self.seats[at])
        return self._redeem(code, self.seats[1 - at])

    def _authorize(
        self, caller: Caller, login: str, seat: Seat, resource: Resource, scope: str, port: str = ""
    ) -> CodeModel:
        replica, now = seat.replica, self.time.wall()
        person, known = self.people[login]
        redirect_uri = REDIRECT.replace("127.0.0.1", f"127.0.0.1{port}")
        scopes = tuple(scope.split()) or SCOPES[resource.upstream.name]
        verifier = replica.server.token()
        query = {
            "response_type": "code",
            "client_id": caller.client_id,
            "redirect_uri": redirect_uri,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
            "state": "s",
            "resource": resource.identifier,
            "scope": scope,
        }
        code, asked = self.run(person.authorize(replica, f"{ISSUER}/authorize?{urlencode(query)}"))
        assert asked == known.asked(now, caller.client_id, resource.identifier, scopes)
        known.approve(caller.client_id, resource.identifier, scopes)
        if "sign-in" in asked:
            known.session_until = now + SESSION
        stored = self.run(replica.store.codes.get(digest(code)))
        assert stored is not None
        grant = GrantModel(stored.grant_id, caller.client_id, resource.identifier, scopes)
        self.grants.append(grant)
        self.codes_given.append(CodeModel(code, grant, verifier, redirect_uri, now + CODE))
        return self.codes_given[-1]

    @rule(target=issued, code=codes, at=SEATS)
    def redeem(self, code: CodeModel, at: int) -> Any:
        """For the first time, or again."""
        return self._redeem(code, self.seats[at])

    def _redeem(self, code: CodeModel, seat: Seat) -> Any:
        verdict = code.judge(self.time.wall())
        reply = self.run(seat.replica.ask_token(self.caller_of(code.grant), **redemption(code)))
        if verdict is not Answer.NEW:
            assert reply == "invalid_grant"
            if verdict is Answer.REUSE:
                self.revoke_in_model(code.grant, seat)
            return multiple()
        code.redeemed = True
        self.links.append(LinkModel(code.grant, self.time.wall() + REFRESH))
        return self.issue(reply, self.links[-1], frozenset(code.grant.scopes), seat.replica)

    @rule(code=codes, at=SEATS)
    def redeem_without_proof(self, code: CodeModel, at: int) -> None:
        for wrong in PROOFS:
            self._redeem_without(wrong, code, self.seats[at])

    def _redeem_without(self, wrong: str, code: CodeModel, seat: Seat) -> None:
        """It gets nothing, spends nothing and revokes nothing, whatever the state of the code."""
        caller = self.stranger_to(code.grant) if wrong == "client" else self.caller_of(code.grant)
        other = next(one.identifier for one in RESOURCES if one.identifier != code.grant.resource)
        form = redemption(code)
        if wrong != "client":
            form[wrong] = {"code_verifier": "x" * 43, "redirect_uri": f"{REDIRECT}/", "resource": other}[wrong]
        assert self.run(seat.replica.ask_token(caller, **form)) in ("invalid_grant", "invalid_target")

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
        return self._refresh(held.link, self.seats[at], scope, resources)

    @rule(target=issued, held=issued, at=SEATS)
    def refresh_plainly(self, held: Issued, at: int) -> Any:
        return self._refresh(held.link, self.seats[at])

    @rule(target=issued, held=issued, at=SEATS, seconds=st.sampled_from([1, 44, 45, 46]))
    def refresh_and_again(self, held: Issued, at: int, seconds: int) -> Any:
        """The answer got lost, and the client asks again some time later."""
        self._refresh(held.link, self.seats[at])
        self.time_passes(seconds)
        return self._refresh(held.link, self.seats[1 - at])

    def _refresh(self, link: LinkModel, seat: Seat, scope: str = "", resources: tuple[str, ...] = ()) -> Any:
        verdict = self.judge(link, scope, resources)
        form = {"grant_type": "refresh_token", "refresh_token": link.value, "scope": scope}
        form |= {"resource": resources[0]} if resources else {}
        reply = self.run(seat.replica.ask_token(self.caller_of(link.grant), **form))
        if verdict in ERRORS:
            assert reply == ERRORS[verdict]
            if verdict is Answer.REUSE:
                self.revoke_in_model(link.grant, seat)
            return multiple()
        if verdict is Answer.NEW:
            self.links.append(link.spend(self.time.wall()))
        assert link.successor is not None
        return self.issue(reply, link.successor, refreshed_scopes(scope.split(), link.grant), seat.replica)

    @rule(held=issued, at=SEATS)
    def used_by_another_client(self, held: Issued, at: int) -> None:
        """A stolen token signs nobody in, and its owner not out; and who cannot use it cannot revoke it."""
        stranger, replica = self.stranger_to(held.link.grant), self.seats[at].replica
        form = {"grant_type": "refresh_token", "refresh_token": held.link.value}
        assert self.run(replica.ask_token(stranger, **form)) == "invalid_grant"
        for token in (held.link.value, held.access.value):
            self.run(replica.ask_revoke(stranger, token))

    @rule(target=issued, held=issued, count=st.integers(2, 5))
    def refresh_at_once(self, held: Issued, count: int) -> Any:
        """Several processes share a token: one new lineage, and all of them have it."""
        link, caller = held.link, self.caller_of(held.link.grant)
        verdict = self.judge(link)
        form = {"grant_type": "refresh_token", "refresh_token": link.value}

        async def all_of_them() -> list[dict[str, Any] | str]:
            asks = (self.seats[number % 2].replica.ask_token(caller, **form) for number in range(count))
            return await asyncio.gather(*asks)

        replies = self.run(all_of_them())
        if verdict in ERRORS:
            assert replies == [ERRORS[verdict]] * count
            if verdict is Answer.REUSE:
                self.revoke_in_model(link.grant)  # one of the two seats knows; which, is a matter of chance
            return multiple()
        if verdict is Answer.NEW:
            self.links.append(link.spend(self.time.wall()))
        assert link.successor is not None
        given = [
            self.issue(reply, link.successor, refreshed_scopes((), link.grant), self.seats[0].replica)
            for reply in replies
        ]
        return given[-1]

    # --- revoking ---------------------------------------------------------------------------------------------------

    @rule(held=issued, at=SEATS)
    def revoke_access_token(self, held: Issued, at: int) -> None:
        self.run(self.seats[at].replica.ask_revoke(self.caller_of(held.link.grant), held.access.value))
        if self.time.wall() < held.access.expires_at:  # what has expired may have been sealed with a retired key
            held.access.revoked = True
            self.seats[at].known.add(held.access.token_id)

    @rule(held=issued, at=SEATS)
    def revoke_refresh_token(self, held: Issued, at: int) -> None:
        self.run(self.seats[at].replica.ask_revoke(self.caller_of(held.link.grant), held.link.value))
        if not held.link.forgotten:
            self.revoke_in_model(held.link.grant, self.seats[at])

    @rule(code=codes, at=SEATS)
    def revoke_grant(self, code: CodeModel, at: int) -> None:
        """The operator, or the person, ends it; perhaps before its code was redeemed."""
        server = self.seats[at].replica.server
        revoked = self.run(server.revoke_grant(code.grant.grant_id, CONTEXT, reason="test"))
        assert revoked is not code.grant.revoked
        self.revoke_in_model(code.grant, self.seats[at])

    @rule(held=issued, at=SEATS)
    def revoke_while_it_is_refreshed(self, held: Issued, at: int) -> None:
        """Whoever is first: nothing that the refresh gave outlives the revocation."""
        link, seat, other = held.link, self.seats[at], self.seats[1 - at]
        form = {"grant_type": "refresh_token", "refresh_token": link.value}

        async def both() -> dict[str, Any] | str:
            revoking = seat.replica.server.revoke_grant(link.grant.grant_id, CONTEXT, reason="test")
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

    @precondition(has_tokens)
    @rule(at=SEATS)
    def a_replica_restarts(self, at: int) -> None:
        self.restart(at)

    @precondition(has_tokens)
    @rule()
    def everything_restarts(self) -> None:
        self.restart_all()

    @rule(target=issued, held=issued, at=SEATS, operations=st.integers(0, 6))
    def dies_in_refreshing_and_is_asked_again(self, held: Issued, at: int, operations: int) -> Any:
        """A client whose answer was lost by a crash is not signed out by asking again."""
        link = held.link
        form = {"grant_type": "refresh_token", "refresh_token": link.value}
        if self._dies(at, operations, self.caller_of(link.grant), form, link.grant):
            return self._refresh(link, self.seats[1 - at])
        return multiple()

    @rule(code=codes, at=SEATS, operations=st.integers(0, 7))
    def dies_in_redeeming(self, code: CodeModel, at: int, operations: int) -> None:
        self._dies(at, operations, self.caller_of(code.grant), redemption(code), code.grant)

    @rule(held=issued, at=SEATS, operations=st.integers(0, 4))
    def dies_in_revoking(self, held: Issued, at: int, operations: int) -> None:
        """Once it was acknowledged it is so; before that, it may have been either."""
        if not self._dies(at, operations, self.caller_of(held.link.grant), {"token": held.link.value}, held.link.grant):
            assert held.link.grant.revoked or held.link.forgotten

    def _dies(self, at: int, operations: int, caller: Caller, form: dict[str, str], grant: GrantModel) -> bool:
        """Ask, with a fuse. True when the replica died before it answered."""
        seat, died = self.seats[at], False

        async def ask() -> None:
            async with seat.store.killed_after(operations):
                if "grant_type" in form:
                    await seat.replica.ask_token(caller, **form)
                else:
                    await seat.replica.ask_revoke(caller, form["token"])

        try:
            self.run(ask())
        except Killed:
            died = True
        self.adopt(grant)
        self.restart(at)
        return died

    # --- time and keys ----------------------------------------------------------------------------------------------

    @precondition(has_tokens)
    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        """And every replica looks at the feed, as it does each second."""
        self.time.passes(timedelta(seconds=seconds))
        for seat in self.seats:
            self.look(seat)

    @precondition(has_tokens)
    @rule(seconds=st.sampled_from([5, 59, 61]))
    def time_passes_without_a_look(self, seconds: int) -> None:
        """The store is away: after a minute nobody is admitted, because a revocation may have been missed."""
        self.time.passes(timedelta(seconds=seconds))

    @precondition(has_tokens)
    @rule(at=SEATS)
    def looks(self, at: int) -> None:
        self.look(self.seats[at])

    @precondition(has_tokens)
    @rule(offset=st.integers(-SKEW, SKEW))
    def the_clock_is_set(self, offset: int) -> None:
        self.time.is_set(offset)

    @precondition(has_tokens)
    @rule()
    def the_store_is_swept(self) -> None:
        self.run(self.seats[0].replica.store.housekeeping.sweep(now=self.time.wall()))
        self.swept()

    @precondition(has_tokens)
    @rule(first=SEATS)
    def the_keys_change(self, first: int) -> None:
        """One step of a rotation: accepted everywhere, then active, then alone. One replica is rolled at a time."""
        for number, seat in enumerate(self.seats):
            if seat.keys is not self.keys:
                self.restart(number)
                self.keys_settled_at = self.time.monotonic()
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


def redemption(code: CodeModel) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code.value,
        "code_verifier": code.verifier,
        "redirect_uri": code.redirect_uri,
        "resource": code.grant.resource,
    }


CI = settings(max_examples=50, stateful_step_count=30)
CHOSEN = settings.get_profile("torture") if settings.get_current_profile_name() == "torture" else CI

TestLineages = Lineages.TestCase
TestLineages.settings = settings(CHOSEN, deadline=None, suppress_health_check=list(HealthCheck))
