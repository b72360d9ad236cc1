"""docs/storage.md names every table and column that there is, and none that there is not."""

import re
from pathlib import Path

from vestibule.stores.migrations import VERSION_TABLE
from vestibule.stores.tables import metadata

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()


def test_every_table_has_its_section_and_every_column_its_row() -> None:
    sections = re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    described = {table: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for table, text in sections}
    assert described == {table.name: [column.name for column in table.columns] for table in metadata.tables.values()}


def test_what_is_a_digest_or_sealed_is_said_to_be() -> None:
    for table in metadata.tables.values():
        for column in table.columns:
            row = next(
                line for line in PAGE.partition(f"### `{table.name}`")[2].splitlines() if f"| `{column.name}` |" in line
            )
            assert ("**digest**" in row) is ("digest" in column.name and column.name != "key_digest"), row
            assert ("**sealed**" in row) is ("sealed" in column.name), row


def test_the_page_names_the_table_of_the_revision() -> None:
    assert f"`{VERSION_TABLE}`" in PAGE
