"""Intervals of quantities: how many truths they hold, and when there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, product

import numpy as np
import pytest
from skimage.morphology import convex_hull_image

from napari_vit_tfm.benchmark.held_out import simulate, with_noise
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Measurement,
    Row,
    cells_of,
    changes_of,
    gel_factors,
    measure,
    row_of,
)
from napari_vit_tfm.quantities.errors import FEATURES, error_of, features_of, with_error
from napari_vit_tfm.quantities.intervals import known_errors
from napari_vit_tfm.quantities.windows import UNKNOWN
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.synthesis import synthesise

FTTC = ReconstructionConfig(model="bayesian-fttc", device="cpu")
WINDOWS = 0.0, 1.0, 2.0, 3.0
KINDS = "pads", "ring", "adhesions", "dipoles", "discs", "band"
HELD = ("total_force_E_steps2", "strain_energy_E_steps3", "net_moment_E_steps3")


def reconstructed(
    config: ReconstructionConfig,
    *,
    n: int,
    shape: tuple[int, int],
    seed: int,
    windows: Sequence[float] = (0.0,),
) -> tuple[TractionStack, TractionStack, DisplacementStack]:
    """Tractions, truth and displacements of fields of several kinds and noises.

    They have each of the windows in turn.
    """
    each = zip(product(KINDS, ("1%", "5%", "60%")), cycle(windows), strict=False)
    fields = [
        (with_noise(u, noise, seed=seed), t)
        for (kind, noise), steps in each
        for u, t in [simulate(kind, n, seed=seed, shape=shape, window_steps=steps)]
    ]
    displacement, traction = (
        np.concatenate(part) for part in zip(*fields, strict=True)
    )
    stack = DisplacementStack(displacement, unit="field")
    found = reconstruct(stack, config=config, method=load_method(config))
    return found, TractionStack(traction), stack


def inside(rows: list[Row], truths: list[Row], column: str) -> tuple[float, float]:
    """Shares of truths in the 68 and 95% intervals."""
    ends = [row.intervals[column] for row in rows]
    true = [row.values[column] for row in truths]
    pairs = list(zip(ends, true, strict=True))
    return (
        float(np.mean([end.low68 <= value <= end.high68 for end, value in pairs])),
        float(np.mean([end.low95 <= value <= end.high95 for end, value in pairs])),
    )


@pytest.mark.parametrize(
    ("model", "n", "side"), [("vit", 1, 64), ("bayesian-fttc", 3, 64)]
)
@pytest.mark.parametrize("has_mask", [False, True])
def test_as_many_truths_are_inside_as_is_said(
    model: str, n: int, side: int, has_mask: bool
) -> None:
    config = ReconstructionConfig(model=model, device="cpu", batch_size=9)
    found, truth, stack = reconstructed(
        config, n=n, shape=(side, side), seed=4711, windows=WINDOWS
    )
    labels = None
    if has_mask:
        strength = np.hypot(*np.moveaxis(truth.data, -1, 0))
        strong = strength > 0.02 * strength.max(axis=(1, 2), keepdims=True)
        labels = np.array([convex_hull_image(frame) for frame in strong], dtype=int)
    rows = list(measure(found, Measurement(labels=labels, measured=stack)))
    truths = list(measure(truth, Measurement(labels=labels)))
    shares = np.array([inside(rows, truths, column) for column in HELD])
    # Three quantities of few fields.
    assert (np.abs(shares.mean(axis=0) - [0.68, 0.95]) < [0.1, 0.045]).all()
    assert (shares[:, 1] > 0.8).all()


def test_the_known_errors_are_those_of_the_bundled_network() -> None:
    # They are measured anew with benchmarks/quantity_intervals.py for other weights.
    method = load_method(ReconstructionConfig(device="cpu"))
    assert known_errors()[method.name].sha256 == method.sha256


def test_the_ends_are_in_order_and_shares_between_0_and_1() -> None:
    found, _, stack = reconstructed(FTTC, n=1, shape=(40, 48), seed=5)
    for row in measure(found, Measurement(measured=stack)):
        for column, ends in row.intervals.items():
            assert ends.low95 <= ends.low68 <= ends.high68 <= ends.high95, column
        for column in ("unbalanced", "polarisation"):
            assert row.intervals[column].low95 >= 0
            assert row.intervals[column].high95 <= 1
        assert "area_steps2" not in row.intervals


def test_a_scaled_field_has_scaled_intervals_in_the_units_of_its_quantities() -> None:
    found, _, stack = reconstructed(FTTC, n=1, shape=(40, 40), seed=5)
    gel = Gel(young_pa=5000.0)
    physical = replace(found, spacing_um=0.5, gel=gel)
    (row, *_), (scaled, *_) = (
        measure(one, Measurement(measured=stack)) for one in (found, physical)
    )
    one, other = (
        row.intervals["total_force_E_steps2"],
        scaled.intervals["total_force_nN"],
    )
    factor = 5000.0 * 0.5**2 * 1e-3
    assert other.low68 == pytest.approx(factor * one.low68, rel=1e-5)
    assert other.high95 == pytest.approx(factor * one.high95, rel=1e-5)


def test_without_conditions_or_known_errors_there_are_no_intervals() -> None:
    found, _, stack = reconstructed(FTTC, n=1, shape=(32, 32), seed=5)
    measured = Measurement(measured=stack)
    assert next(measure(found, measured)).intervals
    assert not next(measure(found)).intervals
    for other in (replace(found, model="other"), replace(found, model_sha256="0" * 64)):
        assert not next(measure(other, measured)).intervals
    chosen = replace(FTTC, model="fttc", options={"regularisation": 1e-4})
    own = reconstruct(stack.part(0, 1), config=chosen)
    assert not next(measure(own, Measurement(measured=stack.part(0, 1)))).intervals


def test_the_residual_of_a_run_replaces_the_displacement() -> None:
    _, _, stack = reconstructed(FTTC, n=1, shape=(32, 32), seed=5, windows=(2.0,))
    config = replace(FTTC, residual=True)
    found = reconstruct(stack.part(0, 2), config=config)
    alone = list(measure(found))
    beside = list(measure(found, Measurement(measured=stack.part(0, 2))))
    for one, other in zip(alone, beside, strict=True):
        for column in HELD:
            assert one.intervals[column].high95 == pytest.approx(
                other.intervals[column].high95, rel=1e-3
            )


def test_the_windows_are_those_of_the_measured_displacement() -> None:
    _, _, stack = reconstructed(FTTC, n=1, shape=(32, 32), seed=5)
    part = stack.part(0, 1)
    expected = part.data[0] - part.data[0].mean(axis=(0, 1))
    with_residual = reconstruct(part, config=replace(FTTC, residual=True))
    without = reconstruct(part, config=FTTC)
    for found, how in ((with_residual, None), (without, Measurement(measured=part))):
        ((cell,),) = cells_of(found, how)
        assert cell.windows is not None
        seen = cell.windows.displacement - cell.windows.displacement.mean(axis=(0, 1))
        # They may be in another unit.
        np.testing.assert_allclose(
            seen / seen.std(), expected / expected.std(), atol=1e-4
        )


def test_holes_do_not_hide_the_windows() -> None:
    field, _ = simulate("adhesions", 1, seed=3, shape=(64, 64), window_steps=2.0)
    rng = np.random.default_rng(0)
    whole = field + rng.normal(0, 0.02 * field.std(), field.shape).astype(np.float32)
    holes = whole.copy()
    holes[0, 10:12, 20:22] = np.nan
    expected, found = (
        reconstruct(
            DisplacementStack(data, unit="field"), config=replace(FTTC, residual=True)
        )
        for data in (whole, holes)
    )
    ((of_whole,),), ((of_holes,),) = cells_of(expected), cells_of(found)
    assert of_whole.windows is not None
    assert of_holes.windows is not None
    widths = of_whole.windows.squared_width, of_holes.windows.squared_width
    assert widths[0].deviation < 0.7 * UNKNOWN.deviation
    assert widths[1].mean == pytest.approx(widths[0].mean, abs=0.1)
    assert widths[1].deviation == pytest.approx(widths[0].deviation, abs=0.1)


def test_features_of_the_windows_have_their_places() -> None:
    _, _, stack = reconstructed(FTTC, n=1, shape=(32, 32), seed=5)
    part = stack.part(0, 1)
    found = reconstruct(part, config=FTTC)
    ((cell,),) = cells_of(found, Measurement(measured=part))
    for windows in (cell.windows, None):
        known = UNKNOWN if windows is None else windows.squared_width
        values = features_of(replace(cell, windows=windows))
        assert values is not None
        feature = dict(zip(FEATURES, values, strict=True))
        fineness = feature["fineness"]
        assert feature["window"] == pytest.approx(known.mean - 3)
        assert feature["window_deviation"] == pytest.approx(known.deviation - 3)
        for name in ("window", "window_deviation"):
            assert feature[f"{name}_times_fineness"] == pytest.approx(
                feature[name] * fineness
            )


def test_without_the_displacement_the_windows_are_not_known() -> None:
    _, _, stack = reconstructed(FTTC, n=1, shape=(64, 64), seed=5)
    found = reconstruct(stack, config=replace(FTTC, uncertainty=True))
    known, unknown = (
        next(measure(found, how)) for how in (Measurement(measured=stack), None)
    )
    for column in HELD:
        one, other = known.intervals[column], unknown.intervals[column]
        assert other.high95 == pytest.approx(one.high95, rel=0.3)
        assert other.high95 != one.high95


def test_more_noise_makes_wider_intervals() -> None:
    clean, _ = simulate("ring", 1, seed=3, shape=(48, 48))
    rng = np.random.default_rng(0)
    white = rng.normal(0, clean.std(), clean.shape)
    columns = "strain_energy_E_steps3", "net_moment_E_steps3", "traction_rms_E"
    widths = []
    for noise in (0.01, 0.1, 0.5):
        noisy = (clean + noise * white).astype(np.float32)
        stack = DisplacementStack(noisy, unit="field")
        found = reconstruct(stack, config=FTTC)
        (row,) = measure(found, Measurement(measured=stack))
        ends = [row.intervals[column] for column in columns]
        widths.append([one.high95 - one.low95 for one in ends])
    assert (np.diff(widths, axis=0) > 0).all()


def test_the_corrected_total_force_has_the_interval_of_the_total_force() -> None:
    found, _, stack = reconstructed(FTTC, n=1, shape=(40, 48), seed=5)
    ((cell,), *_) = cells_of(found, Measurement(measured=stack))
    row = row_of(replace(cell, idle=np.full((40, 48), 1e-4)))
    corrected = row.intervals["total_force_corrected_E_steps2"]
    assert corrected == row.intervals["total_force_E_steps2"]


@pytest.mark.parametrize(
    ("name", "size"),
    [("total_force", 1.0), ("torque", 2.0), ("unbalanced", 1.0), ("moment_angle", 1.0)],
)
def test_errors_and_values_are_inverse(name: str, size: float) -> None:
    quantity = QUANTITIES[name]
    value, truth = 0.4, 0.7
    error = error_of(quantity, np.array([truth]), np.array([value]), np.array([size]))
    assert with_error(quantity, value, size, error) == pytest.approx(truth)


def test_shares_and_their_changes_are_limited() -> None:
    share = QUANTITIES["unbalanced"]
    far = np.array([-3.0, 3.0])
    assert with_error(share, 0.4, 1.0, far).tolist() == [0, 1]
    assert with_error(share, 0.4, 1.0, far, least_share=-1.0).tolist() == [-1, 1]


def test_holes_and_drift_do_not_change_the_conditions() -> None:
    fields = synthesise(1, seed=2, shape=(48, 48))
    displacement, truth = fields.on_gel(young_pa=5000.0, spacing_um=1.0)
    rng = np.random.default_rng(0)
    size = displacement.data.std()
    data = displacement.data + rng.normal(0, 0.2 * size, displacement.data.shape)
    data[:, rng.random((48, 48)) < 0.02] = np.nan
    still, drifting = (
        next(cells_of(truth, Measurement(measured=displacement.with_data(moved))))
        for moved in (data, data + 20 * size)
    )
    one, other = still[0].conditions, drifting[0].conditions
    assert one is not None
    assert other is not None
    assert other.noise == pytest.approx(one.noise, rel=0.01)
    assert other.explained == pytest.approx(one.explained, abs=0.01)


def test_axes_are_compared_over_the_turn() -> None:
    error = error_of(
        QUANTITIES["moment_angle"], np.array([-88.0]), np.array([88.0]), np.ones(1)
    )
    assert error == pytest.approx(4.0)


def test_the_gel_is_one_factor() -> None:
    found = gel_factors(0.1)
    assert found.low95 * found.high95 == pytest.approx(1)
    assert np.log(found.high95 / found.low95) / 2 == pytest.approx(0.196, abs=0.002)


def test_a_known_change_is_in_its_interval() -> None:
    clean, _ = simulate("ring", 6, seed=33, shape=(64, 64))
    inside95 = []
    for i, factor in enumerate((0.6, 0.8, 1.0, 1.2, 1.5, 2.0)):
        film = np.stack([clean[i], factor * clean[i]])
        rng = np.random.default_rng(i)
        film += rng.normal(0, 0.05 * clean[i].std(), film.shape).astype(np.float32)
        stack = DisplacementStack(film, unit="field")
        frames = cells_of(reconstruct(stack, config=FTTC), Measurement(measured=stack))
        (before,), (after,) = frames
        changes = changes_of(before, after)
        change = changes["total_force_E_steps2"]
        assert change.is_ratio
        assert change.value == pytest.approx(factor, rel=0.3)
        turned = changes["moment_angle_deg"]
        ends = (turned.interval.low95, turned.interval.high95)
        assert max(abs(end - turned.value) for end in ends) <= 90
        for column, power in ((HELD[0], 1), (HELD[1], 2)):
            ends = changes[column].interval
            inside95.append(ends.low95 <= factor**power <= ends.high95)
        # It is narrower than that of two numbers without anything in common.
        own = next(
            iter(measure(reconstruct(stack, config=FTTC), Measurement(measured=stack)))
        )
        alone = own.intervals[HELD[0]]
        relative = np.log(change.interval.high68 / change.interval.low68)
        assert relative < np.sqrt(2) * np.log(alone.high68 / alone.low68)
        assert not changes["net_force_x_E_steps2"].is_ratio
    assert np.mean(inside95) > 0.7


def test_another_gel_leaves_the_ratio_of_two_frames() -> None:
    clean, _ = simulate("ring", 2, seed=33, shape=(32, 32))
    stack = DisplacementStack(clean, unit="field")
    changes = []
    for young in (1000.0, 3000.0):
        gel = Gel(young_pa=young)
        found = reconstruct(replace(stack, gel=gel, spacing_um=1.0), config=FTTC)
        (before,), (after,) = cells_of(
            found, Measurement(measured=replace(stack, spacing_um=1.0))
        )
        changes.append(changes_of(before, after)["total_force_nN"])
    one, other = changes
    assert one.value == pytest.approx(other.value, rel=1e-5)
    assert one.interval.high95 == pytest.approx(other.interval.high95, rel=1e-4)
