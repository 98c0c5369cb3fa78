"""Fields on grids of another number of nodes."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.resample import resample_nodes


def test_resampling_keeps_the_border_and_linear_fields() -> None:
    y, x = np.mgrid[0:10, 0:7].astype(float)
    field = np.stack([x / 6, y / 9], axis=-1)
    found = resample_nodes(field, (19, 31))
    assert found.shape == (19, 31, 2)
    np.testing.assert_allclose(found[..., 0], np.linspace(0, 1, 31)[None].repeat(19, 0))
    np.testing.assert_allclose(found[:, 0, 1], np.linspace(0, 1, 19))
