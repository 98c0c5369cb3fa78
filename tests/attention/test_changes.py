"""The traction in a patch, and its relative change."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.attention.changes import PatchTraction
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.errors import FieldError

# 2 x 3 patches; the last row and the last column are cut.
GRID = PatchGrid((12, 20))


def test_the_root_mean_square_is_over_nodes_and_components() -> None:
    field = np.zeros((2, 12, 20))
    field[0, 8:, 16:], field[1, 8:, 16:] = 3.0, 4.0
    field[0, :8, :8] = 10.0
    traction = PatchTraction.of(field, GRID, (1, 2))
    assert traction.values.shape == (2, 4, 4)
    assert traction.rms == pytest.approx(np.sqrt(12.5))
    # The strongest patch has sqrt(50).
    assert traction.strength == pytest.approx(0.5)
    changed = field.copy()
    changed[1, 8:, 16:] = 5.0
    changed[:, :8] = 7.0
    # Elsewhere, nothing counts.
    assert traction.relative_change(changed) == pytest.approx(np.sqrt(0.5 / 12.5))
    assert traction.relative_change(field) == 0


def test_without_traction_there_is_no_relative_change() -> None:
    with pytest.raises(FieldError, match="no traction in patch 1,2 of this frame"):
        PatchTraction.of(np.zeros((2, 12, 20)), GRID, (1, 2))
    with pytest.raises(IndexError, match="2 rows and 3 columns"):
        PatchTraction.of(np.ones((2, 12, 20)), GRID, (2, 0))
