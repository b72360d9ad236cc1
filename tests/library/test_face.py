"""What `import vestibule` costs and shows."""

import subprocess
import sys

import vestibule

NEITHER = ("vestibule.stores", "vestibule.config", "vestibule.cli", "vestibule.gateway", "sqlalchemy", "yaml", "typer")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_it_loads_nothing() -> None:
    loaded = run("import vestibule, sys; print(*[name for name in sys.modules if name.startswith('vestibule')])")
    assert loaded.split() == ["vestibule"]


def test_every_name_is_there() -> None:
    for name in vestibule.__all__:
        assert getattr(vestibule, name), name
    assert set(vestibule.__all__) <= set(dir(vestibule))


def test_a_protected_application_needs_neither_store_nor_configuration() -> None:
    """A whole request, answered with a verified token, in a process of its own."""
    loaded = run(PROGRAM)
    status, *modules = loaded.split()
    assert status == "200"
    assert [name for name in modules if name.startswith(NEITHER)] == []


PROGRAM = """
import asyncio, sys
from tests.library.conftest import RESOURCE, Issuer, bearer, in_process
from tests.library.test_protect import whoami
before = set(sys.modules)  # the test's own parts
for name in [name for name in before if name.startswith("vestibule.")]:
    before.discard(name)
from vestibule import protect

async def main():
    async with Issuer() as issuer:
        async with in_process(protect(whoami, resource=RESOURCE, issuers=[issuer.issuer])) as http:
            answer = await http.post("/mcp", headers=bearer(issuer.access_token()))
    print(answer.status_code, *[name for name in sys.modules if name not in before])

asyncio.run(main())
"""
