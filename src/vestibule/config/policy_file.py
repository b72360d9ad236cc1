"""From a file of rules to a `Policy`, or to all of its faults at once, each with its line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vestibule.config.faults import faults_of
from vestibule.config.policy_models import ExampleConfig, ExamplePrincipalConfig, ExamplesFile, PolicyFile, RuleConfig
from vestibule.config.sections import Model
from vestibule.config.yaml_file import Document, read_file
from vestibule.errors import ConfigurationError, Fault
from vestibule.model import Operation, Policy, PolicyExample, Principal, Rule
from vestibule.protocol.cedar import CedarPolicies, NoCedar, NotCedar
from vestibule.protocol.cel import NAMES, Condition, NoCel, NotACondition, argument_names

_M = TypeVar("_M", bound=Model)
_FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    policy: Policy
    examples: tuple[PolicyExample, ...]
    lines: Mapping[str, int]  # by key: rules[0].upstreams


def read_policy_file(path: Path) -> ReadPolicy:
    """Raises `ConfigurationError` with every fault; conditions are compiled, too."""
    document = read_file(path)
    read = _validate(document, path, PolicyFile)
    faults = [_placed(fault, document, path) for fault in _faults_of_rules(read)]
    faults += [_placed(fault, document, path) for fault in _faults_of_examples(read.examples)]
    if faults:
        raise ConfigurationError(tuple(faults))
    policy = Policy(default=read.default, rules=tuple(map(_rule, read.rules)))
    examples = tuple(_example(one, index) for index, one in enumerate(read.examples))
    return ReadPolicy(policy, examples, document.lines)


def read_examples_file(path: Path) -> tuple[Path, tuple[PolicyExample, ...]]:
    """The policy's file, and the examples. Raises `ConfigurationError`."""
    document = read_file(path)
    read = _validate(document, path, ExamplesFile)
    if faults := tuple(_placed(fault, document, path) for fault in _faults_of_examples(read.examples)):
        raise ConfigurationError(faults)
    return path.parent / read.policy, tuple(_example(one, index) for index, one in enumerate(read.examples))


def read_cedar_file(path: Path) -> CedarPolicies:
    """Raises `ConfigurationError`."""
    try:
        return CedarPolicies(path.read_text("utf-8"))
    except NoCedar:
        raise _unusable(path, "rules in Cedar need the package cedarpy", "pip install 'vestibule[cedar]'") from None
    except NotCedar as error:
        raise _unusable(path, str(error), "correct it; docs/policy.md has the names and types") from None
    except (OSError, UnicodeDecodeError):
        raise _unusable(path, "the file cannot be read", "check its mode; save it as UTF-8 text") from None


def _unusable(path: Path, reason: str, fix: str) -> ConfigurationError:
    return ConfigurationError((Fault(path.name, reason, fix, path.name),))


def is_examples_file(path: Path) -> bool:
    values = read_file(path).values
    return isinstance(values, dict) and "policy" in values


def _validate(document: Document, path: Path, model: type[_M]) -> _M:
    if document.faults:
        raise ConfigurationError(tuple(_placed(fault, document, path) for fault in document.faults))
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        faults = faults_of(error, document.values, model)
        raise ConfigurationError(tuple(_placed(fault, document, path) for fault in faults)) from None


def _placed(fault: Fault, document: Document, path: Path) -> Fault:
    key = fault.key
    if key.startswith((f"{path.name}:", str(path))):  # the text itself cannot be read
        return Fault(key, fault.reason, fault.fix, key)
    while key and key not in document.lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    line = document.lines.get(key, 1)
    return Fault(fault.key, fault.reason, fault.fix, f"{path.name}:{line}")


def _faults_of_rules(read: PolicyFile) -> Iterator[Fault]:
    names = Counter(rule.name for rule in read.rules)
    for index, rule in enumerate(read.rules):
        where = f"rules[{index}]"
        if names[rule.name] > 1:
            yield Fault(f"{where}.name", "another rule has this name", "choose another")
        if rule.name == "default":
            yield Fault(f"{where}.name", "that is what no rule decides", "choose another")
        if rule.effect == "allow" and read.default == "allow":
            yield Fault(
                f"{where}.effect", "it changes nothing: what no rule denies is allowed", "write default: deny, or deny"
            )
        if rule.effect == "allow" and rule.message:
            yield Fault(f"{where}.message", "nobody reads it: the rule allows", "remove it")
        yield from _faults_of_patterns(rule, where)
        yield from _faults_of_condition(rule, where)
    if read.default == "deny" and not any(rule.effect == "allow" for rule in read.rules):
        yield Fault("default", "nothing would be allowed to anybody", "add a rule that allows, or write default: allow")


