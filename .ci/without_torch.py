"""A plugin for pytest: tests that import torch are skipped.

For a Python that has no torch on this machine: the rest of the package is tested.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest


class NoTorch:
    """Answers the import of torch with a skipped test, or a skipped module."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Skip whoever imports torch; leave other modules to others."""
        if name.partition(".")[0] in ("torch", "lightning", "pytorch_optimizer"):
            pytest.skip("there is no torch here", allow_module_level=True)


sys.meta_path.insert(0, NoTorch)
