"""Several upstreams behind one address, by the operator's file."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from vestibule.config import Configuration
from vestibule.config.aggregate import ALL
from vestibule.config.aggregate_rules import members_of
from vestibule.gateway import Gateway
from vestibule.keys import KeyRing
from vestibule.model import Resource, Timeouts, Upstream

ROUNDS = 4  # of asking members, one after the other: late ones, all, those that forgot their session, these again
LATER = timedelta(seconds=5)  # who waits for members waits longer than they may take

Access = Literal["required", "api-key-only", "anonymous"]


def aggregate_resource(configuration: Configuration, upstreams: Sequence[Upstream]) -> tuple[Resource, ...]:
    """The resource at /all/mcp, if there is one. `upstreams`: all that there are."""
    names = members_of(configuration)
    if not names:
        return ()
    members = tuple(one for name in names for one in upstreams if one.name == name)
    base = configuration.public_url
    upstream = _upstream(members, configuration.aggregate.title, configuration.aggregate.deadline)
    return (Resource(f"{base}/{ALL}/mcp", f"{urlsplit(base).path}/{ALL}/mcp", upstream),)


def _upstream(members: tuple[Upstream, ...], title: str, deadline: timedelta) -> Upstream:
    """What is asked for at a sign-in is what all members ask for; who has less, uses less of them."""
    theirs = [one for one in members if one.access != "api-key-only"]  # no sign-in opens the others
    scopes = tuple(dict.fromkeys(scope for one in theirs for scope in one.scopes))
    offered = (scope for one in theirs for scope in (*one.optional_scopes, *_by_pattern(one)))
    return Upstream(
        ALL,
        access=_access(members),
        scopes=scopes,
        optional_scopes=tuple(scope for scope in dict.fromkeys(offered) if scope not in scopes),
        scope_texts={scope: _said(scope, theirs) for one in theirs for scope in one.scope_texts},
        timeouts=Timeouts(
            first_byte=max(ROUNDS * deadline, *(one.timeouts.first_byte for one in members)) + LATER,
            idle_stream=max(one.timeouts.idle_stream for one in members),
        ),
        title=title or ", ".join(one.title or one.name for one in members),
        members=members,
    )


def _said(scope: str, members: Sequence[Upstream]) -> str:
    """What a scope means to each of those that have it: who approves it, approves all of that."""
    return "; ".join(dict.fromkeys(one.scope_texts[scope] for one in members if scope in one.scope_texts))


def _by_pattern(one: Upstream) -> tuple[str, ...]:
    patterns = (*one.tool_scopes, *one.prompt_scopes, *one.resource_scopes)
    return tuple(scope for pattern in patterns for scope in pattern.scopes)


def _access(members: Sequence[Upstream]) -> Access:
    """What all of them have; where they differ, a sign-in or a key, and each member has its own say after that."""
    found: set[Access] = {one.access for one in members}
    return found.pop() if len(found) == 1 else "required"


def add_aggregate(gateway: Gateway, configuration: Configuration, resources: Sequence[Resource], ring: KeyRing) -> None:
    """Serve it, where there is one."""
    for resource in resources:
        if not resource.upstream.members:
            continue
        from vestibule.gateway import aggregate  # for those who have one

        own = [one for one in resources if not one.upstream.members and not one.message_path]
        aggregate.add_aggregate(
            gateway,
            resource,
            [next(one for one in own if one.upstream is member) for member in resource.upstream.members],
            separator=configuration.aggregate.separator,
            deadline=configuration.aggregate.deadline.total_seconds(),
            sealer=ring,
            authenticator=ring,
        )
