"""What opens the inner door. The client's token is not an argument of anything here."""

from vestibule.credentials.provider_tokens import KeptProviderTokens
from vestibule.credentials.static import StaticCredentials

__all__ = ["KeptProviderTokens", "StaticCredentials"]
