"""Every vector that must hold on every commit has a test: in this folder, by its id."""

import re
from pathlib import Path

# The catalogue's smoke gate, for the areas that exist so far.
SMOKE_GATE = """
META-001 META-002 META-005 META-006 PRM-001 PRM-002 DCR-003 DCR-008 CIMD-002 CIMD-006 CIMD-008 CIMD-011 CIMD-016
CIMD-017 AUTHZ-001 AUTHZ-002 AUTHZ-012 AUTHZ-020 AUTHZ-029 CONS-003 CONS-008 CONS-011 CB-002 CB-020 TOK-002 TOK-003
TOK-009 TOK-015 TOK-020 REF-001 REF-002 REF-003 REF-010 REV-004 PROXY-007 PROXY-019 PROXY-027 PROXY-032 SSE-002 SSE-006
CFG-001 CFG-004 CFG-010 CFG-013 LOG-001 LOG-003
""".split()


def test_the_smoke_gate_is_covered() -> None:
    tested = set()
    for file in Path(__file__).parent.glob("test_vectors_*.py"):
        tested |= set(re.findall(r'"([A-Z]+-\d{3})', file.read_text("utf-8")))
    assert [vector for vector in SMOKE_GATE if vector not in tested] == []
