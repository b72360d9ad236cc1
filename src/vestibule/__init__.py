"""Vestibule: the front door for MCP servers."""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # reads e-mail headers: 2 MB that only a question for it is worth

        return version("vestibule")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
