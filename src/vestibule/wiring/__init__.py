"""The composition root: configuration in, objects out. The only place that knows every class.

Its names are looked up when they are used: `wiring.library`, an application in process, needs neither the store nor the
configuration that the gateway has.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestibule.wiring.house import House
    from vestibule.wiring.running import Running, Serving, listen, serve, try_out
    from vestibule.wiring.settings import make_resources

__all__ = ["House", "Running", "Serving", "listen", "make_resources", "serve", "try_out"]

_HOMES = {
    "House": "house",
    "Running": "running",
    "Serving": "running",
    "listen": "running",
    "make_resources": "settings",
    "serve": "running",
    "try_out": "running",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
