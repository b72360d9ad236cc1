"""SQLAlchemy's asyncio engine without its ORM.

The package `sqlalchemy.ext.asyncio` imports its session next to its engine, and with the session the whole ORM: 6 MB
and 0.2 s at start for what nothing here uses. `sqlalchemy.ext.asyncio.engine` needs none of it. So while that module is
imported, the package is an empty one with the right path; afterwards it is forgotten, and whoever asks for the real one
gets it, with the same engine in it.
"""

import sys
from importlib.util import find_spec, module_from_spec

_PACKAGE = "sqlalchemy.ext.asyncio"
_spec = find_spec(_PACKAGE) if _PACKAGE not in sys.modules else None
if _spec is not None:
    sys.modules[_PACKAGE] = module_from_spec(_spec)  # made, not run
try:
    from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine
finally:
    if _spec is not None:
        del sys.modules[_PACKAGE]

__all__ = ["AsyncConnection", "AsyncEngine", "create_async_engine"]
