"""docs/library.md shows the files of examples/, to the letter, and they keep to the types."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_page_shows_the_file(example: Path) -> None:
    page = (ROOT / "docs" / "library.md").read_text("utf-8")
    shown = re.findall(rf"\[examples/{re.escape(example.name)}\][^\n]*\n\n```python\n(.*?)```\n", page, re.DOTALL)
    assert shown == [example.read_text("utf-8")]


@pytest.mark.slow
def test_the_examples_keep_to_the_types() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, EXAMPLES)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert checked.returncode == 0, checked.stdout
