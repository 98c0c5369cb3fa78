"""The control without force: p-values, floors and twins."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.config import ControlConfig, QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.errors import Cancelled
from napari_vit_tfm.fields import DisplacementStack, TractionStack, without_drift
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Cell,
    ControlRow,
    Measurement,
    Recorder,
    cells_of,
    control_rows,
    occupied_by,
)
from napari_vit_tfm.quantities.control import force_free_fields
from napari_vit_tfm.quantities.significance import p_value, twins_of
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import KINDS, synthesise

SIDE = 32
CONFIG = ReconstructionConfig(model="bayesian-fttc", device="cpu")


def solve(stack: DisplacementStack) -> TractionStack:
    return reconstruct(stack, config=CONFIG)


def labels_of_a_square() -> npt.NDArray[np.int64]:
    labels = np.zeros((SIDE, SIDE), dtype=np.int64)
    labels[10:16, 10:16] = 1
    return labels


def control(
    stack: DisplacementStack, labels: npt.NDArray[np.int64] | None, **options
) -> dict[str, ControlRow]:
    found = solve(stack)
    ((cell,),) = cells_of(found, Measurement(labels=labels, measured=stack))
    done, rows = drained(
        control_rows(
            cell,
            found,
            stack,
            frame=0,
            occupied=occupied_by([cell]),
            reconstruct=solve,
            **options,
        )
    )
    assert done[-1] == rows[0].n_runs
    return {row.column: row for row in rows}


def drained(
    steps: Generator[int, None, list[ControlRow]],
) -> tuple[list[int], list[ControlRow]]:
    """What a generator yields, and what it returns."""
    done = []
    while True:
        try:
            done.append(next(steps))
        except StopIteration as end:
            return done, end.value


def noise_alone(seed: int) -> DisplacementStack:
    rng = np.random.default_rng(seed)
    return DisplacementStack(rng.normal(0, 0.05, (1, SIDE, SIDE, 2)), unit="grid")


@pytest.mark.parametrize("is_field", [False, True])
def test_few_p_values_are_small_where_there_is_no_force(is_field: bool) -> None:
    labels = None if is_field else labels_of_a_square()
    columns = (
        "total_force_E_steps2",
        "strain_energy_E_steps3",
        "net_force_x_E_steps2",
        "net_moment_E_steps3",
    )
    p = np.array(
        [
            [found[column].p for column in columns]
            for seed in range(12)
            for found in [control(noise_alone(seed), labels, n_runs=19, seed=seed)]
        ]
    )
    # The smallest p is 1/20. Of 12 fields, 0.6 have it by chance, and hardly ever 4.
    assert (np.count_nonzero(p <= 0.05, axis=0) < 4).all()
    assert (p.mean(axis=0) > 0.35).all()


def test_fields_without_force_have_the_measured_noise_and_the_other_forces() -> None:
    fields = synthesise(1, seed=3, shape=(64, 64), distribution=KINDS["band"]())
    steps = fields.displacement * 63
    size = 0.3 * steps.std()
    noise = np.random.default_rng(0).normal(0, size, steps.shape)
    stack = DisplacementStack(steps + noise, unit="grid")
    truth = TractionStack(fields.traction)
    nowhere = np.zeros((64, 64), dtype=bool)
    for emptied, rest in ((nowhere, steps), (~nowhere, 0 * steps)):
        made = force_free_fields(truth, stack, frame=0, emptied=emptied, n=6).data
        left = without_drift(made - rest)
        assert left.std() == pytest.approx(size, rel=0.06)


def test_a_force_is_told_from_noise() -> None:
    fields = synthesise(1, seed=3, shape=(SIDE, SIDE), distribution=KINDS["cells"]())
    steps = fields.displacement * (SIDE - 1)
    rng = np.random.default_rng(0)
    noisy = steps + rng.normal(0, 0.1 * steps.std(), steps.shape)
    found = control(DisplacementStack(noisy, unit="grid"), None, n_runs=19)
    for column in ("total_force_E_steps2", "strain_energy_E_steps3"):
        row = found[column]
        assert row.p == pytest.approx(1 / 20)
        assert row.floor < row.floor_95 < row.value
    assert not {"area_steps2", "moment_angle_deg"} & found.keys()


def test_holes_are_left_out_without_force_too() -> None:
    stack = noise_alone(1)
    holes = stack.data.copy()
    holes[0, :3] = np.nan
    with_holes = stack.with_data(holes)
    columns = ("total_force_E_steps2", "traction_mean_E")
    whole, part = (control(one, None, n_runs=10) for one in (stack, with_holes))
    ratio = [part[column].floor / whole[column].floor for column in columns]
    assert ratio[0] == pytest.approx(ratio[1] * 29 / 32, rel=1e-3)


def test_the_same_seed_gives_the_same_control() -> None:
    one, same, other = (
        control(noise_alone(1), None, n_runs=5, seed=seed) for seed in (1, 1, 2)
    )
    column = "total_force_E_steps2"
    assert one[column] == same[column]
    assert one[column].floor != other[column].floor


def test_progress_and_cancel() -> None:
    stack = noise_alone(1)
    recorder = Recorder(QuantitiesConfig(), n_frames=1, control=ControlConfig(12))
    done: list[tuple[int, int]] = []

    def add(**options: Any) -> None:
        recorder.add(solve(stack), displacement=stack, reconstruct=solve, **options)

    add(on_progress=lambda *n: done.append(n))
    assert done == [(10, 12), (12, 12)]
    assert {row.n_runs for row in recorder.controls} == {12}
    with pytest.raises(Cancelled):
        add(is_cancelled=lambda: True)


def test_a_quantity_with_a_sign_is_compared_by_its_magnitude_in_words() -> None:
    row = ControlRow(0, 2, "net_moment_nN_um", -51.0, 0.12, 4.0, 0.02, 50, 0, 0.0, 0.0)
    assert row.in_words() == (
        "cell 2: net contractile moment -51 nN um, without a force 0.12 nN um "
        "(95% of magnitudes below 4), p = 0.02"
    )


def test_small_and_large_signed_values_are_extreme() -> None:
    null = np.linspace(-1, 1, 99)
    force, total = QUANTITIES["net_force_x"], QUANTITIES["total_force"]
    assert p_value(force, -5.0, null) == p_value(force, 5.0, null) == 0.01
    assert p_value(force, 0.0, null) > 0.98
    assert p_value(total, -5.0, null) == 1
    assert np.isnan(p_value(total, np.nan, null))
    assert p_value(total, 5.0, np.array([np.nan, 1.0, 2.0])) == 0.5


def cell_at(labels: npt.NDArray[np.int64]) -> Cell:
    stack = TractionStack(np.ones((1, *labels.shape, 2)))
    ((cell, *_),) = cells_of(stack, Measurement(labels=labels, dilation_steps=1.0))
    return cell


def test_twins_lie_in_free_places_and_apart_from_each_other() -> None:
    labels = labels_of_a_square()
    labels[20:30, 2:30] = 2
    cell = cell_at(labels)
    occupied = cell.region | cell.ring | (labels == 2)
    twins = list(twins_of(cell, occupied))
    assert len(twins) > 1
    taken = occupied.astype(int)
    for twin in twins:
        assert twin.core.sum() == cell.core.sum()
        assert twin.region.sum() == cell.region.sum()
        taken += twin.region | twin.ring
    assert taken.max() == 1


def test_twins_have_no_holes_and_do_not_overlap_the_cell_itself() -> None:
    cell = cell_at(labels_of_a_square())
    everywhere = list(twins_of(cell, cell.region | cell.ring))
    traction = cell.traction.copy()
    # Holes in the place of the first twin.
    rows, columns = np.nonzero(everywhere[0].region)
    traction[rows[0] + 1, columns[0] + 1] = np.nan
    broken = replace(cell, traction=traction)
    twins = list(twins_of(broken, cell.region | cell.ring))
    assert twins
    for twin in twins:
        assert twin.known[twin.region | twin.ring].all()
    # Whatever is said to be occupied, the cell itself is.
    pattern = cell.region | cell.ring
    for twin in twins_of(cell, np.zeros_like(pattern)):
        assert not (pattern & (twin.region | twin.ring)).any()


def test_without_room_there_is_no_twin() -> None:
    cell = cell_at(labels_of_a_square())
    assert not list(twins_of(cell, np.ones((SIDE, SIDE), dtype=bool)))
    assert not list(twins_of(replace(cell, is_field=True), cell.region))
