"""npm openid-client, in a Node of its own: a client of any authorization server, told step by step what to do.

`tests/node/openid-client.mjs` says what a client and a step may have.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from joserfc.jwk import ECKey

from tests.parts.node import FOLDER, node

Json = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Whoever does what the client asks for. A step that asks for more than there is fails."""

    open: Callable[[str], Awaitable[str]] | None = None
    """Given the authorization URL; returns the URL that the browser is sent back to."""

    device: Callable[[Json], Awaitable[None]] | None = None
    """Given the device authorization response, while the client polls."""

    polled: Callable[[str], Awaitable[None]] | None = None
    """Given the error that a poll of the device flow was answered with, before the next poll."""


@dataclass
class Request:
    """A request that the client has sent, and what became of it."""

    method: str
    url: str
    dpop: bool  # it carried a proof
    status: int | None = None
    error: str | None = None  # of a JSON body
    dpop_nonce: str | None = None  # of the response


class Refused(Exception):
    """The server said no, in one of the forms that OAuth has for it."""

    def __init__(self, told: Json) -> None:
        super().__init__(_summary(told))
        self.status: int | None = told.get("status")  # None in an authorization response
        self.error: str | None = told.get("error")  # None in a challenge
        self.error_description: str | None = told.get("error_description")
        self.challenges: list[Json] = told.get("challenges") or []  # of WWW-Authenticate


class Broken(Exception):
    """Not the server's refusal: no connection, no such endpoint, or an answer that openid-client does not believe."""

    def __init__(self, told: Json) -> None:
        super().__init__(_summary(told))
        self.code: str | None = told.get("code")  # openid-client's


# Apart from all else that may go wrong, so that a test which expects a refusal does not pass for want of a server.
_REFUSALS = {"ResponseBodyError", "AuthorizationResponseError", "WWWAuthenticateChallengeError"}


def _summary(told: Json) -> str:
    return ": ".join(str(told[name]) for name in ("name", "message", "cause", "error_description") if told.get(name))


@dataclass
class OpenidClient:
    """A client that knows its server; `do` lets it take a step."""

    _process: asyncio.subprocess.Process
    _person: Person
    _clock: Callable[[], datetime] | None
    server: Json = field(default_factory=dict)
    """The metadata that discovery found."""
    client: Json = field(default_factory=dict)
    """The client's metadata; of a registration, its response."""
    dpop_jkt: str | None = None
    requests: list[Request] = field(default_factory=list)
    """Those of the last step."""

    async def do(self, name: str, **step: Any) -> Json:
        """Take a step, given by its name and what else it has.

        Raises: Refused, Broken.
        """
        return await self.take({"do": name, **step})

    async def take(self, step: Json) -> Json:
        """Take a step. What it signs is dated by the clock as it is when the step begins.

        Raises: Refused, Broken.
        """
        skew = 0.0 if self._clock is None else (self._clock() - datetime.now(UTC)).total_seconds()
        await self._tell({"clock_skew_seconds": round(skew), **step})
        return await self._outcome("result")

    async def _start(self, job: Json) -> None:
        await self._tell(job)
        ready = await self._outcome("ready")
        self.server, self.client, self.dpop_jkt = ready["server"], ready["client"], ready.get("dpop_jkt")

    async def _tell(self, line: Json) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")
        await self._process.stdin.drain()

    async def _outcome(self, name: Literal["ready", "result"]) -> Json:
        """Answer the client's events until it tells how it went."""
        assert self._process.stdout is not None
        while True:
            async with asyncio.timeout(40):
                line = await self._process.stdout.readline()
            assert line, "the client has ended"
            said: Json = json.loads(line)
            if "requests" not in said:
                await self._answer(said)
                continue
            self.requests = [Request(**request) for request in said["requests"]]
            if "error" in said:
                told: Json = said["error"]
                raise Refused(told) if told["name"] in _REFUSALS else Broken(told)
            outcome: Json = said[name]
            return outcome

    async def _answer(self, event: Json) -> None:
        match event:
            case {"open": url}:
                assert self._person.open is not None, event
                await self._tell({"redirect": await self._person.open(url)})
            case {"device": response}:
                assert self._person.device is not None, event
                await self._person.device(response)
            case {"polled": error}:
                if self._person.polled is not None:
                    await self._person.polled(error)
            case _:
                raise AssertionError(event)


@asynccontextmanager
async def openid_client(
    issuer: str,
    client: Mapping[str, Any],
    person: Person | None = None,
    *,
    dpop: bool | Mapping[str, Any] = False,
    clock: Callable[[], datetime] | None = None,
    discovery: Literal["oauth2", "oidc"] = "oauth2",
) -> AsyncIterator[OpenidClient]:
    """A client of `issuer`. `clock`: the server's, when it does not show the present time.

    Raises: Refused, Broken, when discovery or registration fails.
    """
    process = await asyncio.create_subprocess_exec(
        node(),
        str(FOLDER / "openid-client.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        driver = OpenidClient(process, person or Person(), clock)
        await driver._start({"issuer": issuer, "client": dict(client), "dpop": dpop, "discovery": discovery})
        yield driver
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def run_steps(
    issuer: str, client: Mapping[str, Any], steps: Sequence[Json], person: Person | None = None, **options: Any
) -> list[Json]:
    """All of a flow that wants nothing in between; what each step gave."""
    async with openid_client(issuer, client, person, **options) as driver:
        return [await driver.take(step) for step in steps]


def es256_key(kid: str = "k1") -> tuple[Json, Json]:
    """A fresh key as JWK: the private one for the client, the public one for its registration."""
    key = ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"})
    return dict(key.as_dict(private=True)), dict(key.as_dict(private=False))
