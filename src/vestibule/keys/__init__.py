"""The key ring: seal, tag, sign. Everything is derived from root secrets; see `ring` and `file`."""

from vestibule.keys.file import load_or_create
from vestibule.keys.ring import KeyRing, RootKey

__all__ = ["KeyRing", "RootKey", "load_or_create"]
