"""The one place for numbers. Secure by default; what may be changed, and within which bounds, `models` says."""

from datetime import timedelta

LISTEN = "127.0.0.1:8080"
STORE = "sqlite:///vestibule.db"
KEY_FILE = "vestibule.keys"
SCOPE = "mcp"

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
CODE_LIFETIME = timedelta(seconds=60)
REFRESH_GRACE = timedelta(seconds=45)
SESSION_LIFETIME = timedelta(hours=8)
GRACEFUL_TIMEOUT = timedelta(seconds=10)

CONNECT_TIMEOUT = timedelta(seconds=3)
FIRST_BYTE_TIMEOUT = timedelta(seconds=120)
IDLE_STREAM_TIMEOUT = timedelta(minutes=15)

MAX_BODY = 10 * 1024 * 1024
MAX_HEAD = 32 * 1024
