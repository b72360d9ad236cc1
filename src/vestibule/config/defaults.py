"""The one place for numbers. Secure by default; the bounds are what an operator may choose between."""

from datetime import timedelta

LISTEN = "127.0.0.1:8080"
STORE = "sqlite:///vestibule.db"
KEY_FILE = "vestibule.keys"
SCOPE = "mcp"

ACCESS_TOKEN_LIFETIME = timedelta(minutes=10)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
GRANT_LIFETIME = timedelta(days=400)
# Clients in the cloud register for many people from few addresses; a flood of 200 in ten seconds is none of theirs.
REGISTRATIONS_PER_HOUR = 150
UNUSED_CLIENTS = 10_000
UNUSED_CLIENT_LIFETIME = timedelta(days=7)
CODE_LIFETIME = timedelta(seconds=60)
REFRESH_GRACE = timedelta(seconds=45)
SESSION_LIFETIME = timedelta(hours=8)

# Under 30 s clients do nothing but refresh (mcp-remote was measured to, before nearly every request); over an hour a
# token is worth stealing. Codes are short-lived (RFC 6749 §4.1.2), and the grace is for lost answers only.
ACCESS_TOKEN_BOUNDS = (timedelta(seconds=30), timedelta(hours=1))
CLIENT_ACCESS_TOKEN_BOUNDS = (timedelta(seconds=30), timedelta(hours=24))  # for a client that is named
GRANT_BOUNDS = (timedelta(hours=1), timedelta(days=3650))
UNUSED_CLIENT_BOUNDS = (timedelta(hours=1), timedelta(days=365))
REFRESH_TOKEN_BOUNDS = (timedelta(minutes=5), timedelta(days=400))
CODE_BOUNDS = (timedelta(seconds=5), timedelta(seconds=60))
REFRESH_GRACE_BOUNDS = (timedelta(0), timedelta(seconds=120))
SESSION_BOUNDS = (timedelta(minutes=1), timedelta(days=30))

CONNECT_TIMEOUT = timedelta(seconds=3)
FIRST_BYTE_TIMEOUT = timedelta(seconds=120)
IDLE_STREAM_TIMEOUT = timedelta(minutes=15)
GRACEFUL_TIMEOUT = timedelta(seconds=10)
HSTS_MAX_AGE = timedelta(days=365)
HSTS_PRELOAD_AGE = timedelta(days=365)  # what hstspreload.org asks for at least
CERTIFICATE_WARNING = timedelta(days=14)  # a certificate that ends sooner is worth a note
OTLP_TIMEOUT = timedelta(seconds=10)
OTLP_BOUNDS = (timedelta(seconds=1), timedelta(minutes=1))
TIMEOUT_BOUNDS = (timedelta(milliseconds=100), timedelta(hours=24))

MAX_BODY = 10 * 1024 * 1024
MAX_HEAD = 32 * 1024
MAX_BODY_BOUNDS = (1024, 1024**3)
MAX_HEAD_BOUNDS = (4096, 1024**2)

MEMBER_DEADLINE = timedelta(seconds=10)  # of one upstream, for what several are asked
MEMBER_DEADLINE_BOUNDS = (timedelta(milliseconds=500), timedelta(minutes=1))
MOST_MEMBERS = 16  # of an aggregate: their sessions' ids, of some 40 characters each, are one of 1,024

JWKS_CACHE_TTL = timedelta(hours=1)
JWKS_CACHE_TTL_BOUNDS = (timedelta(seconds=1), timedelta(hours=24))

MIN_SECRET_LENGTH = 16  # characters of any secret but the root secret, which has rules of its own
COMMAND_IDLE = timedelta(minutes=10)
COMMAND_IDLE_BOUNDS = (timedelta(seconds=5), timedelta(days=1))
