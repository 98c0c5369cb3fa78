"""Forces beyond the border: named for layers, not for cells, at any size and noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.displacement import examine
from napari_vit_tfm.displacement.border import evidence_of_outside_forces
from napari_vit_tfm.displacement.drift import RigidMotion
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.synthesis import (
    CellDistribution,
    DiscDistribution,
    LayerDistribution,
    synthesise,
)

Field = npt.NDArray[np.float32]


def drawn(
    distribution: CellDistribution | DiscDistribution | LayerDistribution,
    shape: tuple[int, int],
    noise: float = 0.0,
) -> Field:
    """Eight fields in grid steps; the noise is relative to their root mean square."""
    made = synthesise(8, seed=11, shape=shape, distribution=distribution)
    fields = made.displacement * np.float32(shape[1] - 1)
    random = np.random.default_rng(0).normal(size=fields.shape)
    size = fields.std(axis=(1, 2, 3), keepdims=True)
    return (fields + noise * size * random).astype(np.float32)


def is_warned(field: Field) -> bool:
    warnings = examine(DisplacementStack(field, unit="grid")).warnings
    return any("does not fade towards the border" in text for text in warnings)


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(43, 43), (64, 80)])
def test_layers_are_named_and_cells_are_not(
    shape: tuple[int, int], noise: float
) -> None:
    layers = drawn(LayerDistribution(), shape, noise)
    assert sum(is_warned(field[None]) for field in layers) >= 5
    for distribution in (CellDistribution(), DiscDistribution()):
        fields = drawn(distribution, shape, noise)
        assert not any(is_warned(field[None]) for field in fields)


def test_most_frames_of_a_film_decide() -> None:
    layers = drawn(LayerDistribution(), (43, 43))[:2]
    cells = drawn(CellDistribution(), (43, 43))
    assert is_warned(np.concatenate([layers, cells[:1]]))
    assert not is_warned(np.concatenate([layers, cells[:2]]))


def test_size_drift_and_rotation_of_a_displacement_do_not_matter() -> None:
    layer = drawn(LayerDistribution(), (43, 50))[0].astype(np.float64)
    evidence = evidence_of_outside_forces(layer)
    assert evidence > 3
    moved = 1e-3 * layer + RigidMotion(5.0, -2.0, 0.1).on_grid((43, 50))
    # The averages are not over exact squares.
    assert evidence_of_outside_forces(moved) == pytest.approx(evidence, rel=0.01)


@pytest.mark.parametrize("shape", [(9, 9), (9, 60), (24, 24)])
def test_mere_noise_and_nothing_at_all(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).normal(size=(*shape, 2))
    assert evidence_of_outside_forces(noise, noise=1.0) == 0
    assert evidence_of_outside_forces(np.zeros((*shape, 2))) == 0
