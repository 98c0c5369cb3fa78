from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm import DisplacementStack, ReconstructionConfig, reconstruct
from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement import RigidMotion, measure_motion
from napari_vit_tfm.displacement.drift import without_motion
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.synthesis import CellDistribution, synthesise


def cell() -> np.ndarray:
    stack = synthesise(1, seed=2, shape=(64, 80), distribution=CellDistribution())
    return stack.displacement[0].astype(float) * 79


def test_drift_and_rotation_of_a_cell() -> None:
    field = cell()
    longest, shape = np.hypot(*np.moveaxis(field, -1, 0)).max(), field.shape[:2]
    before = measure_motion(field)
    assert np.hypot(before.x, before.y) < 0.1 * longest
    added = RigidMotion(-3.0, 50 * longest, 0.02)
    after = measure_motion(field + added.on_grid(shape))
    np.testing.assert_allclose(
        [after.x - before.x, after.y - before.y, after.rotation - before.rotation],
        [added.x, added.y, added.rotation],
        atol=1e-6,
    )
    rest = without_motion(field + added.on_grid(shape), after)
    np.testing.assert_allclose(rest, without_motion(field, before), atol=1e-5)


def test_a_rotation_turns_from_x_to_y() -> None:
    turned = RigidMotion(0.0, 0.0, 0.1).on_grid((3, 3))
    np.testing.assert_allclose(turned[1, 2], [0.0, 0.1])
    np.testing.assert_allclose(turned[2, 1], [-0.1, 0.0])


def test_holes_do_not_matter() -> None:
    field = np.full((32, 32, 2), [2.0, 1.0])
    field[:8] = np.nan
    motion = measure_motion(field)
    np.testing.assert_allclose([motion.x, motion.y, motion.rotation], [2, 1, 0])
    assert measure_motion(np.full((8, 8, 2), np.nan)) == RigidMotion(0.0, 0.0, 0.0)


@pytest.mark.parametrize("model", registered_methods())
def test_a_removed_drift_causes_no_traction(model: str) -> None:
    field = cell()
    drift = 50 * np.abs(field).max() * np.array([1.0, -0.5])
    config = ReconstructionConfig(model=model, device="cpu")
    still, drifted = (
        reconstruct(
            DisplacementStack(data, unit="grid"),
            config=config,
            preparation=PreparationConfig(remove_drift=True),
        )
        for data in (field, field + drift)
    )
    error = np.square(still.data - drifted.data).sum() / np.square(still.data).sum()
    assert error < 0.02**2
    moved = drifted.records["drift_removed"] - still.records["drift_removed"]
    np.testing.assert_allclose(moved[0, :2], drift, rtol=1e-4)
