"""May this principal do that? In this order: signed in, tenant, API key, scopes, rules.

A call and a listing are one code path. What rules decided is kept where it hangs on nothing that changes: by all that
they may know of the caller and the call, bounded, and never longer than the caller's token lives.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vestibule.errors import InsufficientScope, MissingAuthorization, PolicyDenied, Refusal, TenantDenied
from vestibule.model import Operation, Principal, Reading, Resource, ScopePattern, Upstream
from vestibule.policy.methods import COMPLETION, KINDS, Kind
from vestibule.policy.question import Engine, Facts, Question, Verdict, facts_of
from vestibule.protocol.patterns import Patterns, compile_patterns, fits

_MAX_KEPT = 4096
_LONG = 256  # a call whose name is longer is decided each time
_ASK = "Ask whoever runs this server."
_ASK_FOR_IT = "Let your client ask for it: the person will be shown what is new."
_MAKE_A_KEY = "Use an API key that has them: a sign-in does not widen a key."

_NO_RULES = Verdict(True, why="there are no rules")

_Key = tuple[Facts, str, str, str, bool]


@dataclass(frozen=True, slots=True)
class _Kept:
    verdict: Verdict
    until: float  # seconds since the epoch


class AccessPolicy:
    """Implements `ports.Permission`."""

    def __init__(self, upstreams: Sequence[Upstream], engine: Engine | None = None) -> None:
        """`engine`: the rules; None: there are none."""
        self._scopes = {upstream.name: NeededScopes(upstream) for upstream in upstreams}
        self._engine = engine
        self._kept: dict[_Key, _Kept] = {}

    def reading(self, resource: Resource) -> Reading:
        upstream = resource.upstream
        if upstream.members:  # which of them a request is about has to be read
            return max(Reading.NAME, *(self._reading(one) for one in upstream.members))
        return self._reading(upstream)

    def _reading(self, upstream: Upstream) -> Reading:
        by_rules = self._engine.reading(upstream.name) if self._engine is not None else Reading.NOTHING
        return max(by_rules, self._scopes[upstream.name].reading)

    def check(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> None:
        self._check(principal, resource, operation, now, is_listing=False)

    def may_list(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> bool:
        try:
            self._check(principal, resource, operation, now, is_listing=True)
        except Refusal:
            return False
        return True

    def explain(
        self, principal: Principal | None, resource: Resource, operation: Operation, now: float
    ) -> tuple[Verdict, Refusal | None]:
        """What `check` would do, and what the rules said to it; for whoever writes them."""
        try:
            self.check(principal, resource, operation, now)
        except PolicyDenied as refusal:
            return self._verdict(principal, resource, operation, now, is_listing=False), refusal
        except Refusal as refusal:
            return Verdict(False, why=refusal.message), refusal
        return self._verdict(principal, resource, operation, now, is_listing=False), None

    def _check(
        self, principal: Principal | None, resource: Resource, operation: Operation, now: float, *, is_listing: bool
    ) -> None:
        check_upstream(principal, resource.upstream)
        if not resource.upstream.members:  # nobody needs the scopes of all that an aggregate stands for
            self._scopes[resource.upstream.name].check(principal, operation)
        verdict = self._verdict(principal, resource, operation, now, is_listing=is_listing)
        if not verdict.is_allowed:
            raise PolicyDenied(
                verdict.message or "The rules of this server do not allow this.", action=_ASK, detail=_detail(verdict)
            )

    def _verdict(
        self, principal: Principal | None, resource: Resource, operation: Operation, now: float, *, is_listing: bool
    ) -> Verdict:
        if self._engine is None:
            return _NO_RULES
        who = facts_of(principal)
        key: _Key = (who, resource.identifier, operation.method, operation.name, is_listing)
        kept = self._kept.get(key)
        if kept is not None and now < kept.until:
            return kept.verdict
        upstream = resource.upstream.name
        verdict = self._engine.decide(Question(who, upstream, resource.identifier, operation, now, is_listing))
        if len(operation.method) + len(operation.name) <= _LONG and self._engine.is_lasting(
            upstream, operation, is_listing=is_listing
        ):
            self._keep(key, _Kept(verdict, principal.expires_at.timestamp() if principal is not None else float("inf")))
        return verdict

    def _keep(self, key: _Key, kept: _Kept) -> None:
        """The oldest goes when there are too many: names are the caller's to choose."""
        self._kept.pop(key, None)
        if len(self._kept) >= _MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = kept


