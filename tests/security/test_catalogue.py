"""Every vector that must hold on every commit has a test: in this folder, by its id."""

import re
from pathlib import Path

# The catalogue's smoke gate, for the areas that exist so far.
SMOKE_GATE = """
META-001 META-002 META-005 META-006 PRM-001 PRM-002 DCR-003 DCR-008 CIMD-002 CIMD-006 CIMD-008 CIMD-011 CIMD-016
CIMD-017 AUTHZ-001 AUTHZ-002 AUTHZ-012 AUTHZ-020 AUTHZ-029 CONS-003 CONS-008 CONS-011 CB-002 CB-020 TOK-002 TOK-003
TOK-009 TOK-015 TOK-020 REF-001 REF-002 REF-003 REF-010 REV-004 PROXY-007 PROXY-019 PROXY-027 PROXY-032 SSE-002 SSE-006
INT-001 INT-002 CFG-001 CFG-004 CFG-010 CFG-013 LOG-001 LOG-003
""".split()


def test_the_smoke_gate_is_covered() -> None:
    tested = set()
    for file in Path(__file__).parent.glob("test_vectors_*.py"):
        tested |= set(re.findall(r'"([A-Z]+-\d{3})', file.read_text("utf-8")))
    assert [vector for vector in SMOKE_GATE if vector not in tested] == []


# Every vector of the areas metadata, dcr, cimd, authorize, consent, callback, token, refresh, revoke and introspect.
AUTHORIZATION_SERVER = """
META-001 META-002 META-003 META-004 META-005 META-006 META-008 META-010 META-011 META-013 META-015 DCR-002 DCR-003
DCR-004 DCR-008 DCR-012 DCR-013 DCR-014 DCR-016 DCR-017 DCR-018 DCR-019 DCR-020 DCR-021 DCR-022 DCR-023 DCR-024
DCR-029 CIMD-001 CIMD-002 CIMD-003 CIMD-004 CIMD-005 CIMD-006 CIMD-008 CIMD-010 CIMD-011 CIMD-014 CIMD-015 CIMD-016
CIMD-017 CIMD-020 CIMD-021 CIMD-022 CIMD-023 CIMD-024 CIMD-026 CIMD-027 AUTHZ-001 AUTHZ-002 AUTHZ-007 AUTHZ-009
AUTHZ-010 AUTHZ-012 AUTHZ-013 AUTHZ-014 AUTHZ-015 AUTHZ-018 AUTHZ-020 AUTHZ-021 AUTHZ-022 AUTHZ-023 AUTHZ-025
AUTHZ-026 AUTHZ-027 AUTHZ-028 AUTHZ-029 AUTHZ-030 AUTHZ-031 AUTHZ-032 AUTHZ-036 AUTHZ-037 AUTHZ-038 AUTHZ-039
AUTHZ-040 CONS-003 CONS-006 CONS-008 CONS-010 CONS-011 CONS-012 CONS-015 CONS-016 CONS-017 CONS-018 CONS-020 CONS-021
CB-001 CB-002 CB-003 CB-008 CB-015 CB-017 CB-018 CB-020 CB-021 CB-022 CB-023 CB-024 CB-027 CB-028 CB-030 TOK-002
TOK-003 TOK-004 TOK-005 TOK-008 TOK-009 TOK-011 TOK-015 TOK-019 TOK-020 TOK-021 TOK-022 TOK-024 TOK-025 TOK-026
TOK-027 TOK-028 TOK-029 TOK-030 TOK-031 TOK-034 TOK-035 TOK-037 TOK-038 TOK-041 REF-001 REF-002 REF-003 REF-006
REF-008 REF-009 REF-010 REF-013 REF-015 REF-017 REF-019 REF-020 REV-004 REV-005 REV-006 REV-007 REV-008 REV-011
INT-001 INT-002 INT-004
""".split()


def test_every_vector_of_the_authorization_server_is_covered() -> None:
    marks = [
        mark
        for file in Path(__file__).parents[1].rglob("test_*.py")
        for mark in re.findall(r"@vector\(([^)]*)\)", file.read_text("utf-8"))
    ]
    tested = set(re.findall(r"[A-Z]+-\d{3}", " ".join(marks)))
    assert [vector for vector in AUTHORIZATION_SERVER if vector not in tested] == []


# Every vector of the areas jwt, jwks and prm; PRM-008 is about tenants.
RESOURCE_SERVER = """
JWT-002 JWT-004 JWT-006 JWT-007 JWT-008 JWT-010 JWT-013 JWT-016 JWT-019 JWT-021 JWT-022 JWT-023 JWT-024 JWT-026 JWT-029
JWT-030 JWT-034 JWT-035 JWT-036 JWT-039 JWT-040 JWKS-007 JWKS-008 JWKS-012 JWKS-014 PRM-001 PRM-002 PRM-003 PRM-004
PRM-005 PRM-006 PRM-007 PRM-009
""".split()


def test_every_vector_of_the_resource_server_is_covered() -> None:
    files = [Path(__file__).with_name(f"test_vectors_{area}.py") for area in ("jwt", "jwks", "prm")]
    tested = {found for file in files for found in re.findall(r'"([A-Z]+-\d{3})"', file.read_text("utf-8"))}
    assert [vector for vector in RESOURCE_SERVER if vector not in tested] == []
