"""Asking a policy what it says to examples, and comparing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from vestibule.errors import InsufficientScope
from vestibule.model import PolicyExample, Resource
from vestibule.policy.access import AccessPolicy

ANY_TIME = datetime(2026, 7, 28, 12, tzinfo=UTC)
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an example. `wrong`: in what way it is not what was expected; empty: it is."""

    example: PolicyExample
    decided: str  # allow, deny
    rule: str  # default: none of them decided
    why: str
    code: str = ""  # of the refusal
    missing: tuple[str, ...] = ()
    wrong: str = ""


def run_example(example: PolicyExample, access: AccessPolicy, resource: Resource) -> Result:
    principal, now = example.principal, (example.now or ANY_TIME).timestamp()
    if principal is not None and not example.has_scopes:
        principal = replace(principal, scopes=frozenset(resource.upstream.scopes))
    verdict, refusal = access.explain(principal, resource, example.operation, now)
    missing: tuple[str, ...] = ()
    if isinstance(refusal, InsufficientScope) and principal is not None:
        missing = tuple(scope for scope in refusal.scopes if scope not in principal.scopes)
    result = Result(
        example=example,
        decided="deny" if refusal is not None else "allow",
        rule=verdict.rule or DEFAULT,
        why=verdict.why,
        code=refusal.code if refusal is not None else "",
        missing=missing,
    )
    return replace(result, wrong=_difference(result))


def unused_rules(rules: Sequence[str], results: Sequence[Result]) -> tuple[str, ...]:
    """Rules that decided no example: nobody knows whether they do what they are for."""
    deciding = {result.rule for result in results}
    return tuple(rule for rule in rules if rule not in deciding)


def _difference(result: Result) -> str:
    expected = result.example
    if result.decided != expected.expect:
        return f"expected {expected.expect}"
    if expected.rule is not None and (result.rule != expected.rule or result.code not in ("", "POLICY_DENIED")):
        return f"expected rule {expected.rule}"
    if expected.missing is not None and {*expected.missing} != {*result.missing}:
        return f"expected missing {' '.join(expected.missing) or 'nothing'}"
    return ""
