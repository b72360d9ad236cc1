"""The sample prompt, and the completion of what has arguments: the prompt, and the address of a note."""

from typing import Annotated

from mcp import MCPError
from mcp.server import MCPServer
from mcp.types import (
    INVALID_PARAMS,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import Field

from vestibule.servers.demo.resources import NOTE_TEMPLATE, NOTES, no_such_note

TONES = ("friendly", "formal", "playful")

_VALUES = {
    ("explain", "note"): tuple(NOTES),
    ("explain", "tone"): TONES,
    (NOTE_TEMPLATE, "name"): tuple(NOTES),
}


def add_prompts(server: MCPServer) -> None:
    server.prompt(title="Explain a note")(explain)
    server.completion()(complete)  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def explain(
    note: Annotated[str, Field(description="The name of a note: vestibule, tokens or eras.")],
    tone: Annotated[str, Field(description="In which tone: friendly, formal, playful, or your own.")] = "friendly",
) -> str:
    """Ask for an explanation of one of the notes."""
    if note not in NOTES:
        raise MCPError(INVALID_PARAMS, no_such_note(note))
    return f"Explain this in a {tone} tone, in two sentences: {NOTES[note]}"


async def complete(
    ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, context: CompletionContext | None
) -> Completion:
    """The known values that begin with what was typed, whatever its case; none for an argument we don't know."""
    of = ref.name if isinstance(ref, PromptReference) else ref.uri
    typed = argument.value.lower()
    values = [value for value in _VALUES.get((of, argument.name), ()) if value.startswith(typed)]
    return Completion(values=values, total=len(values), has_more=False)
