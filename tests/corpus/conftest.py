"""One child process for all tests, since its start takes long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from corpus.runner import Reader


@pytest.fixture(scope="package")
def reader() -> Iterator[Reader]:
    """A child process, which is started when it is needed."""
    with Reader() as one:
        yield one
