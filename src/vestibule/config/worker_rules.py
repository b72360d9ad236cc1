"""Rules about several processes on one computer, and about what cannot change while they run."""

import os
from collections.abc import Iterator

from vestibule.config.models import Configuration
from vestibule.errors import Fault

_FIXED = ("listen", "store", "keys", "secret_key", "workers")


def workers_count_together(configuration: Configuration) -> Iterator[Fault]:
    limits = configuration.limits
    counts = bool(limits.default or limits.mcp or limits.oauth or limits.upstreams or limits.grants)
    if configuration.workers > 1 and counts and configuration.shared == "memory":
        yield Fault(
            "workers",
            f"limits are configured, and each of the {configuration.workers} workers would count for itself: a caller "
            "whom all of them serve could do so many times as much",
            "add shared: redis://…, or use one worker",
        )


def workers_share_one_store(configuration: Configuration) -> Iterator[Fault]:
    if configuration.workers > 1 and configuration.store in ("sqlite://", "sqlite:///:memory:"):
        yield Fault(
            "store",
            "each worker would have a temporary store of its own",
            "write sqlite:///vestibule.db, or one worker",
        )


def workers_need_posix(configuration: Configuration) -> Iterator[Fault]:
    if configuration.workers > 1 and os.name != "posix":
        yield Fault("workers", "this system does not let processes share a socket the way it is done here", "use 1")


WORKER_RULES = (workers_count_together, workers_share_one_store, workers_need_posix)


def faults_of_change(before: Configuration, after: Configuration) -> list[Fault]:
    """What a reload would have to leave as it is."""
    changed = [key for key in _FIXED if getattr(before, key) != getattr(after, key)]
    if (before.tls is None) != (after.tls is None):
        changed.append("tls")
    return [
        Fault(key, "it cannot change while the server runs", "restart it, or put the old value back") for key in changed
    ]
