"""Marks a test with the ids of the attack vectors that it keeps out; they stand in the test's own id."""

import pytest


def vector(*ids: str) -> pytest.MarkDecorator:
    name = ",".join(ids)
    return pytest.mark.parametrize("vector", [name], ids=[name])
