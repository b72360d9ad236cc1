"""Rules in CEL: which of them a call meets, and what they say together.

A rule that denies wins over all that allow; where none says anything, the default does. What cannot be evaluated fails
closed: a rule that denies denies, one that allows does not.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vestibule.model import Operation, Policy, Reading, Rule
from vestibule.policy.arguments import TooMuch, named
from vestibule.policy.methods import KINDS, Kind, is_machinery
from vestibule.policy.question import Question, Verdict
from vestibule.protocol.cel import ARGUMENTS, NOW, Condition, NotDecided
from vestibule.protocol.patterns import Patterns, compile_patterns, fits

_MAX_PLANS = 4096
_LONG = 256  # a name that is longer is looked up each time, and not kept


@dataclass(frozen=True, slots=True)
class CompiledRule:
    rule: Rule
    condition: Condition | None  # None: always
    upstreams: Patterns
    methods: Patterns
    names: dict[Kind, Patterns]

    @property
    def hangs_on_arguments(self) -> bool:
        return self.condition is not None and self.condition.uses_arguments

    def is_about(self, upstream: str, operation: Operation) -> bool:
        if self.upstreams and not fits(self.upstreams, upstream):
            return False
        if self.methods and not fits(self.methods, operation.method):
            return False
        if not self.methods and is_machinery(operation.method):
            return False
        if not self.names:
            return True
        kind = KINDS.get(operation.method)
        return kind is not None and fits(self.names.get(kind, ()), operation.name)


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules that a kind of call meets."""

    denying: tuple[CompiledRule, ...]
    allowing: tuple[CompiledRule, ...]
    uses_now: bool
    uses_arguments: bool


def compile_rule(rule: Rule) -> CompiledRule:
    """Raises `NotACondition`, `NoCel`."""
    kinds: dict[Kind, tuple[str, ...]] = {"tools": rule.tools, "prompts": rule.prompts, "resources": rule.resources}
    return CompiledRule(
        rule=rule,
        condition=Condition(rule.when) if rule.when else None,
        upstreams=compile_patterns(rule.upstreams),
        methods=compile_patterns(rule.methods),
        names={kind: compile_patterns(patterns) for kind, patterns in kinds.items() if patterns},
    )


class CelRules:
    """Implements `Engine`."""

    def __init__(self, policy: Policy) -> None:
        """Raises `NotACondition`, `NoCel`."""
        self._default_allows = policy.default == "allow"
        self._rules = tuple(compile_rule(rule) for rule in policy.rules)
        self._plans: dict[tuple[str, str, str], Plan] = {}
        self.rule_names = tuple(rule.name for rule in policy.rules)

    def reading(self, upstream: str) -> Reading:
        met = [one for one in self._rules if not one.upstreams or fits(one.upstreams, upstream)]
        if any(one.hangs_on_arguments for one in met):
            return Reading.ARGUMENTS
        return Reading.NAME if met or not self._default_allows else Reading.NOTHING

    def is_lasting(self, upstream: str, operation: Operation, *, is_listing: bool) -> bool:
        plan = self._plan(upstream, operation)
        return not plan.uses_now and (is_listing or not plan.uses_arguments)

    def decide(self, question: Question) -> Verdict:
        plan = self._plan(question.upstream, question.operation)
        variables = _variables(question, with_time=plan.uses_now)
        for one in plan.denying:
            if question.is_listing and one.hangs_on_arguments:
                continue
            holds, why, noted = _ask(one, question, variables)
            if holds is not False:
                return Verdict(False, one.rule.name, one.rule.message, why, noted)
        if self._default_allows or is_machinery(question.operation.method):
            return Verdict(True, why="no rule denies it")
        return _allowed_by(plan.allowing, question, variables)

    def _plan(self, upstream: str, operation: Operation) -> Plan:
        key = (upstream, operation.method, operation.name)
        plan = self._plans.get(key)
        if plan is None:
            plan = _make_plan(one for one in self._rules if one.is_about(upstream, operation))
            if len(operation.method) + len(operation.name) <= _LONG:
                if len(self._plans) >= _MAX_PLANS:
                    self._plans.pop(next(iter(self._plans)))
                self._plans[key] = plan
        return plan


def _make_plan(met: Iterable[CompiledRule]) -> Plan:
    rules = tuple(met)
    return Plan(
        denying=tuple(one for one in rules if one.rule.effect == "deny"),
        allowing=tuple(one for one in rules if one.rule.effect == "allow"),
        uses_now=any(one.condition is not None and one.condition.uses_now for one in rules),
        uses_arguments=any(one.hangs_on_arguments for one in rules),
    )


def _allowed_by(allowing: Iterable[CompiledRule], question: Question, variables: dict[str, Any]) -> Verdict:
    whys, notes = [], []
    for one in allowing:
        if question.is_listing and one.hangs_on_arguments:
            return Verdict(True, one.rule.name, why="some arguments could be allowed")
        holds, why, noted = _ask(one, question, variables)
        if holds is True:
            return Verdict(True, one.rule.name, why=why)
        if holds is None:
            whys.append(f"{one.rule.name}: {why}")
            notes.append(f"{one.rule.name}: {noted}")
    return Verdict(False, why="; ".join(["no rule allows it", *whys]), noted="; ".join(["no rule allows it", *notes]))


def _ask(one: CompiledRule, question: Question, variables: dict[str, Any]) -> tuple[bool | None, str, str]:
    """Whether the rule's condition holds, or None; why, for its author; the same without values, for the log."""
    if one.condition is None:
        return True, "it has no condition", "it has no condition"
    try:
        if one.condition.uses_arguments:
            variables = {**variables, ARGUMENTS: named(question.operation.arguments, one.rule.arguments)}
        holds = one.condition.holds(variables)
    except NotDecided as error:
        return None, f"its condition cannot be decided: {error}", f"its condition cannot be decided ({error.kind})"
    except TooMuch as error:
        return None, str(error), str(error)
    told = "its condition holds" if holds else "its condition does not hold"
    return holds, told, told


def _variables(question: Question, *, with_time: bool) -> dict[str, Any]:
    who, operation = question.who, question.operation
    variables: dict[str, Any] = {
        "principal.user": who.user,
        "principal.subject": who.subject,
        "principal.issuer": who.issuer,
        "principal.tenant": who.tenant,
        "principal.client_id": who.client_id,
        "principal.shown": who.shown,
        "principal.scopes": sorted(who.scopes),
        "principal.roles": sorted(who.roles),
        "tenant": who.tenant,
        "upstream": question.upstream,
        "resource": question.resource,
        "method": operation.method,
        "tool": operation.tool,
        "name": operation.name,
    }
    if with_time:
        variables[NOW] = datetime.fromtimestamp(question.now, UTC)
    return variables
