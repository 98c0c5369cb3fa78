from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.gel import REFERENCE_GEL
from napari_vit_tfm.napari import _samples
from napari_vit_tfm.napari.layers.reading import find_displacements, layer_stack
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import reconstruct


@pytest.mark.parametrize(("key", "title"), [("discs", "discs"), ("cell", "cell")])
def test_samples_open_with_units_and_known_tractions(viewer, key, title):
    viewer.open_sample("napari-vit-tfm", key)
    assert [layer.name for layer in viewer.layers] == [
        f"{title}: known traction (Pa)",
        f"{title}: known traction arrows (Pa)",
        f"{title}: displacement (µm)",
        f"{title}: displacement arrows (µm)",
    ]
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    (field,) = find_displacements(viewer.layers)
    np.testing.assert_allclose(field.first.scale, (1, 0.8, 0.8))


@pytest.mark.parametrize("make", [_samples.discs, _samples.contracting_cell])
def test_the_known_tractions_are_those_of_the_displacements(make):
    known, displacement = (
        layer_stack(Layer.create(*data)) for data in make() if data[2] == "image"
    )
    assert known.gel == displacement.gel == replace(REFERENCE_GEL, young_pa=10_000.0)
    computed = reconstruct(
        displacement,
        substrate=Substrate(known.gel),
        config=ReconstructionConfig(model="fttc", device="cpu"),
    )
    frame = np.argmax(np.square(known.data).sum(axis=(1, 2, 3)))
    error = np.square(computed.data[frame] - known.data[frame]).sum()
    assert error < 0.4 * np.square(known.data[frame]).sum()
