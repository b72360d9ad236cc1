"""What people read: errors as what happened, why, and what to do. On stderr; stdout is for results."""

import json
import sys
from collections.abc import Sequence

from vestibule.errors import ConfigurationError, Fault, StartError, VestibuleError


def explain(error: VestibuleError) -> int:
    """Print an error for a person; returns the exit code."""
    if isinstance(error, ConfigurationError):
        print(f"The configuration cannot be used: {_count(error.faults)}.", file=sys.stderr)
        for fault in error.faults:
            print(f"\n  {fault.key}\n    {fault.reason}\n    fix: {fault.fix}", file=sys.stderr)
        return error.exit_code
    print(f"error: {error.message}", file=sys.stderr)
    if error.detail:
        print(f"  because: {error.detail}", file=sys.stderr)
    if error.action:
        print(f"  to do: {error.action}", file=sys.stderr)
    return error.exit_code if isinstance(error, StartError) else 1


def faults_as_json(faults: Sequence[Fault]) -> str:
    return json.dumps(
        {
            "sound": not faults,
            "faults": [{"key": fault.key, "reason": fault.reason, "fix": fault.fix} for fault in faults],
        },
        indent=2,
    )


def _count(faults: Sequence[Fault]) -> str:
    return "one fault" if len(faults) == 1 else f"{len(faults)} faults"
