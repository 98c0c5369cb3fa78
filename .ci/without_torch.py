"""A plugin for pytest: tests that import torch are skipped.

For a Python that has no torch on this machine: the rest of the package is tested.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

ABSENT = ("torch", "lightning", "pytorch_optimizer")


class SkipsImport(MetaPathFinder, Loader):
    """Skips the test, or the module of tests, that imports torch."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Take the imports that cannot be, and leave the others."""
        return ModuleSpec(name, self) if name in ABSENT else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Skip whoever imports it; asking whether it is there skips nobody."""
        pytest.skip(f"there is no {spec.name} here", allow_module_level=True)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing comes here."""


sys.meta_path.insert(0, SkipsImport())
