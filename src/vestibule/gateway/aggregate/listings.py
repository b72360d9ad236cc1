"""Tools, prompts, resources and templates of all members, as one list that shows what this caller may use.

Each page asks every member that has more for its next one, all at once; their items follow in the order of the members.
A member that does not answer in time is missing, and then nobody keeps the list. What the members say about keeping it
is the least that one of them says, for this caller alone.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from vestibule.errors import SessionNotFound
from vestibule.gateway.aggregate.asking import Asking
from vestibule.gateway.aggregate.members import METHOD_NOT_FOUND, Reply, first_error
from vestibule.gateway.aggregate.seals import LONGEST_CURSOR
from vestibule.gateway.refusals import unavailable
from vestibule.model import Operation
from vestibule.protocol.aggregate_merge import least_ttl
from vestibule.protocol.aggregate_messages import (
    LISTINGS,
    Message,
    UnreadableMessage,
    raw,
    read_items,
    read_message,
    text_of,
)

_USES = {"tools": "tools/call", "prompts": "prompts/get", "resources": "resources/read"}


async def list_all(asking: Asking) -> None:
    """Answer tools/list, prompts/list, resources/list or resources/templates/list. Raises a `Refusal`."""
    cursors = _cursors(asking)
    if cursors is None:
        await asking.refuse_params("Invalid cursor")
        return
    names, replies = await ask_everybody(asking, cursors)
    pages = [(reply, result) for reply in replies if (result := result_of(asking, reply)) is not None]
    answered = len(pages) + sum(reply.error_code == METHOD_NOT_FOUND for reply in replies)
    if names and not answered:
        await relay_error(asking, replies)
        return
    await asking.out.result(asking.id, _merged(asking, pages, is_whole=answered == len(names)))


def _cursors(asking: Asking) -> Mapping[str, str] | None:
    """By member that is to be asked: where its list goes on; empty: from its beginning."""
    params = asking.params
    if "cursor" not in params:
        return {member.name: "" for member in asking.members.members}
    cursor = text_of(params["cursor"])
    return asking.seals.open_cursor(asking.principal, asking.method, cursor) if cursor is not None else None


async def ask_everybody(asking: Asking, cursors: Mapping[str, str]) -> tuple[list[str], list[Reply]]:
    """The members that may be asked this, and their replies. `cursors`: whom to ask, and from where on.

    Raises `SessionNotFound` when none of a legacy session knows it any more.
    """
    there = await asking.there(Operation(asking.method))
    names = [name for name in there if name in cursors]
    replies = await asking.members.ask_all({name: _question(asking, name, cursors[name]) for name in names})
    lost = [reply.member for reply in replies if not asking.is_modern and reply.status == 404]
    if not lost:
        return names, replies
    if len(lost) == len(names):
        raise SessionNotFound("No server knows this session any more.", action="Send initialize again.")
    for member in lost:
        asking.sessions.pop(member.name, None)
        asking.revivals.forget(asking.request.session or b"", member.name)
    await asking.revivals.bring_back(asking, lost)
    back = [member.name for member in lost if member.name in asking.sessions]
    again = await asking.members.ask_all({name: _question(asking, name, cursors[name]) for name in back})
    by_name = {reply.member.name: reply for reply in (*replies, *again)}
    return names, [by_name[name] for name in names if name in by_name and by_name[name].status != 404]


def _question(asking: Asking, member: str, cursor: str) -> Any:
    message = dict(asking.message)
    if "params" in message:
        params = {key: value for key, value in asking.params.items() if key != "cursor"}
        message["params"] = raw({**params, "cursor": raw(cursor)} if cursor else params)
    return asking.question(member, msgspec.json.encode(message))


def result_of(asking: Asking, reply: Reply) -> Message | None:
    """None for a reply that is none; the log hears of it, unless the member just does not have such things."""
    try:
        result = reply.result
    except UnreadableMessage:
        result = None
    if result is None and reply.error_code != METHOD_NOT_FOUND:
        asking.members.tell_absent(reply.member, f"{asking.method}: {reply.status}, error {reply.error_code}")
    return result


async def relay_error(asking: Asking, replies: list[Reply]) -> None:
    """Nobody has an answer: tell what the first says is wrong with the request.

    Raises `UpstreamUnavailable` where all that were asked are gone.
    """
    wrong = first_error(replies)
    if wrong is None:
        raise unavailable("all", "none of its members has answered")
    body = msgspec.json.encode({**wrong.message, "id": asking.id})
    await asking.out.document(wrong.status if wrong.status >= 400 else 200, body)


def _merged(asking: Asking, pages: list[tuple[Reply, Message]], *, is_whole: bool) -> dict[str, Any]:
    key = LISTINGS[asking.method]
    items, more = [], {}
    for reply, page in pages:
        try:
            found = [_shown(asking, reply, key, item) for item in read_items(page.get(key, msgspec.Raw(b"[]")))]
        except UnreadableMessage as error:
            asking.members.tell_absent(reply.member, f"unreadable {key}: {error}")
            is_whole = False
            continue
        items += [item for item in found if item is not None]
        cursor = text_of(page.get("nextCursor"))
        if cursor and len(cursor) <= LONGEST_CURSOR:
            more[reply.member.name] = cursor
        elif cursor:
            asking.members.tell_absent(reply.member, f"its list goes on by a cursor of {len(cursor)} characters")
    merged: dict[str, Any] = {key: items}
    if more:
        merged["nextCursor"] = asking.seals.seal_cursor(asking.principal, asking.method, more)
    if asking.is_modern:
        ttl = least_ttl([page for _, page in pages]) if is_whole else 0
        merged |= {"resultType": "complete", "ttlMs": ttl, "cacheScope": "private"}
    return merged


def _shown(asking: Asking, reply: Reply, key: str, item: msgspec.Raw) -> msgspec.Raw | None:
    """The item under the name that it has here; None for what this caller may not use, and what cannot have one."""
    parts, member, prefixes = read_message(item), reply.member, asking.members.prefixes
    field = {"resources": "uri", "resourceTemplates": "uriTemplate"}.get(key, "name")
    name = text_of(parts.get(field))
    if name is None:
        return None
    use = _USES.get(key, "resources/read")
    if not member.may_list(asking.principal, Operation(use, name)):
        return None
    if field != "name":
        parts[field] = raw(prefixes.uri(member.name, name))
    elif key != "tools" or prefixes.is_nameable(member.name, name):
        parts[field] = raw(prefixes.name(member.name, name))
    else:
        asking.members.tell("aggregate_name_left_out", member, f"no tool can be called {name[:200]!r} here")
        return None
    return raw(parts)


async def tell_everybody(asking: Asking) -> None:
    """logging/setLevel: of every member that has one."""
    names, replies = await ask_everybody(asking, {member.name: "" for member in asking.members.members})
    if names and not any(reply.message.get("result") for reply in replies):
        await relay_error(asking, replies)
    else:
        await asking.out.result(asking.id, {})


async def pong(asking: Asking) -> None:
    """We are there; whether the members are is another question."""
    await asking.out.result(asking.id, {})
