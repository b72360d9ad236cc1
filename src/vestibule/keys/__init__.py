"""The key ring: seal, tag, sign. Everything is derived from root secrets; see `ring`, `file` and `rotation`."""

from vestibule.keys.file import load_or_create, read_roots, write_roots
from vestibule.keys.ring import KeyRing, RootKey
from vestibule.keys.rotation import KeyStatus, replace_leaked, rotate, status

__all__ = [
    "KeyRing",
    "KeyStatus",
    "RootKey",
    "load_or_create",
    "read_roots",
    "replace_leaked",
    "rotate",
    "status",
    "write_roots",
]
