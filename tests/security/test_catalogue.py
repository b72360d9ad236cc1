"""Every vector of the areas that exist has a test, by its id: the whole catalogue, but for what is not built yet."""

import re
from functools import cache
from pathlib import Path

import pytest

AREAS = {
    "META": "001 002 003 004 005 006 008 010 011 013 015",
    "PRM": "001 002 003 004 005 006 007 008 009",
    "DCR": "002 003 004 008 012 013 014 016 017 018 019 020 021 022 023 024 029",
    "CIMD": "001 002 003 004 005 006 008 010 011 014 015 016 017 020 021 022 023 024 026 027",
    "AUTHZ": "001 002 007 009 010 012 013 014 015 018 020 021 022 023 025 026 027 028 029 030 031 032 036 037 038 "
    "039 040",
    "CONS": "003 006 008 010 011 012 015 016 017 018 020 021",
    "CB": "001 002 003 008 015 017 018 020 021 022 023 024 027 028 030",
    "TOK": "002 003 004 005 008 009 011 015 019 020 021 022 024 025 026 027 028 029 030 031 034 035 037 038 041",
    "REF": "001 002 003 006 008 009 010 013 015 017 019 020",
    "REV": "004 005 006 007 008 011",
    "INT": "001 002 004",
    "JWT": "002 004 006 007 008 010 013 016 019 021 022 023 024 026 029 030 034 035 036 039 040",
    "JWKS": "007 008 012 014",
    "TEN": "002 004 005 008 009 010 011 014 015 017",
    "KEY": "002 003 004 006 008",
    "RL": "001 002 005 008 009 010",
    "LOG": "001 002 003 005 006",
    "CFG": "001 003 004 005 006 007 009 010 011 012 013 017 018 019",
    "SSE": "001 002 003 004 006 007 012",
    "PROXY": "004 005 006 007 009 013 014 018 019 020 025 027 029 032 033 034 035 036 037 040",
}
# Not yet: areas admin and localproxy.


@cache
def _tested() -> set[str]:
    """The ids in the marks of tests anywhere, and those that cases of this folder's tables have."""
    found: set[str] = set()
    for file in Path(__file__).parents[1].rglob("test_*.py"):
        text = file.read_text("utf-8")
        marks = " ".join(re.findall(r"@vector\(([^)]*)\)", text))
        cases = re.findall(r'"[A-Z]+-\d{3}', text) if file.name.startswith("test_vectors_") else ()
        found |= set(re.findall(r"[A-Z]+-\d{3}", f"{marks} {' '.join(cases)}"))
    return found


@pytest.mark.parametrize("area", AREAS)
def test_every_vector_has_a_test(area: str) -> None:
    assert [number for number in AREAS[area].split() if f"{area}-{number}" not in _tested()] == []
