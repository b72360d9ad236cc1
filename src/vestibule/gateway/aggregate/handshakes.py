"""What the members say of themselves, as one server's word: `initialize` in the legacy eras, or `server/discover`."""

from typing import Any

import msgspec

from vestibule import __version__
from vestibule.gateway.aggregate.asking import Asking
from vestibule.gateway.aggregate.listings import ask_everybody, relay_error, result_of
from vestibule.gateway.aggregate.members import Member, Reply, Wording, request_to
from vestibule.gateway.aggregate.sessions import MemberSession, write_sessions
from vestibule.gateway.lasting import SESSION
from vestibule.model import Operation
from vestibule.protocol.aggregate_merge import (
    HANDSHAKE_VERSIONS,
    MODERN_VERSIONS,
    SERVER_INFO,
    About,
    least_ttl,
    merge_capabilities,
    merge_instructions,
    read_about,
)
from vestibule.protocol.aggregate_messages import members_of, raw, text_of

Answers = list[tuple[Member, About]]


async def discover(asking: Asking) -> None:
    """Answer server/discover. Raises `UpstreamUnavailable`."""
    names, replies = await ask_everybody(asking, {member.name: "" for member in asking.members.members})
    results = [(reply, found) for reply in replies if (found := result_of(asking, reply)) is not None]
    if names and not results:
        await relay_error(asking, replies)
        return
    abouts = _about(results)
    await asking.out.result(
        asking.id,
        {
            **_merged(asking, abouts),
            "supportedVersions": list(MODERN_VERSIONS),
            "resultType": "complete",
            "ttlMs": least_ttl([found for _, found in results]) if len(abouts) == len(names) else 0,
            "cacheScope": "private",
            "_meta": {SERVER_INFO: _server_info()},
        },
    )


async def initialize(asking: Asking) -> None:
    """Answer initialize: the session is those of the members that have one for us. Raises `UpstreamUnavailable`."""
    names = [member.name for member in asking.members.open_to(asking.principal, Operation("initialize"))]
    body = _without_tasks(asking)
    replies = await asking.members.ask_all({name: request_to(asking.request, body, Wording(None)) for name in names})
    results = [(reply, found) for reply in replies if (found := result_of(asking, reply)) is not None]
    if names and not results:
        await relay_error(asking, replies)
        return
    sessions, abouts = _sessions(asking, results)
    session, too_long = write_sessions(asking.members.new_id(), sessions)
    for name in too_long:
        asking.members.tell_absent(asking.members[name], "its session id is too long to be one of several")
    result = {
        **_merged(asking, [one for one in abouts if one[0].name not in too_long]),
        "protocolVersion": _version(text_of(asking.params.get("protocolVersion"))),
        "serverInfo": _server_info(),
    }
    await asking.out.result(asking.id, result, [(SESSION, session)])


def _sessions(asking: Asking, results: list[tuple[Reply, Any]]) -> tuple[dict[str, MemberSession], Answers]:
    sessions: dict[str, MemberSession] = {}
    abouts = _about(results)
    for (reply, _), (member, about) in zip(results, abouts, strict=True):
        if about.protocol_version in HANDSHAKE_VERSIONS:
            sessions[member.name] = MemberSession(about.protocol_version.encode(), reply.header(SESSION))
        else:
            asking.members.tell_absent(member, f"it speaks {about.protocol_version[:40]!r}")
    return sessions, [one for one in abouts if one[0].name in sessions]


def _about(results: list[tuple[Reply, Any]]) -> Answers:
    return [(reply.member, read_about(bytes(reply.message["result"])) or About()) for reply, _ in results]


def _merged(asking: Asking, abouts: Answers) -> dict[str, Any]:
    prefixes = asking.members.prefixes
    said = merge_instructions([(member.title, prefixes.name(member.name, ""), about) for member, about in abouts])
    merged: dict[str, Any] = {"capabilities": merge_capabilities([about for _, about in abouts])}
    return {**merged, "instructions": said} if said else merged


def _without_tasks(asking: Asking) -> bytes:
    """The client's own words, but for the tasks that it could run for a server: their ids would meet here."""
    params = asking.params
    able = members_of(params.get("capabilities"))
    if able.pop("tasks", None) is not None:
        params["capabilities"] = raw(able)
    return msgspec.json.encode({**asking.message, "params": raw(params)})


def _version(asked: str | None) -> str:
    return asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]


def _server_info() -> dict[str, str]:
    return {"name": "vestibule", "title": "Several servers behind one address", "version": __version__}
