"""One step of one caller: asked of a replica, judged by the model, noted in it."""

from urllib.parse import urlencode

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
from tests.support.replicas import ISSUER, RESOURCES, SCOPES, Caller, Killed
from vestibule.model import Resource, digest
from vestibule.protocol.pkce import challenge_of


class LineageSteps(LineageMachine):
    def authorize_as(
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
        assert asked == known.asked(
            now, caller.client_id, resource.identifier, scopes, is_public=not caller.client.is_confidential
        )
        known.approve(caller.client_id, resource.identifier, scopes)
        if "sign-in" in asked:
            known.session_until = now + SESSION
        stored = self.run(replica.store.codes.get(digest(code)))
        assert stored is not None
        grant = GrantModel(stored.grant_id, caller.client_id, resource.identifier, scopes)
        self.grants.append(grant)
        self.codes_given.append(CodeModel(code, grant, verifier, redirect_uri, now + CODE))
        return self.codes_given[-1]

    def redeem_code(self, code: CodeModel, seat: Seat) -> Issued | None:
        verdict = code.judge(self.time.wall())
        reply = self.run(seat.replica.ask_token(self.caller_of(code.grant), **redemption(code)))
        if verdict is not Answer.NEW:
            assert reply == "invalid_grant"
            if verdict is Answer.REUSE:
                self.revoke_in_model(code.grant, seat)
            return None
        code.redeemed = True
        self.links.append(LinkModel(code.grant, self.time.wall() + REFRESH))
        return self.issue(reply, self.links[-1], frozenset(code.grant.scopes), seat.replica)

    def redeem_without(self, wrong: str, code: CodeModel, seat: Seat) -> None:
        """It gets nothing, spends nothing and revokes nothing, whatever the state of the code."""
        caller = self.stranger_to(code.grant) if wrong == "client" else self.caller_of(code.grant)
        other = next(one.identifier for one in RESOURCES if one.identifier != code.grant.resource)
        form = redemption(code)
        if wrong != "client":
            form[wrong] = {"code_verifier": "x" * 43, "redirect_uri": f"{REDIRECT}/", "resource": other}[wrong]
        assert self.run(seat.replica.ask_token(caller, **form)) in ("invalid_grant", "invalid_target")

    def live(self, which: int) -> LinkModel:
        """A refresh token that is the newest of its grant; when there is none, somebody signs in."""
        live = [link for link in self.links if link.value and self.judge(link) is Answer.NEW]
        if not live:
            code = self.authorize_as(self.callers[0], "ada", self.seats[0], RESOURCES[0], "")
            issued = self.redeem_code(code, self.seats[0])
            assert issued is not None
            return issued.link
        return live[-1 - which % len(live)]

    def refresh_link(
        self, link: LinkModel, seat: Seat, scope: str = "", resources: tuple[str, ...] = ()
    ) -> Issued | None:
        verdict = self.judge(link, scope, resources)
        form = {"grant_type": "refresh_token", "refresh_token": link.value, "scope": scope}
        form |= {"resource": resources[0]} if resources else {}
        reply = self.run(seat.replica.ask_token(self.caller_of(link.grant), **form))
        if verdict in ERRORS:
            assert reply == ERRORS[verdict]
            if verdict is Answer.REUSE:
                self.revoke_in_model(link.grant, seat)
            return None
        if verdict is Answer.NEW:
            self.links.append(link.spend(self.time.wall()))
        assert link.successor is not None
        return self.issue(reply, link.successor, refreshed_scopes(scope.split(), link.grant), seat.replica)

    def dies(self, at: int, operations: int, caller: Caller, form: dict[str, str], grant: GrantModel) -> bool:
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


def redemption(code: CodeModel) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code.value,
        "code_verifier": code.verifier,
        "redirect_uri": code.redirect_uri,
        "resource": code.grant.resource,
    }
