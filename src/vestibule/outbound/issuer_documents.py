"""An issuer's metadata and keys, read once for all who wait and kept: the one place where that is done.

    fresh      for as long as the issuer's Cache-Control says, within bounds; nobody waits
    stale      the next who asks has it read anew, and waits a moment for that, no more; then the last good one serves
    failing    the issuer did not answer: the last good one goes on being used, and it is asked again after a pause
    empty      it has never answered: whoever waits gets nothing, so the pause is a second, and who clicks again gets in
    untrusted  for a whole day nobody could read it: it is used no more

A token whose key is not known allows one more look, no more than one in ten seconds: after it whoever names an unknown
key is answered at once, whatever the issuer does. Nothing that was good is ever replaced by what cannot be used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

from vestibule.errors import FetchError
from vestibule.oauth_client.discovery import MetadataError, metadata_urls, read_key_metadata
from vestibule.ports import Clock, HttpAnswer, HttpClient, IssuerMetadata
from vestibule.protocol.json_body import UnreadableJson, read_object

if TYPE_CHECKING:
    from vestibule.protocol.jwt import KeySet, Verified

KEEP = timedelta(hours=1)  # and never longer than that, whatever the issuer says, unless the operator does
KEEP_AT_LEAST = timedelta(minutes=1)  # however short the issuer says: nobody asks at every request
TRUSTED_FOR = timedelta(hours=24)  # from the last good answer on, while the issuer does not give another
RETRY = timedelta(seconds=30)  # after a failure, while there is something to go on with
RETRY_EMPTY = timedelta(seconds=1)  # after a failure, while there is nothing: a person tries again, a flood does not
REFETCH_COOLDOWN = timedelta(seconds=10)  # between two looks for unknown keys
PATIENCE = timedelta(milliseconds=500)  # that somebody waits for news of something stale
DEADLINE = timedelta(seconds=5)  # from asking to the last byte
MAX_DOCUMENT = 512 * 1024  # bytes
BIG_DOCUMENT = 32 * 1024  # bytes; read beside the loop

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "jwks_uri",
    "userinfo_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
)

Kind = TypeVar("Kind")
Found = tuple[Kind, timedelta]  # a value, and for how long it is fresh
_NEVER = datetime.min.replace(tzinfo=UTC)


class _Kept(Generic[Kind]):
    """One value that is read again when it is old, by one flight for all who wait."""

    def __init__(self, read: Callable[[], Awaitable[Found[Kind]]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._value: Kind | None = None
        self._fresh_until = self._trusted_until = self._retry_at = self._looked_at = _NEVER
        self._failure: FetchError | None = None  # of the last try
        self._flight: asyncio.Task[None] | None = None

    @property
    def failure(self) -> FetchError | None:
        return self._failure

    def at_hand(self) -> Kind | None:
        """The value, while it is trusted."""
        return self._value if self._clock() < self._trusted_until else None

    async def get(self) -> Kind:
        """Raises `FetchError` when there is none to be trusted."""
        now, value = self._clock(), self.at_hand()
        if value is not None and now < self._fresh_until:
            return value
        if self._pauses(now) and self._flight is None:
            if value is not None:
                return value
            raise _again(self._failure)
        flight = self._fly()
        if value is None:
            await asyncio.wait({flight})
        elif self._failure is None:  # who failed before is not waited for: the last good value goes on
            await asyncio.wait({flight}, timeout=PATIENCE.total_seconds())
        found = self.at_hand()
        if found is None:
            raise _again(self._failure)
        return found

    def _pauses(self, now: datetime) -> bool:
        """Not for longer than a pause is long: a clock that was set back keeps nobody waiting."""
        return now < self._retry_at <= now + (RETRY_EMPTY if self.at_hand() is None else RETRY)

    async def look_again(self) -> Kind | None:
        """The value read anew; None when that was tried a moment ago."""
        flight = self._flight
        if flight is None:
            if self._clock() - self._looked_at < REFETCH_COOLDOWN:
                return None
            self._looked_at = self._clock()
            flight = self._fly()
        await asyncio.wait({flight})
        return self.at_hand()

    def _fly(self) -> asyncio.Task[None]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._try())
        return self._flight

    async def _try(self) -> None:
        """Never raises: a flight belongs to nobody, and those who wait for it may leave."""
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                value, fresh_for = await self._read()
            now = self._clock()
            self._value, self._failure = value, None
            self._fresh_until, self._trusted_until = now + fresh_for, now + max(fresh_for, TRUSTED_FOR)
        except FetchError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(FetchError("No answer came in time.", detail=f"none within {DEADLINE.total_seconds():.0f} s"))
        finally:
            self._flight = None

    def _fail(self, error: FetchError) -> None:
        self._failure = error
        self._retry_at = self._clock() + (RETRY_EMPTY if self.at_hand() is None else RETRY)


def _again(failure: FetchError | None) -> FetchError:
    """What all who waited are told: an error of their own, because each traceback grows with its raising."""
    return FetchError(failure.message, detail=failure.detail) if failure is not None else FetchError("No answer came.")


class HttpIssuerDocuments:
    """Of one issuer. Implements `ports.IssuerDocuments`."""

    def __init__(
        self,
        issuer: str,
        *,
        http: HttpClient,
        clock: Clock,
        urls: Sequence[str] = (),
        jwks_uri: str = "",
        ttl: timedelta = KEEP,
        read: Callable[..., IssuerMetadata] = read_key_metadata,
        log: Callable[..., None] | None = None,
    ) -> None:
        """`issuer`: what its document must call itself, to the letter. `urls`: where the document may stand, tried in
        order; empty: where the standards put it. `jwks_uri`: where the keys are, if the document is not to be asked."""
        self._issuer = issuer
        self._urls = tuple(urls) or metadata_urls(issuer)
        self._jwks_uri = jwks_uri
        self._ttl = ttl
        self._read = read
        self._http = http
        self._log = log
        self._metadata = _Kept(self._read_metadata, clock)
        self._keys: _Kept[KeySet] = _Kept(self._read_keys, clock)
        self._clock = clock

    async def metadata(self) -> IssuerMetadata:
        return await self._metadata.get()

    async def verified(self, token: str, *, algorithms: Collection[str] = ()) -> "Verified":
        from vestibule.protocol.jwt import ASYMMETRIC_ALGORITHMS, UnknownKey  # brings the JOSE library: 3 MB

        keys = await self._keys.get()
        if not algorithms and not self._jwks_uri:
            algorithms = (await self.metadata()).signing_algorithms
        algorithms = algorithms or tuple(ASYMMETRIC_ALGORITHMS)  # and each key is for its own only
        try:
            return keys.verify(token, algorithms=algorithms)
        except UnknownKey:
            newer = await self._keys.look_again()
            if newer is None or newer is keys:
                if (failure := self._keys.failure) is not None:  # it may be a new key, which we could not read
                    raise _again(failure) from None
                raise
        return newer.verify(token, algorithms=algorithms)

    async def _read_metadata(self) -> Found[IssuerMetadata]:
        *others, last = self._urls
        for url in others:
            answer = await self._http.get(url)
            if answer.status not in (400, 401, 403, 404, 405, 406, 410):
                return self._understand(url, answer)
        return self._understand(last, await self._http.get(last))

    def _understand(self, url: str, answer: HttpAnswer) -> Found[IssuerMetadata]:
        body = _body_of(url, answer)
        try:
            found = self._read(body, issuer=self._issuer)
        except MetadataError as error:
            raise FetchError("The document cannot be used.", detail=f"{url}: {error}") from error
        self._check_not_moved(found)
        return found, KEEP

    def _check_not_moved(self, found: IssuerMetadata) -> None:
        """An issuer whose endpoints are at another host all of a sudden gets neither our secrets nor our trust.

        What was known goes on for its day, or until a restart: time enough for the operator to read the log.
        """
        known = self._metadata.at_hand()
        if known is None:
            return
        moved = [name for name in _ENDPOINTS if _has_moved(getattr(known, name), getattr(found, name))]
        if not moved:
            return
        if self._log is not None:
            self._log("issuer_endpoints_moved", level="error", issuer=self._issuer, endpoints=moved)
        raise FetchError("The document cannot be used.", detail=f"{self._issuer}: {moved} are at another host")

    async def _read_keys(self) -> "Found[KeySet]":
        from vestibule.protocol.jwt import JwtError

        url = self._jwks_uri or (await self._metadata.get()).jwks_uri
        answer = await self._http.get(url)
        body = _body_of(url, answer)
        try:
            keys = await asyncio.to_thread(_read_set, body) if len(body) > BIG_DOCUMENT else _read_set(body)
        except (UnreadableJson, JwtError) as error:
            raise FetchError("The keys cannot be used.", detail=f"{url}: {error}") from error
        self._tell_of_replacement(keys)
        return keys, fresh_for(answer.headers, self._ttl, self._clock())

    def _tell_of_replacement(self, keys: "KeySet") -> None:
        """A rotation leaves the old keys for a while; all of them at once is a restart from nothing, or a stranger."""
        known = self._keys.at_hand()
        if self._log is not None and known is not None and not known.key_ids & keys.key_ids:
            self._log(
                "issuer_keys_replaced",
                level="warning",
                issuer=self._issuer,
                before=sorted(known.key_ids)[:10],
                now=sorted(keys.key_ids)[:10],
            )


def _has_moved(known: str, found: str) -> bool:
    return bool(known and found) and urlsplit(known)[:2] != urlsplit(found)[:2]


def _read_set(body: bytes) -> "KeySet":
    from vestibule.protocol.jwt import KeySet

    return KeySet.read(read_object(body))


def _body_of(url: str, answer: HttpAnswer) -> bytes:
    if answer.status != 200:
        raise FetchError("The document did not come.", detail=f"{url} answered {answer.status}")
    if len(answer.body) > MAX_DOCUMENT:
        raise FetchError("The document cannot be used.", detail=f"{url}: longer than {MAX_DOCUMENT} bytes")
    return answer.body


def fresh_for(headers: Mapping[str, str], ttl: timedelta, now: datetime) -> timedelta:
    """How long an answer is fresh: what it says itself (RFC 9111 §5.2.2.1, §5.3), between a minute and `ttl`."""
    said = _said(headers, now)
    return ttl if said is None else max(min(KEEP_AT_LEAST, ttl), min(ttl, said))


def _said(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    directives = [one.strip().lower() for one in headers.get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return timedelta(0)
    for directive in directives:
        name, _, value = directive.partition("=")
        if name == "max-age" and value.strip('"').isdecimal():
            return timedelta(seconds=min(int(value.strip('"')[:10]), 10**8))
    if "expires" not in headers:
        return None
    try:
        expires = parsedate_to_datetime(headers["expires"])
    except ValueError:
        return timedelta(0)  # RFC 9111 §5.3: what cannot be read is over
    return expires.replace(tzinfo=expires.tzinfo or UTC) - now
