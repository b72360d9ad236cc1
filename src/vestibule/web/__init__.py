"""The control plane over HTTP: the table of routes, pages, cookies, rendering of errors. The only user of Starlette.

Its names are looked up when they are used: `web.protect`, the door of an application in process, needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vestibule.web.app import build_app
    from vestibule.web.plane import ControlPlane

__all__ = ["ControlPlane", "build_app"]

_HOMES = {"ControlPlane": "plane", "build_app": "app"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
