from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.io import write_arrays
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.synthesis import synthesise

Command = Callable[..., Result]


@pytest.fixture
def vit_tfm() -> Command:
    """Run a command that is to succeed."""

    def run(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def error_of() -> Callable[..., str]:
    """Run a command that is to fail in one line after its notes, and give the line."""

    def run(*arguments: str | Path) -> str:
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 2, result.output
        assert isinstance(result.exception, SystemExit), "a traceback"
        assert result.stderr.endswith("\n")
        lines = result.stderr.splitlines()
        (line,) = [line for line in lines if not line.startswith("note: ")]
        assert line.startswith("Error: ")
        return line.removeprefix("Error: ").rstrip()

    return run


@pytest.fixture
def displacements(tmp_path: Path) -> Path:
    """Three disc fields in fractions of the field's width, as their file says.

    They are weak, so that there is nothing to note about them.
    """
    path = tmp_path / "cells.h5"
    fields = synthesise(3, seed=1, shape=(32, 40))
    write_arrays(
        path,
        {"displacement": 0.1 * fields.displacement},
        {"displacement": {"units": "field"}},
    )
    return path


@pytest.fixture
def unnamed(tmp_path: Path) -> Path:
    """The same fields in a file that names no unit."""
    path = tmp_path / "unnamed.npz"
    np.savez(path, u=synthesise(3, seed=1, shape=(32, 40)).displacement)
    return path


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with two blocks and weights as they come."""
    path = tmp_path_factory.mktemp("network") / "small.safetensors"
    config = PhysicsViTConfig(width=16, depth=2, heads=2, channels=8)
    save_network(path, PhysicsViT(config), training={})
    return path
