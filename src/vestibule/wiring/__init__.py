"""The composition root: configuration in, objects out. The only place that knows every class."""

from vestibule.wiring.house import House, Running, listen, serve
from vestibule.wiring.settings import make_resources

__all__ = ["House", "Running", "listen", "make_resources", "serve"]
