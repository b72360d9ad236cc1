"""Microsoft Graph, asked for the one thing a token may leave out: the groups of somebody who has many."""

from vestibule.errors import FetchError
from vestibule.ports import HttpClient
from vestibule.protocol.json_body import UnreadableJson, read_object


class Graph:
    def __init__(self, base_url: str, http: HttpClient) -> None:
        self._url = f"{base_url}/v1.0/me/getMemberObjects"
        self._http = http

    async def groups(self, access_token: str) -> tuple[str, ...]:
        """The ids of all groups, also by way of other groups, that the token's person is in. Raises `FetchError`.

        One answer has up to 11,000 of them. Needs User.Read and GroupMember.Read.All (delegated).
        Source: learn.microsoft.com, "directoryObject: getMemberObjects".
        """
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await self._http.send_json("POST", self._url, {"securityEnabledOnly": False}, headers=headers)
        if answer.status != 200:
            raise FetchError("No answer came.", detail=f"Graph answered {answer.status} to getMemberObjects")
        try:
            value = read_object(answer.body).get("value")
        except UnreadableJson as error:
            raise FetchError("The answer cannot be read.", detail=f"Graph: {error}") from error
        if not isinstance(value, list):
            raise FetchError("The answer cannot be read.", detail="Graph: there is no list of groups in it")
        return tuple(one for one in value if isinstance(one, str))
