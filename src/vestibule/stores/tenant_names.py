"""What a tenant's schema or file is called: readable, and its own whatever the tenant is called.

The readable part is letters, digits and `_` only; the rest is a digest of the whole name and of the store that it hangs
on, so that neither two tenants nor two stores in one database meet. Nothing of a name reaches SQL or a path as it is.
"""

import hashlib
import re

from vestibule.model import TenantId

LONGEST = 63  # bytes of an identifier of PostgreSQL's
_READABLE = 24


def room_name(tenant: TenantId, home: str = "") -> str:
    """`t_acme_1f0c…`: at most 59 characters of a-z, 0-9 and _. `home`: the schema of the store."""
    slug = re.sub(r"[^a-z0-9]+", "_", tenant[:200].lower())[:_READABLE].strip("_")
    digest = hashlib.sha256(f"{home}\n{tenant}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"t_{slug}_{digest}" if slug else f"t_{digest}"
