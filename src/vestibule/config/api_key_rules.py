"""Rules about API keys: what they name must be there, and nobody may guess one."""

from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.errors import Fault
from vestibule.protocol.secrets_strength import HOW_TO_MAKE_ONE, check_api_key


def static_keys_are_strong(configuration: Configuration) -> Iterator[Fault]:
    for index, static in enumerate(configuration.api_keys.static):
        reason = check_api_key(static.key.reveal())
        if reason is not None:
            yield Fault(f"api_keys.static[{index}].key", reason, f"make one with: {HOW_TO_MAKE_ONE}")


def static_keys_name_what_there_is(configuration: Configuration) -> Iterator[Fault]:
    names = [static.name for static in configuration.api_keys.static]
    scopes = {upstream.name: set(upstream.scopes.offered) for upstream in configuration.upstreams}
    for index, static in enumerate(configuration.api_keys.static):
        where = f"api_keys.static[{index}]"
        first = names.index(static.name)
        if first != index:
            yield Fault(f"{where}.name", f"api_keys.static[{first}] has it already", "choose another")
        for number, name in enumerate(static.upstreams):
            if name not in scopes:
                yield Fault(f"{where}.upstreams[{number}]", "there is no such upstream", "correct the name")
        offered = set[str]().union(*(scopes.get(name, set()) for name in static.upstreams or scopes))
        for number, scope in enumerate(static.scopes):
            if scope not in offered:
                yield Fault(f"{where}.scopes[{number}]", "none of its upstreams has this scope", "correct it")


def keys_open_what_only_keys_open(configuration: Configuration) -> Iterator[Fault]:
    if configuration.api_keys.enabled:
        return
    for index, upstream in enumerate(configuration.upstreams):
        if upstream.access == "api-key-only":
            yield Fault(
                f"upstreams[{index}].access",
                "API keys are switched off, so nobody could use it",
                "use access: required",
            )
    if configuration.api_keys.static:
        yield Fault("api_keys.static", "API keys are switched off", "remove the keys, or api_keys.enabled: false")
