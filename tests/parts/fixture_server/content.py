"""Tools that answer with each kind of content."""

import base64

from mcp.server import MCPServer
from mcp.types import AudioContent, EmbeddedResource, ImageContent, TextContent, TextResourceContents
from pydantic import AnyUrl

from vestibule.servers.demo.picture import bar_chart

PICTURE = base64.b64encode(bar_chart([1, 2, 3])).decode()
SOUND = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\2\0\0\0\0\0"
).decode()


def text_resource(uri: str, text: str, kind: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=str(AnyUrl(uri)), mime_type=kind, text=text)
    )


def image() -> ImageContent:
    return ImageContent(type="image", data=PICTURE, mime_type="image/png")


def add_content_tools(server: MCPServer) -> None:
    @server.tool()
    def test_simple_text() -> str:
        """Text."""
        return "A text and nothing else."

    @server.tool()
    def test_image_content() -> list[ImageContent]:
        """An image."""
        return [image()]

    @server.tool()
    def test_audio_content() -> list[AudioContent]:
        """A sound."""
        return [AudioContent(type="audio", data=SOUND, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[EmbeddedResource]:
        """A resource inside the answer."""
        return [text_resource("test://embedded-resource", "embedded")]

    @server.tool()
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Three kinds of content at once."""
        return [
            TextContent(type="text", text="three kinds"),
            image(),
            text_resource("test://mixed-content-resource", '{"mixed": true}', "application/json"),
        ]

    @server.tool()
    def test_error_handling() -> str:
        """Always fails."""
        raise RuntimeError("This tool fails on purpose.")
