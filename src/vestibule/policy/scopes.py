"""Scopes per upstream: a call needs all of them, and is told all that it lacks at once."""

from vestibule.errors import InsufficientScope, MissingAuthorization, Refusal
from vestibule.model import Operation, Principal, Reading, Resource


class ScopePolicy:
    """Implements `ports.Permission`."""

    def reading(self, resource: Resource) -> Reading:
        return Reading.NOTHING

    def check(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> None:
        needed = resource.upstream.scopes
        if principal is None:
            if resource.upstream.access != "anonymous":
                raise MissingAuthorization("This MCP server is behind a sign-in.", action="Sign in.")
            return
        if not principal.scopes.issuperset(needed):
            raise InsufficientScope(
                f"This call needs the scope {' '.join(needed)}.",
                scopes=needed,
                action="Let your client ask for it: the person will be shown what is new.",
                detail=f"{principal.user} has {' '.join(sorted(principal.scopes))!r}",
            )

    def may_list(self, principal: Principal | None, resource: Resource, operation: Operation, now: float) -> bool:
        try:
            self.check(principal, resource, operation, now)
        except Refusal:
            return False
        return True
