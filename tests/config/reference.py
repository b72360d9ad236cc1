"""The table of keys in docs/configuration.md, made from the models: `python -m tests.config.reference`."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vestibule.config.faults import models_in
from vestibule.config.models import Configuration
from vestibule.config.values import write_duration

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
BEGIN, END = "<!-- keys: made by python -m tests.config.reference -->", "<!-- end of keys -->"


def keys(model: type[BaseModel] = Configuration, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the schema in the order of the models; a kind's own keys follow it."""
    for name, field in model.model_fields.items():
        name = field.alias or name
        yield prefix + name, field
        brackets = "[]" if str(field.annotation).startswith("tuple") else ""
        for inner in models_in(field.annotation):
            yield from keys(inner, f"{prefix}{name}{brackets}.")


def table() -> str:
    rows: dict[str, str] = {}
    for key, field in keys():
        description = str(field.description).replace("|", "\\|")
        if key in rows:  # the same key of another kind
            if description not in rows[key]:
                rows[key] = rows[key].removesuffix(" |") + f" / {description} |"
            continue
        rows[key] = f"| `{key}` | {_default(field)} | {description} |"
    return "\n".join(["| key | default | what it says |", "|---|---|---|", *rows.values()])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, timedelta):
        return f"`{write_duration(value)}`"
    if isinstance(value, int) and value >= 1024 and value % 1024 == 0:
        return f"`{value // 2**20}MiB`" if value % 2**20 == 0 else f"`{value // 1024}KiB`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(value)}]`" if isinstance(value, tuple) else f"`{value}`"


def section(document: str) -> str:
    return document.partition(BEGIN)[2].partition(END)[0].strip()


if __name__ == "__main__":
    text = DOCUMENT.read_text("utf-8")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")
