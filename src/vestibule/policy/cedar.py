"""Rules in Cedar, behind the same port and with the same ends: what cannot be evaluated fails closed.

Cedar allows nothing that no policy permits. As in CEL, nobody is locked out of the machinery of MCP by rules that are
about the use of something.
"""

from datetime import UTC, datetime
from typing import Any

from vestibule.model import Operation, Reading
from vestibule.policy.arguments import TooMuch, named
from vestibule.policy.methods import is_machinery
from vestibule.policy.question import Facts, Question, Verdict
from vestibule.protocol.cedar import CedarPolicies, NotCedar, cedar_moment, cedar_value

_MAX_KEPT = 1024

_EntityKey = tuple[Facts, str, str, str]


class CedarRules:
    """Implements `Engine`."""

    def __init__(self, policies: CedarPolicies) -> None:
        self._policies = policies
        self._entities: dict[_EntityKey, Any] = {}
        self.rule_names = policies.names

    def reading(self, upstream: str) -> Reading:
        return Reading.ARGUMENTS if self._policies.uses_arguments else Reading.NAME

    def is_lasting(self, upstream: str, operation: Operation, *, is_listing: bool) -> bool:
        return not self._policies.uses_now and (is_listing or not self._policies.uses_arguments)

    def decide(self, question: Question) -> Verdict:
        operation = question.operation
        if is_machinery(operation.method):
            return Verdict(True, why="no rule denies it")
        try:
            arguments = {} if question.is_listing else named(operation.arguments, self._policies.arguments)
            entities = self._entities_of(question)
        except TooMuch as error:
            return Verdict(False, why=str(error), noted=str(error))
        except NotCedar as error:
            return Verdict(False, why=str(error), noted="the call is none that Cedar can take")
        answer = self._policies.answer(
            entities,
            question.who.user,
            operation.method,
            operation.name,
            _context(question, arguments),
            is_listing=question.is_listing,
        )
        told = "it fits" if answer.policy else "no policy permits it"
        failed = "a policy cannot be evaluated"
        return Verdict(
            answer.is_allowed,
            answer.policy,
            answer.message,
            why=f"{failed}: {answer.failure}" if answer.failure else told,
            noted=failed if answer.failure else told,
        )

    def _entities_of(self, question: Question) -> Any:
        operation = question.operation
        key = (question.who, question.upstream, operation.method, operation.name)
        found = self._entities.get(key)
        if found is None:
            found = self._policies.entities(
                _attributes(question.who), operation.method, operation.name, question.upstream
            )
            if len(self._entities) >= _MAX_KEPT:
                self._entities.pop(next(iter(self._entities)))
            self._entities[key] = found
        return found


def _attributes(who: Facts) -> dict[str, Any]:
    return {**who._asdict(), "scopes": sorted(who.scopes), "roles": sorted(who.roles)}


def _context(question: Question, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "tenant": question.who.tenant,
        "upstream": question.upstream,
        "resource": question.resource,
        "method": question.operation.method,
        "name": question.operation.name,
        "now": cedar_moment(datetime.fromtimestamp(question.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
        "arguments": {name: cedar_value(value) for name, value in arguments.items()},
    }
