"""Layers of other programs as displacements, and their changes."""

from __future__ import annotations

import h5py
import numpy as np

from layers_of_fields import displacement_at


def test_changes_of_a_file_behind_a_layer_are_read(viewer, tmp_path):
    with h5py.File(tmp_path / "live.h5", "w") as file:
        dataset = file.create_dataset("u", data=np.ones((8, 8, 2), dtype=np.float32))
        layer = viewer.add_image(dataset, contrast_limits=(0, 9))
        assert not isinstance(layer.data, np.ndarray)
        before = displacement_at(viewer.layers, layer)
        assert displacement_at(viewer.layers, layer) is before
        dataset[:] = 7
        now = displacement_at(viewer.layers, layer)
        np.testing.assert_array_equal(now.data, np.full((1, 8, 8, 2), 7))