_OF_COMPLETIONS: tuple[Kind, ...] = ("prompts", "resources")


class NeededScopes:
    """What a call to one upstream needs: its default scopes, and those of every pattern that the name fits."""

    def __init__(self, upstream: Upstream) -> None:
        self._default = upstream.scopes
        self._default_set = frozenset(upstream.scopes)
        given: Mapping[Kind, tuple[ScopePattern, ...]] = {
            "tools": upstream.tool_scopes,
            "prompts": upstream.prompt_scopes,
            "resources": upstream.resource_scopes,
        }
        self._by_kind: dict[Kind, list[tuple[Patterns, tuple[str, ...]]]] = {
            kind: [(compile_patterns([one.pattern]), one.scopes) for one in patterns]
            for kind, patterns in given.items()
            if patterns
        }
        self.reading = Reading.NAME if self._by_kind else Reading.NOTHING

    def of_its_own(self, operation: Operation) -> tuple[str, ...]:
        """Beside the default ones."""
        if not self._by_kind:
            return ()
        kinds = _OF_COMPLETIONS if operation.method == COMPLETION else (KINDS.get(operation.method),)
        met = (
            scopes
            for kind in kinds
            if kind is not None
            for patterns, scopes in self._by_kind.get(kind, ())
            if fits(patterns, operation.name)
        )
        return tuple(dict.fromkeys(scope for scopes in met for scope in scopes))

    def check(self, principal: Principal | None, operation: Operation) -> None:
        """Raises `InsufficientScope` with all that is needed, in one challenge (RFC 6750 §3.1).

        What is open to all needs no default scopes; what has scopes of its own is not open to all.
        """
        own = self.of_its_own(operation)
        if principal is None:
            if own:
                raise MissingAuthorization("This needs a sign-in.", action="Sign in.")
            return
        if not (self._default_set <= principal.scopes and principal.scopes.issuperset(own)):
            needed = tuple(dict.fromkeys((*self._default, *own)))
            raise InsufficientScope(
                f"This call needs {_listed(needed)}.",
                scopes=needed,
                by_sign_in=principal.shown != "api-key",
                action=_MAKE_A_KEY if principal.shown == "api-key" else _ASK_FOR_IT,
                detail=f"{principal.user} has {' '.join(sorted(principal.scopes))!r}",
            )


def check_upstream(principal: Principal | None, upstream: Upstream) -> None:
    """Who may come to this upstream at all. Raises `MissingAuthorization`, `TenantDenied`, `PolicyDenied`."""
    if principal is None:
        if upstream.access != "anonymous" or upstream.tenants:
            raise MissingAuthorization("This MCP server is behind a sign-in.", action="Sign in.")
        return
    if upstream.tenants and principal.tenant not in upstream.tenants:
        raise TenantDenied(
            "This MCP server is not for your organisation.",
            action=_ASK,
            detail=f"{principal.user} is of {principal.tenant}",
        )
    if upstream.access == "api-key-only" and principal.shown != "api-key":
        raise PolicyDenied("This MCP server takes API keys only.", action=_ASK, detail=principal.user)
    opened = {one.name for one in upstream.members} or {upstream.name}
    if principal.upstreams and not opened.intersection(principal.upstreams):
        raise PolicyDenied("This API key is for other MCP servers.", action=_ASK, detail=principal.user)


def _detail(verdict: Verdict) -> str:
    return f"rule {verdict.rule}: {verdict.noted}" if verdict.rule else verdict.noted


def _listed(scopes: tuple[str, ...]) -> str:
    return f"the scope{'s' if len(scopes) > 1 else ''} {' '.join(scopes)}"
