from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vit_tfm import (
    DisplacementStack,
    ReconstructionConfig,
    TFMError,
    reconstruct,
)
from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement import find_outliers, prepare
from napari_vit_tfm.fields import DisplacementStream
from napari_vit_tfm.synthesis import CellDistribution, PadDistribution, synthesise
from napari_vit_tfm.units import DisplacementUnit

CPU = ReconstructionConfig(model="bayesian-fttc", device="cpu")


def cells(n: int = 1) -> DisplacementStack:
    fields = synthesise(n, seed=4, shape=(64, 80), distribution=CellDistribution())
    return DisplacementStack(
        fields.displacement, unit="field", spacing_um=0.5, pixel_size_um=0.1
    )


def test_nothing_is_done_by_default() -> None:
    stack = cells(2)
    prepared = prepare(stack, PreparationConfig())
    np.testing.assert_array_equal(prepared.frames(0, 2), stack.data)
    assert "preparation" not in prepared.metadata


def test_a_stream_is_prepared_when_it_is_read() -> None:
    stack = cells(3)
    config = PreparationConfig(reverse=True, remove_drift=True, bin_size=2)
    whole = prepare(stack, config)
    stream = prepare(DisplacementStream(stack, unit="field", spacing_um=0.5), config)
    assert isinstance(whole, DisplacementStack)
    assert isinstance(stream, DisplacementStream)
    np.testing.assert_array_equal(stream.frames(1, 3), whole.data[1:])
    assert whole.metadata["preparation"] == {
        "reverse": True,
        "bin_size": 2,
        "remove_drift": True,
    }


def test_a_reversed_field_has_reversed_tractions() -> None:
    stack = cells()
    forth, back = (
        reconstruct(stack, config=CPU, preparation=PreparationConfig(reverse=reverse))
        for reverse in (False, True)
    )
    np.testing.assert_allclose(back.data, -forth.data, atol=1e-7)


@pytest.mark.parametrize("unit", ["um", "grid", "px", "field"])
@pytest.mark.parametrize("n", [2, 3])
def test_binning_keeps_lengths_in_every_unit(unit: DisplacementUnit, n: int) -> None:
    known = {"unit": unit, "spacing_um": 0.5, "pixel_size_um": 0.1}
    outline = np.array([[(n - 1) / 2, (n - 1) / 2], [n + (n - 1) / 2, 0.0]])
    stack = DisplacementStack(np.ones((1, 64, 80, 2)), outline=outline, **known)
    prepared = prepare(stack, PreparationConfig(bin_size=n))
    assert prepared.grid_shape == (64 // n, 80 // n)
    assert prepared.spacing_um == 0.5 * n
    assert prepared.outline is not None
    np.testing.assert_allclose(prepared.outline[:, 0], [0.0, 1.0])
    in_um = prepared.frames(0, 1) * prepared.grid_steps_per_unit() * 0.5 * n
    expected = stack.grid_steps_per_unit() * 0.5
    np.testing.assert_allclose(in_um, expected, rtol=1e-6)


def test_binning_keeps_the_distance_of_positions() -> None:
    stack = DisplacementStack(np.ones((1, 16, 20, 2)), unit="px", spacing_in_unit=8.0)
    prepared = prepare(stack, PreparationConfig(bin_size=2))
    assert prepared.spacing_in_unit == 16
    assert prepared.grid_steps_per_unit() == 1 / 16


def test_binning_too_much() -> None:
    with pytest.raises(TFMError, match="too large"):
        prepare(cells(), PreparationConfig(bin_size=40))


def test_random_peaks_are_replaced() -> None:
    fields = synthesise(2, seed=4, distribution=PadDistribution()).displacement
    rng = np.random.default_rng(5)
    about_mean = fields - fields.mean(axis=(1, 2), keepdims=True)
    noise = 0.02 * np.sqrt(np.square(about_mean).mean(axis=(1, 2, 3), keepdims=True))
    stack = DisplacementStack(
        fields + noise * rng.standard_normal(fields.shape), unit="field"
    )
    data = stack.data.copy()
    wrong = rng.random(data.shape[:3]) < 0.01
    data[wrong] = rng.uniform(-1, 1, (wrong.sum(), 2)) * np.abs(data).max()
    config = PreparationConfig(replace_outliers=True)
    clean = reconstruct(stack, config=CPU)
    broken = replace(stack, data=data)
    found = reconstruct(broken, config=CPU, preparation=config)
    assert np.corrcoef(found.data.ravel(), clean.data.ravel())[0, 1] > 0.95
    left = reconstruct(broken, config=CPU)
    assert np.corrcoef(left.data.ravel(), clean.data.ravel())[0, 1] < 0.9
    counts = found.records["outliers_replaced"]
    assert counts.tolist() == [find_outliers(field).count for field in data]


def test_one_large_outlier_is_named_or_replaced() -> None:
    stack, notices = cells(), list[str]()
    data = stack.data.copy()
    data[0, 12, 30] = 20 * stack.longest()
    broken = replace(stack, data=data)
    clean = reconstruct(stack, config=CPU)
    config = PreparationConfig(replace_outliers=True)
    reconstruct(broken, config=CPU, on_notice=notices.append)
    (notice,) = [notice for notice in notices if "unlike" in notice]
    assert notice.startswith(
        "1 vector in frame 0 is unlike its neighbours; the strongest at row 12, "
        "column 30"
    )
    found = reconstruct(broken, config=CPU, preparation=config)
    assert abs(found.longest() / clean.longest() - 1) < 0.02


def test_zeros_as_holes() -> None:
    stack, notices = cells(), list[str]()
    data = stack.data.copy()
    data[:, :, :6] = 0
    masked = replace(stack, data=data)
    reconstruct(masked, config=CPU, on_notice=notices.append)
    (notice,) = [notice for notice in notices if "exactly zero" in notice]
    assert notice.startswith("384 vectors in frame 0 are exactly zero")
    assert not any("unlike" in notice for notice in notices)
    config = PreparationConfig(zeros_are_holes=True)
    found = reconstruct(masked, config=CPU, preparation=config)
    assert np.isnan(found.data[0, :, :6]).all()
    clean = reconstruct(stack, config=CPU)
    sums = [
        np.nansum(np.hypot(x.data[..., 0], x.data[..., 1])[:, :, 6:])
        for x in (clean, found)
    ]
    assert abs(sums[1] / sums[0] - 1) < 0.2
