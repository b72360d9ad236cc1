"""What a limit says in headers: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10), Retry-After.

Structured fields (RFC 9651): a list of one string with parameters. The name of a policy is one of our own words.
"""

import math

from vestibule.errors import Allowance


def rate_limit_headers(allowance: Allowance) -> tuple[tuple[str, str], ...]:
    """The lines for an answer, names in lower case; Retry-After (RFC 9110 §10.2.3) only when it was refused.

    None where there is no limit.
    """
    if not allowance.limit:
        return ()
    name = f'"{allowance.policy}"'
    lines = (
        ("ratelimit-policy", f"{name};q={allowance.limit};w={allowance.window}"),
        ("ratelimit", f"{name};r={allowance.remaining};t={allowance.reset}"),
    )
    return (*lines, ("retry-after", str(allowance.retry_after))) if allowance.retry_after else lines


def whole_seconds(seconds: float) -> int:
    """Rounded up, so that whoever waits so long does not come too early."""
    return math.ceil(seconds - 1e-6)
