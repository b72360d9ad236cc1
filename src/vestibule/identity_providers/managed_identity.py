"""A managed identity of Azure: the platform says who this machine is, and no secret exists.

Two forms: the metadata service of virtual machines and Kubernetes (IMDS, 2018-02-01), and the endpoint with a header
that App Service, Functions and Container Apps have (2019-08-01).
Source: learn.microsoft.com, "How to use managed identities on an Azure VM to acquire an access token"; "How to use
managed identities for App Service"; "Configure an application to trust a managed identity".
"""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from vestibule.errors import FetchError
from vestibule.model import Secret
from vestibule.ports import Clock, HttpClient
from vestibule.protocol.json_body import UnreadableJson, read_object

EARLY = timedelta(minutes=5)  # a token that ends sooner is not begun with
KEEP_AT_MOST = timedelta(hours=1)


class ManagedIdentity:
    """An `AssertionSource`: the platform's token about us, kept until shortly before its end."""

    def __init__(
        self, *, endpoint: str, audience: str, client_id: str, header: Secret | None, http: HttpClient, clock: Clock
    ) -> None:
        """`client_id`: of a user-assigned identity; empty: the machine's own. `header`: the App Service form."""
        version = "2018-02-01" if header is None else "2019-08-01"
        query = {"api-version": version, "resource": audience, **({"client_id": client_id} if client_id else {})}
        base = f"{endpoint}/metadata/identity/oauth2/token" if header is None else endpoint
        self._url = f"{base}?{urlencode(query)}"
        self._header = header
        self._http = http
        self._clock = clock
        self._token = ""
        self._until = datetime.min.replace(tzinfo=UTC)

    async def assertion(self) -> str:
        """Raises `FetchError`."""
        if not self._token or self._clock() >= self._until:
            self._token, self._until = await self._ask()
        return self._token

    async def _ask(self) -> tuple[str, datetime]:
        header = {"Metadata": "true"} if self._header is None else {"X-IDENTITY-HEADER": self._header.reveal()}
        answer = await self._http.get(self._url, headers=header)
        try:
            document = read_object(answer.body)
        except UnreadableJson as error:
            raise _failed(f"it answered {answer.status}: {error}") from error
        token = document.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            told = f"{document.get('error')!s:.100} {document.get('error_description')!s:.200}"
            raise _failed(f"it answered {answer.status} {told}")
        return token, self._end(document.get("expires_on"))

    def _end(self, expires_on: object) -> datetime:
        """`expires_on` is seconds since the epoch, in a string."""
        now = self._clock()
        text = str(expires_on)
        ends = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() and len(text) < 12 else now
        return min(ends - EARLY, now + KEEP_AT_MOST)


def _failed(detail: str) -> FetchError:
    return FetchError("No answer came.", detail=f"managed identity: {detail}")
