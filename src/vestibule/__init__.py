"""Vestibule: the front door for MCP servers."""

from importlib.metadata import version as _version

__all__ = ["__version__"]

__version__ = _version("vestibule")
