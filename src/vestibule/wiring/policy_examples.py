"""`vestibule policy test`: the same decision that the gateway takes, put to examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vestibule.config import Configuration, load
from vestibule.config.policy import PolicyConfig
from vestibule.config.policy_file import is_examples_file, read_examples_file
from vestibule.errors import ConfigurationError, Fault
from vestibule.model import PolicyExample, Resource, Upstream
from vestibule.policy import AccessPolicy
from vestibule.policy.examples import Result, run_example, unused_rules
from vestibule.wiring.policy import make_engine
from vestibule.wiring.settings import make_resources


@dataclass(frozen=True, slots=True)
class Tested:
    results: tuple[Result, ...]
    unused: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return bool(self.results) and not any(one.wrong for one in self.results)


def run_examples(file: Path, config: Path | None, environ: Mapping[str, str]) -> Tested:
    """`config`: None: upstreams are what the examples name, without scopes. Raises `ConfigurationError`."""
    examples: tuple[PolicyExample, ...]
    if is_examples_file(file):
        path, examples = read_examples_file(file)
        engine, _ = make_engine(_policy_at(path))
    else:
        engine, examples = make_engine(_policy_at(file))
    resources = _resources(load(file=config, environ=environ)) if config is not None else _named_in(examples)
    access = AccessPolicy([resource.upstream for resource in resources.values()], engine)
    _check_upstreams(examples, resources, file)
    results = tuple(run_example(one, access, resources[one.upstream]) for one in examples)
    return Tested(results, unused_rules(engine.rule_names, results))


def _policy_at(path: Path) -> PolicyConfig:
    return PolicyConfig(file=str(path), engine="cedar" if path.suffix == ".cedar" else "cel")


def _resources(configuration: Configuration) -> dict[str, Resource]:
    found = (one for one in make_resources(configuration) if not one.message_path and not one.upstream.members)
    return {resource.upstream.name: resource for resource in found}


def _named_in(examples: Sequence[PolicyExample]) -> dict[str, Resource]:
    names = dict.fromkeys(one.upstream for one in examples)
    return {
        name: Resource(f"https://mcp.example.com/{name}/mcp", f"/{name}/mcp", Upstream(name, "", access="anonymous"))
        for name in names
    }


def _check_upstreams(examples: Sequence[PolicyExample], resources: Mapping[str, Resource], file: Path) -> None:
    faults = tuple(
        Fault(
            f"examples[{index}].upstream",
            "there is no such upstream",
            f"it is one of {', '.join(resources)}",
            file.name,
        )
        for index, one in enumerate(examples)
        if one.upstream not in resources
    )
    if faults:
        raise ConfigurationError(faults)
