"""The control plane over HTTP: the table of routes, pages, cookies, rendering of errors. The only user of Starlette."""

from vestibule.web.app import build_app
from vestibule.web.plane import ControlPlane

__all__ = ["ControlPlane", "build_app"]
