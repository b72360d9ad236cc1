"""What opens the inner door. The client's token is not an argument of anything here."""

from vestibule.credentials.static import StaticCredentials

__all__ = ["StaticCredentials"]
