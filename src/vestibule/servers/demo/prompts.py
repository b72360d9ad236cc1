"""The sample prompts, and the completion of their arguments."""

from mcp.server import MCPServer
from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from vestibule.servers.demo.notes import NOTES

TONES = ("friendly", "formal", "playful")


def add_prompts(server: MCPServer) -> None:
    @server.prompt(title="Explain a note")
    def explain(note: str, tone: str = "friendly") -> str:
        """Ask for an explanation of one of the notes."""
        text = NOTES.get(note, f"(there is no note {note!r})")
        return f"Explain this in a {tone} tone, in two sentences: {text}"

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK leaves it untyped
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion:
        known = {"note": tuple(NOTES), "name": tuple(NOTES), "tone": TONES}.get(argument.name, ())
        return Completion(values=[value for value in known if value.startswith(argument.value)])
