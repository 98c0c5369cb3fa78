"""What is reconstructed where there is no force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.quantities import (
    Measurement,
    force_free_magnitude,
    measure,
    reconstruction_of,
)
from napari_vit_tfm.quantities.control import force_free_fields
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import KINDS, synthesise


def test_the_corrected_total_force_is_closer_to_the_truth() -> None:
    fields = synthesise(2, seed=3, shape=(48, 48), distribution=KINDS["cells"]())
    displacement, truth = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    rng = np.random.default_rng(0)
    size = displacement.data.std()
    noisy = displacement.with_data(
        displacement.data + rng.normal(0, 0.1 * size, displacement.data.shape)
    )
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")

    def solve(stack: DisplacementStack):
        return reconstruct(stack, config=config)

    found = solve(noisy)
    idle = force_free_magnitude(found, noisy, reconstruct=solve, n_controls=4)
    assert idle.shape == (2, 48, 48)
    for row, known in zip(
        measure(found, Measurement(idle=idle)), measure(truth), strict=True
    ):
        true = known.values["total_force_nN"]
        plain = row.values["total_force_nN"] - true
        corrected = row.values["total_force_corrected_nN"] - true
        assert plain > 0
        assert abs(corrected) < plain
    # The frame alone has the same control.
    alone = force_free_magnitude(
        solve(noisy.part(1, 2)),
        noisy.part(1, 2),
        reconstruct=solve,
        n_controls=4,
        first=1,
    )
    np.testing.assert_allclose(alone[0], idle[1], rtol=1e-4, atol=1e-3 * idle.max())


def test_holes_in_a_drifting_field_are_no_noise() -> None:
    fields = synthesise(1, seed=3, shape=(48, 48), distribution=KINDS["cells"]())
    displacement, truth = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    rng = np.random.default_rng(0)
    size = displacement.data.std()
    data = displacement.data + rng.normal(0, 0.1 * size, displacement.data.shape)
    data[:, rng.random((48, 48)) < 0.02] = np.nan
    strengths = [
        force_free_fields(
            truth,
            displacement.with_data(data + drift),
            frame=0,
            emptied=np.ones((48, 48), dtype=bool),
            n=8,
        ).data.std()
        for drift in (0.0, 20 * size)
    ]
    assert strengths[1] == pytest.approx(strengths[0], rel=0.01)
    assert strengths[0] == pytest.approx(0.1 * size, rel=0.3)


def test_forces_outside_of_the_cells_stay() -> None:
    fields = synthesise(1, seed=3, shape=(32, 32), distribution=KINDS["cells"]())
    displacement, truth = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    labels = np.zeros((32, 32), dtype=int)
    labels[:, :16] = 1
    seen: list[DisplacementStack] = []

    def look(stack: DisplacementStack):
        seen.append(stack)
        return truth

    force_free_magnitude(
        truth, displacement, reconstruct=look, labels=labels, n_controls=1
    )
    left, right = np.split(np.abs(seen[0].data[0]).sum(axis=-1), 2, axis=1)
    assert right.mean() > 1.5 * left.mean()
    everything = pytest.approx(displacement.data.std(), rel=0.2)
    force_free_magnitude(
        truth,
        displacement,
        reconstruct=look,
        labels=np.eye(32, dtype=int),
        n_controls=1,
    )
    assert seen[1].data.std() == everything


def test_the_method_of_tractions_is_used_again_on_their_gel() -> None:
    fields = synthesise(1, seed=3, shape=(32, 32), distribution=KINDS["cells"]())
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    # The gel of the displacements may be another one.
    substrate = Substrate(Gel(young_pa=2000.0, poisson=0.3))
    found = reconstruct(displacement, substrate=substrate, config=config)
    again = reconstruction_of(found, config)
    np.testing.assert_array_equal(again(displacement).data, found.data)
    # The tractions alone are needed, however the first ones were computed.
    all_of_it = replace(config, residual=True, uncertainty=True)
    alone = reconstruction_of(found, all_of_it)(displacement)
    np.testing.assert_array_equal(alone.data, found.data)
    assert not alone.companions
    with pytest.raises(ModelError, match="other weights"):
        reconstruction_of(replace(found, model_sha256="0" * 64), config)
