"""Patterns of names, in which only `*` (any run of characters) and `?` (any one) are special.

`[` and everything else stands for itself, and case counts: `Delete_*` is not `delete_*`.
"""

import fnmatch
import re
from collections.abc import Iterable
from typing import TypeAlias

Patterns: TypeAlias = tuple[re.Pattern[str], ...]


def compile_patterns(patterns: Iterable[str]) -> Patterns:
    return tuple(compile_pattern(pattern) for pattern in patterns)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """fnmatch writes it with atomic groups, so that a name made for it costs no more than another."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def fits(patterns: Patterns, name: str) -> bool:
    return any(pattern.match(name) for pattern in patterns)
