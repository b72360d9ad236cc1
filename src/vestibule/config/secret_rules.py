"""Rules about secrets: one root, strong; none a sample, none used twice, none where others may read it."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from vestibule.config import defaults
from vestibule.config.models import Configuration
from vestibule.config.provider_rules import services
from vestibule.config.upstreams import StaticCredentialConfig
from vestibule.errors import Fault
from vestibule.model import Secret
from vestibule.protocol.secrets_strength import HOW_TO_MAKE_ONE, check_root_secret

_SAMPLE_PART = re.compile(
    r"change.?(?:me|this|it)|password|example|sample|placeholder|replace.?(?:me|this|with)|your[-_ ]|insecure|<[^>]*>|"
    r"\$\{|12345678|abcdefgh",
    re.IGNORECASE,
)
_SAMPLE_WHOLE = re.compile(
    r"(?:my|client|super|top|test|dev)?[-_ .]?(?:secret|token|key)[-_ .]?(?:key|value|here|[0-9]{1,4})?|(.)\1*",
    re.IGNORECASE,
)

_MAY_BE_THE_SAME = frozenset({("upstreams", "upstreams"), ("identity_providers", "resource_server.issuers")})


def there_is_one_root_secret(configuration: Configuration) -> Iterator[Fault]:
    given = configuration.model_fields_set
    if "secret_key" in given and "secret" in configuration.keys.model_fields_set:
        yield Fault("secret_key", "it is another name for keys.secret, which is there too", "keep one of them")
    elif configuration.secret_key is not None and "file" in configuration.keys.model_fields_set:
        yield Fault("keys.file", "the root secret is given as well", "keep one of them")


def root_secret_is_strong(configuration: Configuration) -> Iterator[Fault]:
    if configuration.secret_key is not None:
        reason = check_root_secret(configuration.secret_key.reveal())
        if reason is not None:
            yield Fault(_root_key(configuration), reason, f"make one with: {HOW_TO_MAKE_ONE}")


def previous_secrets_are_strong(configuration: Configuration) -> Iterator[Fault]:
    for index, secret in enumerate(configuration.keys.previous):
        where = f"keys.previous[{index}]"
        if configuration.secret_key is None:
            yield Fault(where, "there is no keys.secret for it to stand beside", "add one, or use keys.file")
        elif (reason := check_root_secret(secret.reveal())) is not None:
            yield Fault(where, reason, f"make one with: {HOW_TO_MAKE_ONE}")


def _root_key(configuration: Configuration) -> str:
    return "secret_key" if "secret_key" in configuration.model_fields_set else "keys.secret"


def secrets_are_not_samples(configuration: Configuration) -> Iterator[Fault]:
    for key, secret in _secrets(configuration):
        text = secret.reveal().removeprefix("Bearer ").removeprefix("Basic ")
        if key != _root_key(configuration) and (_SAMPLE_PART.search(text) or _SAMPLE_WHOLE.fullmatch(text)):
            yield Fault(key, "it looks like a sample value", "use the one that its issuer gave you")
        elif re.match(r"clients\[\d+\]", key) and len(text) < defaults.MIN_SECRET_LENGTH:
            yield Fault(key, f"it has fewer than {defaults.MIN_SECRET_LENGTH} characters", f"use {HOW_TO_MAKE_ONE}")


def secrets_differ(configuration: Configuration) -> Iterator[Fault]:
    """Each secret has one use. Only several upstreams may know us by the same one, and one application of ours at a
    service may sign people in and ask about tokens."""
    seen: dict[Secret, str] = {}
    for key, secret in _secrets(configuration):
        first = seen.setdefault(secret, key)
        if first != key and (first.partition("[")[0], key.partition("[")[0]) not in _MAY_BE_THE_SAME:
            yield Fault(key, f"it is the same secret as {first}", "give each its own")


def _secrets(configuration: Configuration) -> Iterator[tuple[str, Secret]]:
    if configuration.secret_key is not None:
        yield _root_key(configuration), configuration.secret_key
    for index, previous in enumerate(configuration.keys.previous):
        yield f"keys.previous[{index}]", previous
    for where, provider in services(configuration):
        if provider.client_secret is not None:
            yield f"{where}.client_secret", provider.client_secret
    for index, client in enumerate(configuration.clients):
        if client.client_secret is not None:
            yield f"clients[{index}].client_secret", client.client_secret
    for index, static in enumerate(configuration.api_keys.static):
        yield f"api_keys.static[{index}].key", static.key
    for index, upstream in enumerate(configuration.upstreams):
        if isinstance(upstream.credential, StaticCredentialConfig):
            yield f"upstreams[{index}].credential.value", upstream.credential.value
    for index, issuer in enumerate(configuration.resource_server.issuers):
        if issuer.client_secret is not None:
            yield f"resource_server.issuers[{index}].client_secret", issuer.client_secret
    if configuration.audit.otlp is not None:
        for name, value in configuration.audit.otlp.headers.items():
            yield f"audit.otlp.headers.{name}", value


def key_file_is_private(configuration: Configuration) -> Iterator[Fault]:
    if configuration.secret_key is not None or os.name != "posix":
        return
    path = Path(configuration.keys.file)
    try:
        status = path.lstat()
    except OSError:  # made at the first start; `keys` tells of what is in its way
        return
    if stat.S_ISLNK(status.st_mode):
        yield Fault("keys.file", "the key ring's file is a symbolic link", "name the file itself")
    elif status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield Fault("keys.file", f"other users may read the key ring (mode {mode})", f"run: chmod 600 {path}")
