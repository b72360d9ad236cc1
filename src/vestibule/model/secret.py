"""A string that cannot be printed by accident."""

import hashlib
import hmac
from typing import Any, NoReturn, TypeAlias

TokenDigest: TypeAlias = bytes
"""SHA-256 of a secret with at least 128 bits of entropy. What the store keeps instead of the secret."""


class Secret:
    """Holds a secret; `repr`, `str`, formatting and pickling give nothing away. `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def digest(self) -> TokenDigest:
        return digest(self._value)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: Any) -> "Secret":
        return self


def digest(secret: str) -> TokenDigest:
    """SHA-256 of `secret`. Fast on purpose: it is for random tokens, never for passwords."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
