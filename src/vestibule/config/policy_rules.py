"""Rules about the policy, and about what upstreams say of scopes and tenants."""

from collections.abc import Iterator
from pathlib import Path

from vestibule.config.models import Configuration
from vestibule.errors import ConfigurationError, Fault
from vestibule.protocol.patterns import compile_pattern

_KINDS = ("tools", "prompts", "resources")


def scopes_of_patterns_say_something(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        for kind in _KINDS:
            for pattern, scopes in getattr(upstream.scopes, kind).items():
                key = f"upstreams[{index}].scopes.{kind}.{pattern}"
                if scopes and not set(scopes) - set(upstream.scopes.default):
                    yield Fault(key, "every call needs these scopes already", "remove it, or take them out of default")


def tenants_need_a_sign_in(configuration: Configuration) -> Iterator[Fault]:
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.tenants and upstream.access == "anonymous":
            yield Fault(
                f"upstreams[{index}].tenants",
                "it is open to everybody, and nobody knows whose person somebody is who has not signed in",
                "use access: required, or remove it",
            )


def policy_is_sound(configuration: Configuration) -> Iterator[Fault]:
    """Every fault of the file of rules, as if it were a part of this one."""
    policy = configuration.policy
    if policy is None:
        return
    is_cedar = policy.file.endswith(".cedar")
    if is_cedar != (policy.engine == "cedar"):
        fix = "write engine: cedar" if is_cedar else "name a .cedar file, or remove engine"
        yield Fault("policy.engine", "the file is in the other language", fix)
    elif not Path(policy.file).is_file():
        yield Fault("policy.file", "there is no such file", "name the file of rules, seen from where the server starts")
    elif is_cedar:
        yield from _faults_of_cedar(Path(policy.file))
    else:
        yield from _faults_of_rules(Path(policy.file), configuration)


def _faults_of_cedar(path: Path) -> Iterator[Fault]:
    from vestibule.config.policy_file import read_cedar_file

    try:
        read_cedar_file(path)
    except ConfigurationError as error:
        yield from error.faults


def _faults_of_rules(path: Path, configuration: Configuration) -> Iterator[Fault]:
    from vestibule.config.policy_file import read_policy_file

    try:
        read = read_policy_file(path)
    except ConfigurationError as error:
        yield from error.faults
        return
    names = [upstream.name for upstream in configuration.upstreams]
    for index, rule in enumerate(read.policy.rules):
        for number, pattern in enumerate(rule.upstreams):
            if not any(compile_pattern(pattern).match(name) for name in names):
                line = read.lines[f"rules[{index}].upstreams"]
                key = f"rules[{index}].upstreams[{number}]"
                fix = f"the upstreams are {', '.join(names)}"
                yield Fault(key, "no upstream fits it", fix, f"{path.name}:{line}")
