"""From the operator's file of rules to the one decision about calls."""

from pathlib import Path

from vestibule.config import Configuration
from vestibule.config.policy import PolicyConfig
from vestibule.model import PolicyExample, Resource
from vestibule.policy import AccessPolicy, Engine


def make_permission(configuration: Configuration, resources: tuple[Resource, ...]) -> AccessPolicy:
    """Raises `ConfigurationError` for a file of rules that has changed since it was checked."""
    engine = make_engine(configuration.policy)[0] if configuration.policy is not None else None
    return AccessPolicy([resource.upstream for resource in resources], engine)


def make_engine(policy: PolicyConfig) -> tuple[Engine, tuple[PolicyExample, ...]]:
    """The rules, ready, and the examples that the file has. Raises `ConfigurationError`."""
    from vestibule.config.policy_file import read_cedar_file, read_policy_file  # 1 MB, for those who have rules

    if policy.engine == "cedar":
        from vestibule.policy.cedar import CedarRules

        return CedarRules(read_cedar_file(Path(policy.file))), ()
    from vestibule.policy.rules import CelRules

    read = read_policy_file(Path(policy.file))
    return CelRules(read.policy), read.examples
