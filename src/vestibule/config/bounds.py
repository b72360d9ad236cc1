"""Rules about numbers: every duration and size within what `defaults` allows."""

from collections.abc import Iterator
from datetime import timedelta

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.values import write_duration
from vestibule.errors import Fault


def durations_are_within_bounds(configuration: Configuration) -> Iterator[Fault]:
    tokens, http = configuration.tokens, configuration.http
    yield from _between("tokens.access_token_lifetime", tokens.access_token_lifetime, defaults.ACCESS_TOKEN_BOUNDS)
    yield from _between("tokens.refresh_token_lifetime", tokens.refresh_token_lifetime, defaults.REFRESH_TOKEN_BOUNDS)
    yield from _between("tokens.code_lifetime", tokens.code_lifetime, defaults.CODE_BOUNDS)
    yield from _between("tokens.refresh_grace", tokens.refresh_grace, defaults.REFRESH_GRACE_BOUNDS)
    yield from _between("tokens.session_lifetime", tokens.session_lifetime, defaults.SESSION_BOUNDS)
    yield from _between("tokens.grant_lifetime", tokens.grant_lifetime, defaults.GRANT_BOUNDS)
    yield from _between(
        "registration.unused_lifetime", configuration.registration.unused_lifetime, defaults.UNUSED_CLIENT_BOUNDS
    )
    for index, rule in enumerate(tokens.clients):
        where = f"tokens.clients[{index}]"
        if rule.access_token_lifetime is not None:
            bounds = defaults.CLIENT_ACCESS_TOKEN_BOUNDS
            yield from _between(f"{where}.access_token_lifetime", rule.access_token_lifetime, bounds)
        if rule.refresh_token_lifetime is not None:
            bounds = defaults.REFRESH_TOKEN_BOUNDS
            yield from _between(f"{where}.refresh_token_lifetime", rule.refresh_token_lifetime, bounds)
        if rule.grant_lifetime is not None:
            yield from _between(f"{where}.grant_lifetime", rule.grant_lifetime, defaults.GRANT_BOUNDS)
    yield from _between("http.graceful_timeout", http.graceful_timeout, defaults.TIMEOUT_BOUNDS)
    for index, upstream in enumerate(configuration.upstreams):
        for key in ("connect", "first_byte", "idle_stream"):
            yield from _between(
                f"upstreams[{index}].timeouts.{key}", getattr(upstream.timeouts, key), defaults.TIMEOUT_BOUNDS
            )


def sizes_are_within_bounds(configuration: Configuration) -> Iterator[Fault]:
    for key, value, (least, most) in (
        ("http.max_body", configuration.http.max_body, defaults.MAX_BODY_BOUNDS),
        ("http.max_head", configuration.http.max_head, defaults.MAX_HEAD_BOUNDS),
    ):
        if not least <= value <= most:
            yield Fault(key, f"it is not between {least} and {most} bytes", "choose one in between")


def refresh_tokens_outlive_access_tokens(configuration: Configuration) -> Iterator[Fault]:
    if configuration.tokens.refresh_token_lifetime < configuration.tokens.access_token_lifetime:
        yield Fault("tokens.refresh_token_lifetime", "it is shorter than access_token_lifetime", "make it longer")
    for index, rule in enumerate(configuration.tokens.clients):
        refresh = rule.refresh_token_lifetime or configuration.tokens.refresh_token_lifetime
        access = rule.access_token_lifetime or configuration.tokens.access_token_lifetime
        if refresh < access:
            yield Fault(
                f"tokens.clients[{index}].refresh_token_lifetime",
                "it is shorter than its access_token_lifetime",
                "make it longer",
            )


def _between(key: str, value: timedelta, bounds: tuple[timedelta, timedelta]) -> Iterator[Fault]:
    shortest, longest = bounds
    if not shortest <= value <= longest:
        yield Fault(
            key, f"it is not between {write_duration(shortest)} and {write_duration(longest)}", "choose one in between"
        )
