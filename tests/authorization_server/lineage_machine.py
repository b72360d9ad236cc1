"""Beneath the rules of `test_lineages`: two replicas, their clock and keys, and what must hold after each step.

Two replicas share one store. A revocation made at one of them is known there at once, and at the other after its next
look at the feed.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from tests.authorization_server.lineage_model import (
    ACCESS,
    CODE_REMEMBERED,
    AccessModel,
    Answer,
    CodeModel,
    GrantModel,
    Issued,
    LinkModel,
    PersonModel,
    refreshed_scopes,
)
from tests.support.house import migrated_store
from tests.support.replicas import CONTEXT, RESOURCES, Caller, FusedStore, Person, Replica, Time, copy_of_store
from vestibule.authorization_server.register import register
from vestibule.keys import RootKey
from vestibule.model import Principal, Resource, digest

T = TypeVar("T")

REDIRECT = "http://127.0.0.1/callback"
BLIND_AFTER = 60.0  # seconds without a look


@dataclass
class Seat:
    """Where a replica runs, and what must have reached it."""

    store: FusedStore
    replica: Replica
    keys: tuple[RootKey, ...]
    looked_at: float
    known: set[str] = field(default_factory=set)  # the grants and access tokens that it knows to be revoked


class LineageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-lineages-"))
        self.crashes = 0
        self.file = self.folder / "store.db"
        shutil.copy(self.run(migrated_store()), self.file)
        self.time = Time()
        self.keys: tuple[RootKey, ...] = (RootKey(os.urandom(32), 1),)
        self.keys_settled_at = 0.0  # when the last replica got them
        self.seats = [self.start(), self.start()]
        self.callers = [self.register(method) for method in ("none", "client_secret_basic", "client_secret_post")]
        self.people = {login: (Person(login), PersonModel()) for login in ("ada", "grace")}
        self.grants: list[GrantModel] = []
        self.codes_given: list[CodeModel] = []
        self.links: list[LinkModel] = []
        self.accesses: list[AccessModel] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            for seat in self.seats:
                self.look(seat)
            self.tokens_are_worth_what_the_model_says()
            self.who_was_not_signed_out_goes_on()
        finally:
            for seat in self.seats:
                self.run(seat.store.close())
            self.runner.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- replicas ---------------------------------------------------------------------------------------------------

    def start(self) -> Seat:
        store = FusedStore(self.file)
        replica = self.run(Replica.start(store, self.keys, self.time))
        return Seat(store, replica, self.keys, self.time.monotonic())

    def restart(self, number: int) -> None:
        """The process ends without a word, and another begins with what is in the store."""
        self.run(self.seats[number].store.close())
        if self.seats[number].keys is not self.keys:
            self.keys_settled_at = self.time.monotonic()  # until now it sealed with the ones before
        self.seats[number] = self.start()
        self.seats[number].known = self.revoked()

    def restart_all(self) -> None:
        """The whole computer: what the processes had open is copied as it is, and opened anew."""
        self.crashes += 1
        self.file = copy_of_store(self.file, self.folder / str(self.crashes))
        for number in range(len(self.seats)):
            self.restart(number)

    def look(self, seat: Seat) -> None:
        self.run(seat.replica.watch.look())
        seat.looked_at = self.time.monotonic()
        seat.known = self.revoked()

    def revoked(self) -> set[str]:
        """The names of all that is revoked."""
        tokens = {access.token_id for access in self.accesses if access.revoked}
        return tokens | {grant.grant_id for grant in self.grants if grant.revoked}

    # --- the model hears of what was given --------------------------------------------------------------------------

    def register(self, method: str) -> Caller:
        body = json.dumps({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": method}).encode()
        server = self.seats[0].replica.server
        reply = self.run(register("application/json", body, server, CONTEXT))
        client = self.run(server.store.clients.get(reply.body["client_id"]))
        assert client is not None
        return Caller(client, reply.body.get("client_secret", ""))

    def caller_of(self, grant: GrantModel) -> Caller:
        return next(caller for caller in self.callers if caller.client_id == grant.client_id)

    def stranger_to(self, grant: GrantModel) -> Caller:
        return next(caller for caller in self.callers if caller.client_id != grant.client_id)

    def resource_of(self, grant: GrantModel) -> Resource:
        return next(resource for resource in RESOURCES if resource.identifier == grant.resource)

    def issue(self, reply: dict[str, Any] | str, link: LinkModel, scopes: frozenset[str], replica: Replica) -> Issued:
        """Check an answer of /token and note what it gave."""
        assert isinstance(reply, dict), reply
        assert frozenset(reply["scope"].split()) == scopes <= frozenset(link.grant.scopes)
        assert reply["expires_in"] == ACCESS.total_seconds()
        assert link.value in ("", reply["refresh_token"])
        link.value = reply["refresh_token"]
        access = AccessModel(reply["access_token"], link.grant, scopes, self.time.wall() + ACCESS)
        principal = self.run(replica.admit(access.value, self.resource_of(link.grant)))
        if isinstance(principal, Principal):
            access.token_id = principal.token_id
            self.accesses.append(access)
        return Issued(access, link)

    def revoke_in_model(self, grant: GrantModel, *seats: Seat) -> None:
        """`seats`: those that made the revocation, and so know of it without looking."""
        grant.revoked = True
        for seat in seats:
            seat.known.add(grant.grant_id)

    def judge(self, link: LinkModel, scope: str = "", resources: tuple[str, ...] = (), client_id: str = "") -> Answer:
        client_id = client_id or link.grant.client_id
        return link.judge(self.time.wall(), client_id=client_id, scopes=scope.split(), resources=resources)

    def adopt(self, *grants: GrantModel) -> None:
        """Nobody was told how it ended: what the store says now is what happened."""
        now = self.time.wall()
        with self.rows() as rows:
            revoked = {name for (name,) in rows.execute("SELECT grant_id FROM grants WHERE revoked_at NOT NULL")}
            taken = {
                key for (key,) in rows.execute("SELECT digest FROM authorization_codes WHERE redeemed_at NOT NULL")
            }
            spent = {key for (key,) in rows.execute("SELECT digest FROM refresh_tokens WHERE spent_at NOT NULL")}
        for grant in grants:
            assert grant.grant_id in revoked or not grant.revoked
            grant.revoked = grant.grant_id in revoked
        for code in self.codes_given:
            if code.grant in grants and digest(code.value) in taken:
                code.redeemed = True
        for link in [link for link in self.links if link.grant in grants and link.value and link.spent_at is None]:
            if digest(link.value) in spent:
                self.links.append(link.spend(now))

    def rows(self) -> AbstractContextManager[sqlite3.Connection]:
        return closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True))

    # --- what always holds ------------------------------------------------------------------------------------------

    @invariant()
    def tokens_are_worth_what_the_model_says(self) -> None:
        self.run(self._check_tokens())

    async def _check_tokens(self) -> None:
        for access in self.accesses[-40:]:
            for seat in self.seats:
                for resource in RESOURCES:
                    self._check_worth(access, seat, resource, await seat.replica.admit(access.value, resource))

    def _check_worth(self, access: AccessModel, seat: Seat, resource: Resource, worth: Principal | str) -> None:
        if resource.identifier != access.grant.resource:
            assert worth in ("InvalidAudience", "InvalidSignature")
        elif self.time.wall() >= access.expires_at:
            assert worth in ("TokenExpired", "InvalidSignature")  # its key may have been retired
        elif access.grant.grant_id in seat.known or access.token_id in seat.known:
            assert worth == "TokenRevoked", (worth, access, self.time.wall())
        elif self.time.monotonic() - seat.looked_at > BLIND_AFTER:
            assert worth in ("StoreUnavailable", "TokenRevoked")
        elif not access.is_dead:
            assert isinstance(worth, Principal), worth
            assert (worth.scopes, worth.resource) == (access.scopes, access.grant.resource)
            assert (worth.grant_id, worth.client_id) == (access.grant.grant_id, access.grant.client_id)

    @invariant()
    def the_store_agrees(self) -> None:
        """One live lineage a grant; what is revoked or spent is so in the store, and nothing else is."""
        with self.rows() as rows:
            revoked = dict(rows.execute("SELECT grant_id, revoked_at IS NOT NULL FROM grants"))
            known = {grant.grant_id: int(grant.revoked) for grant in self.grants}
            assert revoked.items() <= known.items()
            gone = known.keys() - revoked.keys()  # a sweep took them: nothing of them lived
            assert not any(self._lives(link) for link in self.links if link.grant.grant_id in gone)
            live = "SELECT grant_id FROM refresh_tokens WHERE spent_at IS NULL GROUP BY grant_id HAVING count(*) > 1"
            assert rows.execute(live).fetchall() == [], "two live refresh tokens of one grant"
            spent = dict(rows.execute("SELECT digest, spent_at IS NOT NULL FROM refresh_tokens"))
            for link in self.links:
                if link.value and not link.forgotten and not (link.grant.revoked and digest(link.value) not in spent):
                    assert spent[digest(link.value)] == (link.spent_at is not None)
            redeemed = dict(rows.execute("SELECT digest, redeemed_at IS NOT NULL FROM authorization_codes"))
            for code in self.codes_given:
                if not code.forgotten and not (code.grant.revoked and digest(code.value) not in redeemed):
                    assert redeemed[digest(code.value)] == code.redeemed

    @staticmethod
    def _lives(link: LinkModel) -> bool:
        return not (link.forgotten or link.grant.revoked)

    def swept(self) -> None:
        now = self.time.wall()
        for code in self.codes_given:
            code.forgotten = code.forgotten or code.expires_at <= now - CODE_REMEMBERED
        for link in self.links:
            link.forgotten = link.forgotten or link.expires_at <= now
        for _, person in self.people.values():
            if person.session_until is not None and person.session_until <= now:
                person.session_until = None

    def who_was_not_signed_out_goes_on(self) -> None:
        """Every refresh token that is the last of a live grant still gives the next one."""
        replica = self.seats[0].replica
        for link in [link for link in self.links if link.value and self.judge(link) is Answer.NEW]:
            form = {"grant_type": "refresh_token", "refresh_token": link.value}
            reply = self.run(replica.ask_token(self.caller_of(link.grant), **form))
            self.issue(reply, link.spend(self.time.wall()), refreshed_scopes((), link.grant), replica)
