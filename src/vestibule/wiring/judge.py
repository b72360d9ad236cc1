"""Who decides on MCP calls, and tells the trail of them."""

from vestibule.config import Configuration
from vestibule.gateway import Judge
from vestibule.model import Resource
from vestibule.ports import CallTrail, Clock
from vestibule.wiring.audit import make_call_facts
from vestibule.wiring.policy import make_permission


def make_judge(configuration: Configuration, resources: tuple[Resource, ...], trail: CallTrail, clock: Clock) -> Judge:
    audit = configuration.audit
    return Judge(
        make_permission(configuration, resources),
        clock,
        trail=trail if audit.calls != "none" else None,
        told=audit.calls,
        facts=make_call_facts(configuration) if audit.arguments else None,
    )