def _faults_of_patterns(rule: RuleConfig, where: str) -> Iterator[Fault]:
    about = [kind for kind in ("tools", "prompts", "resources") if getattr(rule, kind)]
    if rule.methods and about:
        yield Fault(f"{where}.methods", f"{about[0]} says which method already", "remove one of the two")
    for number, name in enumerate(rule.arguments):
        if rule.arguments.index(name) != number:
            yield Fault(f"{where}.arguments[{number}]", "it stands there twice", "remove one")


def _fix_of_condition(wrong: str) -> str:
    if "overload" in wrong:
        return 'compare what is of one type: text == text, and "support" in principal.roles'
    if "Syntax error" in wrong:
        return 'write it in CEL, such as "support" in principal.roles && tool == "search"'
    return f"the names there are {', '.join(NAMES)}"


def _faults_of_condition(rule: RuleConfig, where: str) -> Iterator[Fault]:
    if not rule.when:
        if rule.arguments:
            yield Fault(f"{where}.arguments", "there is no condition that looks at them", "add when, or remove them")
        return
    try:
        condition = Condition(rule.when)
    except NotACondition as error:
        yield Fault(f"{where}.when", str(error), _fix_of_condition(str(error)))
        return
    except NoCel:
        yield Fault(
            f"{where}.when", "conditions need the package cel-expr-python", "install it: pip install 'vestibule[cel]'"
        )
        return
    unnamed = sorted(argument_names(rule.when) - {*rule.arguments}) if condition.uses_arguments else []
    if unnamed:
        yield Fault(f"{where}.when", f"arguments does not name {', '.join(unnamed)}", "add it to the rule's arguments")
    elif condition.uses_arguments and not rule.arguments:
        yield Fault(f"{where}.arguments", "when looks at arguments, and none is named", "name those that it may see")
    elif rule.arguments and not condition.uses_arguments:
        yield Fault(f"{where}.arguments", "when does not look at them", "remove them: reading them takes time")


def _faults_of_examples(examples: Sequence[ExampleConfig]) -> Iterator[Fault]:
    for index, one in enumerate(examples):
        given = [kind for kind in ("tool", "prompt", "resource") if getattr(one, kind)]
        if len(given) > 1:
            yield Fault(f"examples[{index}].{given[1]}", f"{given[0]} is there too", "make two examples of it")
        if not given and not one.method:
            yield Fault(f"examples[{index}]", "it says not what is asked for", "give tool, prompt, resource or method")


def _rule(one: RuleConfig) -> Rule:
    return Rule(
        name=one.name,
        effect=one.effect,
        when=one.when,
        message=one.message,
        upstreams=one.upstreams,
        tools=one.tools,
        prompts=one.prompts,
        resources=one.resources,
        methods=one.methods,
        arguments=one.arguments,
    )


def _example(one: ExampleConfig, index: int) -> PolicyExample:
    who = one.principal if isinstance(one.principal, ExamplePrincipalConfig) else None
    operation = _operation(one)
    return PolicyExample(
        name=one.name or f"examples[{index}]: {operation.method} {operation.name}".strip(),
        principal=_principal(who) if who is not None else None,
        upstream=one.upstream,
        operation=operation,
        expect=one.expect,
        now=one.now,
        rule=one.rule,
        missing=one.missing,
        has_scopes=who is None or who.scopes is not None,
    )


def _operation(one: ExampleConfig) -> Operation:
    arguments: Mapping[str, Any] | None = one.arguments or None
    if one.method:
        return Operation(one.method, one.tool or one.prompt or one.resource, arguments)
    if one.tool:
        return Operation("tools/call", one.tool, arguments)
    if one.prompt:
        return Operation("prompts/get", one.prompt, arguments)
    return Operation("resources/read", one.resource, arguments)


def _principal(one: ExamplePrincipalConfig) -> Principal:
    return Principal(
        issuer=one.issuer,
        subject=one.subject or one.user.partition(":")[2],
        user=one.user,
        tenant=one.tenant,
        client_id=one.client_id,
        scopes=frozenset(one.scopes or ()),
        resource="",
        grant_id="",
        token_id="",
        expires_at=_FOREVER,
        identity_issuer=one.issuer,
        roles=frozenset(one.roles),
        shown=one.shown,
    )
