"""The JSON Schema of vestibule.yaml, for editors."""

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from vestibule.config.models import Configuration
from vestibule.config.values import write_duration


class _Generator(GenerateJsonSchema):
    """Writes defaults as the file would have them: 45s, not PT45S."""

    def encode_default(self, dft: Any) -> Any:
        return write_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    schema: dict[str, Any] = _plain(Configuration.model_json_schema(schema_generator=_Generator))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "vestibule.yaml",
        "description": "The configuration of Vestibule. Secrets are references: env:NAME or file:/path.",
    }


def _plain(node: Any) -> Any:
    """Without null and empty defaults (a key is left out, never empty), and without titles that repeat the key."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: {name: _plain(value) for name, value in one.items()} if key in ("properties", "$defs") else _plain(one)
        for key, one in node.items()
        if not (key == "title" and isinstance(one, str)) and not (key == "default" and one in (None, "", []))
    }
    kinds = [kind for kind in plain.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return {**kinds[0], **{key: one for key, one in plain.items() if key != "anyOf"}}
    return plain
