"""The JSON Schema and docs/configuration.md know every key; docs/errors.md knows every error."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.config.conftest import Load
from tests.config.reference import DOCUMENT, keys, section, table
from vestibule.config.foreign import FOREIGN_NAMES
from vestibule.config.schema import json_schema
from vestibule.errors import ConfigurationError, OAuthError, Refusal, StartError

ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
INTERFACE_NAMES = """
    AUTH_MODE RESOURCE_IDENTIFIER ALLOWED_ISSUERS JWKS_CACHE_TTL SCOPES_SUPPORTED CHECKLIST_DIR PROCESS_DIR MCP_PORT
    LOG_LEVEL AZURE_CLIENT_ID AZURE_TENANT_ID MCP_HTTP_GOOGLE_CLIENT_ID MCP_HTTP_GOOGLE_CLIENT_SECRET
    MCP_HTTP_AUTH0_DOMAIN MCP_HTTP_AUTH0_AUDIENCE MCP_HTTP_GITHUB_ENABLED MCP_HTTP_API_KEY MCP_HTTP_API_KEYS
    MCP_HTTP_DATABASE_CONNECTION_STRING DATABASE_URL MCP_HTTP_ENVIRONMENT MCP_HTTP_HOST MCP_HTTP_PORT
    MCP_HTTP_TLS_CERT_PATH MCP_HTTP_TLS_KEY_PATH MCP_HTTP_CORS_ORIGINS
""".split()


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_every_key_has_a_description_for_editors_and_an_example() -> None:
    for key, field in keys():
        assert field.description, key
        assert field.examples or key.endswith(".kind"), key
    schema = json_schema()
    for found in objects(schema):
        for name, one in found.get("properties", {}).items():
            meant = schema["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else {}
            assert one.get("description", meant.get("description")), name


def test_the_schema_is_closed_and_shows_no_value_of_ours() -> None:
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert all(one["additionalProperties"] is False for one in objects(schema) if "properties" in one)
    secret = schema["$defs"]["OidcConfig"]["properties"]["client_secret"]
    assert {"type": "string", "minLength": 1}.items() <= secret.items()
    assert '"null"' not in json.dumps(schema)
    for one in objects(schema):
        if "pattern" in one and isinstance(one.get("default"), str):
            assert re.search(one["pattern"], one["default"])


def test_the_document_has_every_key() -> None:
    assert section(DOCUMENT.read_text("utf-8")) == table(), "run: python -m tests.config.reference"
    assert len(list(keys())) > 60


def test_the_documents_example_is_sound(read: Load) -> None:
    example = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert example is not None
    text = example[1].replace("file:/run/secrets/oidc", "env:OIDC")
    assert yaml.safe_load(text)
    configuration = read(
        text,
        {
            "TICKETS_KEY": "k9Fz-3Qm7Xc1Vb5",
            "OIDC": "Abc8Q~9xKd.fGh2",
            "DATABASE_URL": "postgresql://u:p@h/d",
            "ROOT_SECRET": "q3Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4Jw6Ea-TuIoPyQk",
        },
    )
    assert configuration.upstreams[0].credential.kind == "static"


def test_every_name_of_the_other_systems_is_listed() -> None:
    assert sorted(foreign.name for foreign in FOREIGN_NAMES) == sorted(INTERFACE_NAMES)
    assert all(foreign.key or foreign.note for foreign in FOREIGN_NAMES)


def all_of(error: type[Any]) -> Iterator[type[Any]]:
    for kind in error.__subclasses__():
        if kind.__module__ == "vestibule.errors":
            yield kind
        yield from all_of(kind)


@pytest.mark.parametrize("error", sorted(all_of(Refusal), key=str), ids=lambda error: error.code)
def test_every_refusal_is_documented(error: type[Refusal]) -> None:
    row = next(line for line in ERRORS.read_text("utf-8").splitlines() if line.startswith(f"| `{error.code}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == str(error.status)
    assert all(cells[3:])
    assert (f"`{error.bearer_error}`" in cells[2]) if error.bearer_error else "`invalid" not in cells[2]


@pytest.mark.parametrize("error", sorted(all_of(OAuthError), key=str), ids=lambda error: error.__name__)
def test_every_oauth_error_is_documented(error: type[OAuthError]) -> None:
    rows = [line for line in ERRORS.read_text("utf-8").splitlines() if line.startswith(f"| `{error.error}` |")]
    assert any(str(error.status) in row for row in rows)


def test_every_exit_code_is_documented() -> None:
    text = ERRORS.read_text("utf-8")
    for code in (0, StartError.exit_code, ConfigurationError.exit_code, 3, 130):
        assert f"\n| {code} | " in text
