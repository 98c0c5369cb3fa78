"""Tractions with turned axes: each turn is named, and right tractions are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.displacement import examine
from napari_vit_tfm.displacement.axes import TURNS, fit_axes
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, displacement_of
from napari_vit_tfm.synthesis import PadDistribution, SyntheticStack, synthesise

Field = npt.NDArray[np.float32]

TURNED: dict[str, Callable[[Field], Field]] = {
    "all vectors reversed": lambda t: -t,
    "x components reversed": lambda t: t * np.float32([-1, 1]),
    "y components reversed": lambda t: t * np.float32([1, -1]),
    "x and y components exchanged": lambda t: t[..., ::-1],
    "rows upside down": lambda t: t[:, ::-1],
    "rows upside down and y components reversed": lambda t: (
        t[:, ::-1] * np.float32([1, -1])
    ),
    "columns in reverse order": lambda t: t[:, :, ::-1],
    "columns in reverse order and x components reversed": lambda t: (
        t[:, :, ::-1] * np.float32([-1, 1])
    ),
    "rows and columns exchanged": lambda t: t.swapaxes(1, 2),
    "rows and columns exchanged, and x and y components too": lambda t: t.swapaxes(
        1, 2
    )[..., ::-1],
}


def pads(n: int = 1, shape: tuple[int, int] = (64, 64)) -> SyntheticStack:
    return synthesise(n, seed=3, shape=shape, distribution=PadDistribution())


def told(made: SyntheticStack, traction: Field) -> list[str]:
    """The warnings about the axes."""
    displacement = DisplacementStack(made.displacement, unit="field")
    warnings = examine(displacement, TractionStack(traction, unit="1")).warnings
    return [text for text in warnings if "would fit the displacements" in text]


def test_every_turn_has_a_test() -> None:
    assert list(TURNED) == [turn.words for turn in TURNS]


@pytest.mark.parametrize("words", TURNED)
def test_each_turn_is_named(words: str) -> None:
    made = pads()
    assert told(made, made.traction) == []
    (warning,) = told(made, TURNED[words](made.traction))
    assert warning.startswith(f"with {words}, the tractions would fit")


def test_all_frames_decide_and_missing_tractions_do_not_matter() -> None:
    made = pads(3, (43, 50))
    turned = TURNED["rows upside down"](made.traction).copy()
    turned[0], turned[1, :4] = 0, np.nan
    (warning,) = told(made, turned)
    assert warning.startswith("with rows upside down, ")
    one_of_three = made.traction.copy()
    one_of_three[0] *= np.float32([-1, 1])
    assert told(made, one_of_three) == []


def test_tractions_of_something_else_fit_in_no_direction() -> None:
    made = pads()
    random = np.random.default_rng(0).normal(size=made.traction.shape)
    assert told(made, random.astype(np.float32)) == []


def test_the_response_is_that_of_the_gel() -> None:
    response = Substrate(Gel(thickness_um=4.0)).response(spacing_um=1.0)
    traction = pads().traction[0].astype(np.float64)
    x, y = displacement_of(*np.moveaxis(traction, -1, 0), response=response)
    measured = np.stack([x, y], axis=-1)
    fit = fit_axes(measured, traction, response=response)
    assert fit is not None
    assert fit.as_given == pytest.approx(1.0)
    half_space = fit_axes(measured, traction, response=Substrate().response())
    assert half_space is not None
    assert half_space.as_given < 0.99
    assert fit_axes(measured, 0 * traction, response=response) is None


@pytest.mark.parametrize(
    ("factor", "is_named"), [(1.0, False), (1e-3, True), (8, True)]
)
def test_tractions_of_another_unit_are_named(factor: float, is_named: bool) -> None:
    displacement, truth = pads().on_gel(young_pa=5000.0, spacing_um=0.5)
    other = replace(truth, data=truth.data * np.float32(factor))
    warnings = examine(displacement, other).warnings
    assert any("the units of both files" in text for text in warnings) == is_named
    # The same displacements in another unit.
    data = displacement.data / np.float32(0.5)
    in_pixels = replace(displacement, data=data, unit="px", pixel_size_um=0.5)
    assert examine(in_pixels, other).warnings == warnings


def test_a_known_poisson_ratio_counts_without_a_spacing() -> None:
    gel = Gel(poisson=0.1)
    traction = pads().traction[0].astype(np.float64)
    x, y = displacement_of(
        *np.moveaxis(traction, -1, 0), response=Substrate(gel).response()
    )
    stack = DisplacementStack(np.stack([x, y], axis=-1), unit="grid", gel=gel)
    (frame,) = examine(stack, TractionStack(traction, unit="1")).frames
    assert frame.fit is not None
    assert frame.fit.as_given == pytest.approx(1.0, abs=1e-6)
    assert frame.scale == pytest.approx(1.0, rel=1e-3)
