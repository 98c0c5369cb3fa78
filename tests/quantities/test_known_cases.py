"""Quantities of tractions whose numbers are known from formulas."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.quantities import QUANTITIES, Measurement, measure, notes_of
from napari_vit_tfm.trust.consistency import explained_share

YOUNG_PA = 8000.0
SIDE_UM = 40.0
"""The field, on grids of any spacing."""

Field = npt.NDArray[np.float64]


def grid(n: int) -> tuple[Field, Field, float]:
    """Positions of n x n nodes from the middle of the field, and spacing, in um."""
    spacing = SIDE_UM / n
    at = (np.arange(n) - (n - 1) / 2) * spacing
    return *np.meshgrid(at, at), spacing


def shares(inside: npt.NDArray[np.bool_], n: int) -> Field:
    """Share of the square of each of n x n nodes that is inside."""
    return inside.reshape(n, 8, n, 8).mean(axis=(1, 3))


def disc(n: int, x0: float, y0: float, radius: float) -> Field:
    """Share of the square of each node that lies in a disc."""
    x, y, _ = grid(8 * n)
    return shares(np.hypot(x - x0, y - y0) < radius, n)


def of(traction: Field, spacing: float, **options: object) -> dict[str, float]:
    """The quantities of one frame of tractions in Pa."""
    gel = Gel(young_pa=YOUNG_PA, poisson=0.5)
    stack = TractionStack(traction, unit="Pa", spacing_um=spacing, gel=gel)
    (row,) = measure(stack, Measurement(**options))  # type: ignore[arg-type]
    return dict(row.values)


def dipole(n: int) -> tuple[Field, float]:
    """Discs of 3 um, 20 um apart along an axis of 30 degrees, pull with 500 Pa."""
    _, _, spacing = grid(n)
    along = np.array([np.cos(np.radians(30)), np.sin(np.radians(30))])
    traction = np.zeros((n, n, 2))
    for side in (-1, 1):
        x, y = 10 * side * along
        traction -= side * 500.0 * disc(n, x, y, 3.0)[..., None] * along
    return traction, spacing


def test_a_dipole() -> None:
    found = of(*dipole(100))
    force = 500.0 * np.pi * 9 * 1e-3  # nN
    assert found["total_force_nN"] == pytest.approx(2 * force, rel=0.002)
    # Forces at the rim of a disc do not quite point to the middle.
    assert found["contractility_nN"] == pytest.approx(2 * force, rel=0.015)
    assert found["contractility_weighted_nN"] == pytest.approx(2 * force, rel=0.03)
    assert found["net_moment_nN_um"] == pytest.approx(20 * force, rel=0.002)
    assert found["moment_major_nN_um"] == pytest.approx(20 * force, rel=0.002)
    assert found["moment_minor_nN_um"] == pytest.approx(0, abs=2e-3 * force)
    assert found["moment_angle_deg"] == pytest.approx(30, abs=0.1)
    assert found["polarisation"] == pytest.approx(1, abs=1e-3)
    assert found["unbalanced"] < 1e-6
    assert found["torque_nN_um"] == pytest.approx(0, abs=5e-3 * force)
    expected = -20 * force * np.cos(np.radians(30)) * np.sin(np.radians(30))
    assert found["moment_xy_nN_um"] == pytest.approx(expected, rel=0.002)


def test_contractility_is_found_as_exactly_in_any_unit_of_length() -> None:
    traction, spacing = dipole(40)
    one, other = (
        found["contractility_nN"] / found["total_force_nN"]
        for found in (of(traction, spacing), of(traction, spacing * 0.01))
    )
    assert one == pytest.approx(other, rel=1e-9)


def test_forces_to_the_right_above_and_to_the_left_below_turn_clockwise() -> None:
    n = 80
    _, _, spacing = grid(n)
    traction = np.zeros((n, n, 2))
    traction[..., 0] = 300.0 * (disc(n, 0, -10, 4.0) - disc(n, 0, 10, 4.0))
    found = of(traction, spacing)
    force = 300.0 * np.pi * 16 * 1e-3
    # y is down: above is negative.
    assert found["torque_nN_um"] == pytest.approx(20 * force, rel=0.002)
    assert found["net_moment_nN_um"] == pytest.approx(0, abs=1e-6)
    assert found["moment_xy_nN_um"] == pytest.approx(-10 * force, rel=0.002)


def test_a_ring_that_pulls_inwards() -> None:
    n = 200
    x, y, spacing = grid(n)
    radius = np.hypot(x, y)
    inside = (radius > 10) & (radius < 12)
    traction = (
        -400.0
        * (inside / np.maximum(radius, 1e-9))[..., None]
        * np.stack([x, y], axis=-1)
    )
    found = of(traction, spacing)
    total = 400.0 * np.pi * (12**2 - 10**2) * 1e-3
    moment = 400.0 * 2 * np.pi / 3 * (12**3 - 10**3) * 1e-3
    assert found["total_force_nN"] == pytest.approx(total, rel=0.01)
    assert found["contractility_nN"] == pytest.approx(total, rel=0.01)
    assert found["net_moment_nN_um"] == pytest.approx(moment, rel=0.01)
    assert found["moment_xx_nN_um"] == pytest.approx(-moment / 2, rel=0.01)
    assert found["polarisation"] == pytest.approx(0, abs=1e-6)
    assert found["traction_max_Pa"] == pytest.approx(400.0)
    assert found["traction_rms_Pa"] == pytest.approx(
        400.0 * np.sqrt(np.pi * 44 / SIDE_UM**2), rel=0.01
    )


def uniform_disc(n: int) -> tuple[Field, float]:
    """A disc of 5 um that pulls to the right with 1 kPa."""
    _, _, spacing = grid(n)
    traction = np.zeros((n, n, 2))
    traction[..., 0] = 1000.0 * disc(n, 0, 0, 5.0)
    return traction, spacing


def energy_of_disc() -> float:
    """Strain energy of `uniform_disc`, in fJ.

    In Fourier space, with ``T(k) = 2 pi a q J_1(k a) / k`` and the mean of the response
    over all directions, ``(1 + nu)(2 - nu) / (E k)``; the integral of
    ``J_1(x)^2 / x^2`` from 0 to infinity is ``4 / (3 pi)``.
    """
    q, a, nu = 1000.0, 5.0, 0.5
    energy = (1 + nu) * (2 - nu) * q**2 * a**3 * np.pi * 4 / (3 * np.pi) / YOUNG_PA
    return energy * 1e-3


def test_the_strain_energy_of_a_disc_converges() -> None:
    expected = energy_of_disc()
    errors = [
        abs(of(*uniform_disc(n))["strain_energy_fJ"] / expected - 1)
        for n in (25, 50, 100, 200)
    ]
    assert errors[-1] < 0.01
    # At least of first order in the spacing.
    assert all(fine < 0.6 * coarse for coarse, fine in pairwise(errors))


def test_a_single_force_is_unbalanced_and_the_row_says_so() -> None:
    traction, spacing = uniform_disc(50)
    gel = Gel(young_pa=YOUNG_PA)
    stack = TractionStack(traction, unit="Pa", spacing_um=spacing, gel=gel)
    (row,) = measure(stack)
    assert row.values["unbalanced"] == pytest.approx(1)
    assert row.flags == ("unbalanced",)


def test_without_force_there_is_nothing() -> None:
    found = of(np.zeros((24, 24, 2)), 0.5)
    for name in (
        "total_force_nN",
        "strain_energy_fJ",
        "net_moment_nN_um",
        "torque_nN_um",
    ):
        assert found[name] == 0
    assert found["contractility_nN"] == 0
    assert found["traction_max_Pa"] == 0
    assert np.isnan(found["unbalanced"])


def test_the_same_field_in_pascal_and_without_units_gives_the_same_numbers() -> None:
    traction, spacing = dipole(64)
    in_pascal = of(traction, spacing)
    known = Gel(young_pa=YOUNG_PA, poisson=0.5)
    relative = traction / YOUNG_PA
    (same,) = measure(TractionStack(relative, spacing_um=spacing, gel=known))
    assert dict(same.values) == pytest.approx(
        in_pascal, rel=1e-4, abs=1e-5, nan_ok=True
    )
    (bare,) = measure(TractionStack(relative, gel=Gel(poisson=0.5)))
    per = {
        "total_force_E_steps2": ("total_force_nN", YOUNG_PA * spacing**2 * 1e-3),
        "strain_energy_E_steps3": ("strain_energy_fJ", YOUNG_PA * spacing**3 * 1e-3),
        "net_moment_E_steps3": ("net_moment_nN_um", YOUNG_PA * spacing**3 * 1e-3),
        "traction_max_E": ("traction_max_Pa", YOUNG_PA),
        "area_steps2": ("area_um2", spacing**2),
    }
    for name, (si, factor) in per.items():
        assert bare.values[name] * factor == pytest.approx(in_pascal[si], rel=1e-4)


def test_the_measured_displacement_counts_without_its_drift() -> None:
    traction, spacing = dipole(64)
    gel = Gel(young_pa=YOUNG_PA, poisson=0.5)
    from napari_vit_tfm.physics import Substrate, surface_displacement

    steps = surface_displacement(traction / YOUNG_PA, Substrate(gel))
    drifted = DisplacementStack(
        (steps * spacing + 5.0).astype(np.float32), unit="um", spacing_um=spacing
    )
    found = of(traction, spacing, measured=drifted)
    assert found["strain_energy_measured_fJ"] == pytest.approx(
        found["strain_energy_fJ"], rel=0.02
    )
    # A unit of pixels, the same field.
    in_pixels = DisplacementStack(
        drifted.data / np.float32(0.25),
        unit="px",
        spacing_um=spacing,
        pixel_size_um=0.25,
    )
    again = of(traction, spacing, measured=in_pixels)
    assert again == pytest.approx(found, rel=1e-4, nan_ok=True)


def test_magnitudes_never_cancel() -> None:
    traction, spacing = dipole(64)
    found = of(traction, spacing)
    assert found["strain_energy_of_magnitudes_fJ"] >= found["strain_energy_fJ"] > 0


def test_what_is_not_known_is_nan() -> None:
    traction, spacing = dipole(32)
    (row,) = measure(TractionStack(traction, unit="Pa", spacing_um=spacing))
    assert np.isnan(row.values["strain_energy_fJ"])
    assert row.values["total_force_nN"] > 0
    assert np.isnan(row.values["total_force_corrected_nN"])


def test_holes_are_left_out_and_named() -> None:
    traction, spacing = dipole(64)
    whole = of(traction, spacing)
    traction[:, :32] = np.nan
    gel = Gel(young_pa=YOUNG_PA, poisson=0.5)
    stack = TractionStack(traction, unit="Pa", spacing_um=spacing, gel=gel)
    (row,) = measure(stack)
    assert "holes" in row.flags
    assert row.values["total_force_nN"] == pytest.approx(whole["total_force_nN"] / 2)


def test_area_and_centroid_do_not_need_tractions() -> None:
    labels = np.zeros((8, 10), dtype=int)
    labels[3:5, 4:7] = 1
    stack = TractionStack(np.full((8, 10, 2), np.nan), unit="Pa", spacing_um=0.5)
    (row,) = measure(stack, Measurement(labels=labels))
    known = {name: x for name, x in row.values.items() if np.isfinite(x)}
    assert known == {"area_um2": 1.5, "centroid_x_um": 2.5, "centroid_y_um": 1.75}
    assert "holes" in row.flags


@pytest.mark.parametrize("model", ["fttc (regularisation 0.5)", "vit", ""])
def test_forces_that_the_method_balances_are_flagged(model: str) -> None:
    traction, spacing = dipole(32)
    stack = TractionStack(traction, unit="Pa", spacing_um=spacing, model=model)
    (row,) = measure(stack)
    assert row.flags == (("balanced",) if "fttc" in model else ())
    # In a part of the field, the net force is measured.
    labels = np.zeros((32, 32), dtype=int)
    labels[8:24, 8:24] = 1
    (row,) = measure(stack, Measurement(labels=labels))
    assert "balanced" not in row.flags


def test_cells_that_are_not_in_every_frame_are_named() -> None:
    stack = TractionStack(np.ones((4, 8, 8, 2)), unit="Pa", spacing_um=1.0)
    labels = np.zeros((4, 8, 8), dtype=int)
    labels[:, 3, 3] = 7
    labels[0, 5, 5] = labels[2, 5, 5] = 2
    rows = list(measure(stack, Measurement(labels=labels)))
    assert len(rows) == 6
    *_, note = notes_of(rows, n_frames=4)
    assert note == (
        "cells that are not in every frame have no rows in the others: "
        "cell 2 in frames 1, 3"
    )
    labels[0, :, 0] = np.arange(10, 18)
    rows = list(measure(stack, Measurement(labels=labels)))
    *_, note = notes_of(rows, n_frames=4)
    assert "cell 13 in frames 1 to 3; 4 other cells in some frames" in note
    rows = [row for row in rows if row.cell == 7]
    assert not any("no rows" in note for note in notes_of(rows, n_frames=4))


def test_every_quantity_has_a_formula_and_a_known_unit() -> None:
    assert len(QUANTITIES) > 20
    for quantity in QUANTITIES.values():
        assert quantity.formula
        assert quantity.words


def test_share_explained_in_the_region_of_each_cell() -> None:
    """A displacement that is right on the left, and half as large on the right."""
    from napari_vit_tfm.physics import surface_displacement

    n = 48
    traction = np.zeros((n, n, 2))
    traction[20:28, 6:12, 1], traction[20:28, 34:40, 1] = 0.1, 0.1
    model = surface_displacement(traction)
    measured = np.where(np.arange(n)[:, None] < n // 2, model, 0.5 * model) + 2.0
    labels = np.zeros((n, n), dtype=int)
    labels[18:30, 4:14], labels[18:30, 32:42] = 1, 2
    stack = TractionStack(traction)
    how = Measurement(
        labels=labels,
        dilation_steps=0,
        measured=DisplacementStack(measured, unit="grid"),
    )
    found = {row.cell: row.values["explained"] for row in measure(stack, how)}
    for cell, share in found.items():
        about_mean = measured - measured.mean(axis=(0, 1))
        left = measured - model - (measured - model).mean(axis=(0, 1))
        inside = labels == cell
        expected = (
            1 - np.square(left[inside]).sum() / np.square(about_mean[inside]).sum()
        )
        assert share == pytest.approx(expected, abs=1e-4)
    assert found[1] > 0.9 > found[2]
    # Of the whole field, it is that of the reconstruction.
    whole = Measurement(measured=DisplacementStack(measured, unit="grid"))
    (row,) = measure(stack, whole)
    assert row.values["explained"] == pytest.approx(
        explained_share(measured[None], model[None])[0], abs=1e-4
    )
    assert np.isnan(next(measure(stack)).values["explained"])
    # The companions of the tractions are enough.
    known = replace(
        stack,
        companions={
            "displacement_model": model[None].astype(np.float32),
            "residual": (measured - model)[None].astype(np.float32),
        },
        displacement_unit="grid",
    )
    again = [
        one.values["explained"] for one in measure(known, replace(how, measured=None))
    ]
    assert again == pytest.approx(list(found.values()), abs=1e-4)
