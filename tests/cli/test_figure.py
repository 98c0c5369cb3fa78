from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import write_traction

Command = Callable[..., Result]
ErrorOf = Callable[..., str]


@pytest.fixture
def tractions(tmp_path: Path) -> Path:
    data = np.ones((3, 16, 16, 2)) * np.arange(1, 4)[:, None, None, None]
    path = tmp_path / "traction.csv"
    write_traction(path, TractionStack(data, unit="Pa", spacing_um=0.5))
    return path


def test_a_figure_and_an_animation(
    vit_tfm: Command, tractions: Path, tmp_path: Path
) -> None:
    options = ("--limit", 500, "--dpi", 60)
    figure, film = tmp_path / "traction.png", tmp_path / "traction.gif"
    result = vit_tfm("figure", tractions, "-o", figure, "--frame", 2, *options)
    assert result.stdout == f"figure: {figure}\n"
    vit_tfm("figure", tractions, "-o", film, "--fps", 10, *options)
    with Image.open(film) as animation:
        assert (animation.n_frames, animation.info["duration"]) == (3, 100)


def test_errors(error_of: ErrorOf, tractions: Path, tmp_path: Path) -> None:
    figure = tmp_path / "a.png"
    assert "no frame 3" in error_of("figure", tractions, "-o", figure, "--frame", 3)
    assert "expected one of .png" in error_of("figure", tractions, "-o", "a.bmp")
    assert "is an input" in error_of("figure", tractions, "-o", tractions)
    assert not figure.exists()
