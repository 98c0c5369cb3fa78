from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.displacement import find_outliers
from napari_vit_tfm.synthesis import KINDS, synthesise


@pytest.fixture(scope="module")
def fields() -> list[np.ndarray]:
    """Three fields of each of some kinds, in grid steps."""
    return [
        63
        * synthesise(3, seed=6, shape=(64, 64), distribution=KINDS[kind]()).displacement
        for kind in ("cells", "pads", "fibres", "adhesions")
    ]


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("inside", ["equal", "random", "shifted"])
def test_blocks_of_wrong_vectors_are_found(
    fields: list[np.ndarray], side: int, inside: str
) -> None:
    found, all_of_them, alarms = 0, 0, 0
    for of_kind in fields:
        rng = np.random.default_rng(0)
        for clean in of_kind:
            noise = 0.02 * clean.std() * rng.standard_normal(clean.shape)
            field = (clean + noise).astype(np.float32)
            largest, wrong = np.linalg.norm(field, axis=-1).max(), field.copy()
            row, column = rng.integers(5, 54, 2)
            block = np.s_[row : row + side, column : column + side]
            n = 1 if inside != "random" else side
            angle = rng.uniform(0, 2 * np.pi, (n, n))
            vectors = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
            vectors *= rng.uniform(0.5, 3, (n, n, 1)) * largest
            wrong[block] = vectors + (field[block] if inside == "shifted" else 0)
            mask = find_outliers(wrong).mask
            found += int(mask[block].sum())
            alarms += int(mask.sum() - mask[block].sum())
            all_of_them += side * side
    assert found >= 0.85 * all_of_them
    assert alarms <= 0.02 * all_of_them + 4
