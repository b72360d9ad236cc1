"""The small seams: time, chance, names."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""The time, in UTC."""

Entropy: TypeAlias = Callable[[int], bytes]
"""That many unpredictable bytes."""

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host name, as text, all of them."""
