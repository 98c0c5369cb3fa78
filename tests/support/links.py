"""Symbolic links, which on Windows only some accounts may make."""

from __future__ import annotations

from pathlib import Path

import pytest


def link_to(path: Path, target: Path) -> None:
    """Make `path` a symbolic link, or skip the test."""
    try:
        path.symlink_to(target)
    except OSError as error:
        pytest.skip(f"symbolic links cannot be made here: {error}")
