from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.io import open_displacement, read_displacement, read_traction
from napari_vit_tfm.physics import Substrate, fttc

STEP, PIXEL_SIZE = 8, 0.2
ROWS, COLUMNS = 20, 27


def fields() -> tuple[np.ndarray, np.ndarray]:
    """Displacements in pixels and their tractions in Pa, rows downwards."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((ROWS, COLUMNS))
    field = np.zeros((ROWS, COLUMNS, 2))
    for row, column, angle in ((6, 7, 0.5), (13, 19, 3.8), (4, 20, 2.2)):
        bump = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
        field += bump[..., np.newaxis] * (np.cos(angle), np.sin(angle))
    field += rng.normal(scale=0.001, size=field.shape)
    x, y = fttc(field[..., 0], field[..., 1], regularisation=0.01)
    return field, 8000 * np.stack([x, y], axis=-1)
