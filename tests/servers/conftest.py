"""One sample server over HTTP for all tests of this folder: nothing in it is used up."""

from collections.abc import Iterator

import pytest

from tests.servers.sample_server import sample_server


@pytest.fixture(scope="package")
def demo_url() -> Iterator[str]:
    with sample_server() as running:
        yield running.url
