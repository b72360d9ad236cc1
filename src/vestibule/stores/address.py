"""Which database the operator's `store` names.

`sqlite:///file.db` is a file beside the working directory, `sqlite:////var/lib/vestibule/store.db` an absolute one,
`sqlite://` a temporary one that goes with the process; `postgresql://user:password@host/database` is PostgreSQL. An
address may hold a password, so what is shown of it is put together anew from the parts that may be shown.
"""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from vestibule.errors import StartError

TEMPORARY = "sqlite://"
_FIX = "Write sqlite:///vestibule.db or postgresql://user:password@host/database."
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",  # what Heroku, Railway and Render write
}


def read_address(address: str) -> URL:
    """The address with the driver that we use. Raises `StartError`, which repeats nothing of it but its kind."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StartError("The store's address cannot be read.", action=_FIX) from None
    kind = url.drivername.partition("+")[0]
    if kind not in _DRIVERS:
        raise StartError(f"There is no store of the kind {kind[:40]!r}.", action=_FIX)
    return url.set(drivername=_DRIVERS[kind])


def is_temporary(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def describe(url: URL) -> str:
    """The address for people and logs: never a user's password, nor a parameter (`?password=` is one)."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{url.database}"
    host = url.host or str(url.query.get("host", "localhost"))
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"
