from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.io.positioned import PositionedField

X, Y = np.meshgrid(np.arange(5.0), np.arange(4.0))
POINTS = np.stack([X.ravel(), Y.ravel()], axis=1)


def test_some_frames() -> None:
    frames = [POINTS, 2 * POINTS, 3 * POINTS]
    field = PositionedField.of("field", [POINTS] * 3, frames)
    expected = np.stack([X, Y], axis=-1)
    np.testing.assert_allclose(field.values(slice(1, 3)), [2 * expected, 3 * expected])
    assert field.entry.shape == (3, 4, 5, 2)


@pytest.mark.parametrize("turn", [False, True])
def test_rows_or_columns(turn: bool) -> None:
    points = POINTS.T if turn else POINTS
    field = PositionedField.of("field", [points], [points])
    np.testing.assert_allclose(field.values()[0, 2, 3], [3, 2])


def test_a_frame_without_vectors() -> None:
    empty = np.zeros((0, 0))
    field = PositionedField.of("field", [POINTS, empty], [POINTS, empty])
    assert np.isnan(field.values()[1]).all()


def test_the_field_is_named_in_errors() -> None:
    points = np.vstack([POINTS, POINTS])
    field = PositionedField.of("field", [POINTS, points], [POINTS, points])
    with pytest.raises(FieldError, match="field: frame 1: 20 nodes have more than one"):
        field.values()


def test_frames_without_positions() -> None:
    with pytest.raises(FieldError, match="of 1 frames and vectors of 2 frames"):
        PositionedField.of("field", [POINTS], [POINTS, POINTS])
    with pytest.raises(FieldError, match="positions of 0 frames"):
        PositionedField.of("field", [], [])
