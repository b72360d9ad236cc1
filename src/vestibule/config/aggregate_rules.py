"""Rules about the aggregate: there is something to put together, and every name in it has one reading."""

from collections.abc import Iterator

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.values import write_duration
from vestibule.errors import Fault
from vestibule.protocol.aggregate_names import MEMBER


def members_of(configuration: Configuration) -> tuple[str, ...]:
    """The names of the upstreams that it is made of; none where it is off."""
    if not configuration.aggregate.enabled:
        return ()
    return configuration.aggregate.members or tuple(upstream.name for upstream in configuration.upstreams)


def aggregate_has_members(configuration: Configuration) -> Iterator[Fault]:
    names = [upstream.name for upstream in configuration.upstreams]
    given = configuration.aggregate.members
    for index, name in enumerate(given):
        if name not in names:
            yield Fault(f"aggregate.members[{index}]", "there is no such upstream", "correct the name")
        elif given.index(name) != index:
            yield Fault(f"aggregate.members[{index}]", "it stands in the list already", "remove it")
    members = members_of(configuration)
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.name in members and upstream.served_by == "proxy":
            yield Fault(
                f"upstreams[{index}].served_by",
                "an aggregate relays to its members, and your proxy does here",
                "name the other upstreams in aggregate.members",
            )
    if configuration.aggregate.enabled and len(members) < 2:
        yield Fault("aggregate.enabled", "there are no two upstreams to put together", "add an upstream, or remove it")
    if len(members) > defaults.MOST_MEMBERS:
        yield Fault(
            "aggregate.members",
            f"the ids of more than {defaults.MOST_MEMBERS} sessions do not fit into one",
            "name those that belong together",
        )


def aggregate_names_are_schemes(configuration: Configuration) -> Iterator[Fault]:
    """`3d+file:///a` is no URI: a scheme begins with a letter (RFC 3986 §3.1)."""
    members = members_of(configuration)
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.name in members and not MEMBER.fullmatch(upstream.name):
            yield Fault(
                f"upstreams[{index}].name",
                "in an aggregate its resources would have URIs that are none",
                "begin the name with a letter, or name the others in aggregate.members",
            )


def aggregate_answers_in_time(configuration: Configuration) -> Iterator[Fault]:
    shortest, longest = defaults.MEMBER_DEADLINE_BOUNDS
    if not shortest <= configuration.aggregate.deadline <= longest:
        between = f"it is not between {write_duration(shortest)} and {write_duration(longest)}"
        yield Fault("aggregate.deadline", between, "choose one in between")


AGGREGATE_RULES = (aggregate_has_members, aggregate_names_are_schemes, aggregate_answers_in_time)
