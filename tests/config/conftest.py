"""Loading a text as if it were vestibule.yaml, in a folder of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from vestibule.config import Configuration, load
from vestibule.errors import ConfigurationError, Fault

STRONG = "q3Xc8VbWm1tYd0Zr7Nf2Kp9Lh5Gs4Jw6Ea-TuIoPyQk"
OTHER = "Zk1Vb7Qw9Xr3Tn5Ym2Lp8Hd4Gf6Js0Ca_EuIoPyRtWz"
UPSTREAM = "upstreams: [{name: tickets, url: 'http://127.0.0.1:3000/mcp'}]\n"
PUBLIC = """\
public_url: https://mcp.example.com
identity_providers: [{name: work, kind: oidc, issuer: 'https://id.example.com', client_id: vestibule}]
"""

Load = Callable[..., Configuration]
Faults = Callable[..., dict[str, Fault]]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`read(text, environ, i_know=…, **overrides)` is the configuration."""
    monkeypatch.chdir(tmp_path)

    def read(
        text: str = UPSTREAM, environ: Mapping[str, str] | None = None, *, i_know: bool = False, **overrides: Any
    ) -> Configuration:
        file = tmp_path / "vestibule.yaml"
        file.write_text(text, "utf-8")
        return load(file=file, environ=environ or {}, overrides=overrides, i_know=i_know)

    return read


@pytest.fixture
def faults(read: Load) -> Faults:
    """The same, for its faults by their keys (the last one of a key)."""

    def faults(*arguments: Any, **options: Any) -> dict[str, Fault]:
        with pytest.raises(ConfigurationError) as caught:
            read(*arguments, **options)
        assert all(fault.reason and fault.fix for fault in caught.value.faults)
        return {fault.key: fault for fault in caught.value.faults}

    return faults
