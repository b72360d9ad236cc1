"""The same headers for every caller of an upstream, from secrets of the configuration; or none at all."""

from collections.abc import Sequence

from vestibule.model import Principal, Upstream


class StaticCredentials:
    """Implements `ports.CredentialSource` for `none` and `static`. Nothing is fetched."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._headers = {
            upstream.name: tuple(
                (name.lower().encode("ascii"), value.reveal().encode("latin-1"))
                for name, value in (upstream.credential.headers.items() if upstream.credential else ())
            )
            for upstream in upstreams
        }

    async def headers_for(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]]:
        return self._headers[upstream.name]

    def cached(self, principal: Principal | None, upstream: Upstream) -> Sequence[tuple[bytes, bytes]] | None:
        return self._headers[upstream.name]

    def drop(self, principal: Principal | None, upstream: Upstream) -> None:
        """A static header is what the operator wrote; there is no fresher one."""
