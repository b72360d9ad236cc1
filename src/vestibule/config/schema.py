"""The JSON Schema of vestibule.yaml, for editors."""

from typing import Any

from vestibule.config.models import Configuration


def json_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vestibule.yaml",
        **Configuration.model_json_schema(),
    }
