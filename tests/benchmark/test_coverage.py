"""Coverage of intervals on held-out fields, and its calibration."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.benchmark import unseen
from napari_vit_tfm.benchmark.calibration import (
    HeldOutFields,
    calibrate,
    calibration_fields,
)
from napari_vit_tfm.benchmark.coverage import Coverage, coverage_of_kinds
from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.models import load
from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.solved import Solved
from napari_vit_tfm.models.tensors import to_tensor


@pytest.fixture
def truth() -> np.ndarray:
    truth = np.zeros((10, 10, 2))
    truth[:5, :5] = 1.0
    return truth


def test_scores_of_a_known_case(truth: np.ndarray) -> None:
    traction = truth.copy()
    traction[0, :5, 0] = 1.3
    traction[9, 9] = 0.5
    widths = np.stack([np.full(truth.shape, 0.1), np.full(truth.shape, 0.2)])
    found = Coverage.of(traction, truth, widths)
    assert found.held_68 == found.held_95 == pytest.approx(0.9)
    assert found.above == pytest.approx(1 / 75)
    # Width 0.4 everywhere; a tenth of the components misses by 0.1.
    assert found.score == pytest.approx((0.4 + 0.1 * 40 * 0.1) / np.sqrt(2))


def test_the_mean_leaves_out_what_is_not_defined() -> None:
    full = np.ones((4, 4, 2))
    widths = np.stack([full, full])
    everywhere = Coverage.of(full, full, widths)
    assert np.isnan(everywhere.above)
    both = Coverage.mean([everywhere, Coverage(0.0, 0.5, 0.1, 1.0)])
    assert both.held_95 == 0.75
    assert both.above == 0.1


@pytest.mark.parametrize("noise", ["0", "5%", "60%"])
@pytest.mark.parametrize("window_steps", [0.0, 2.0])
def test_the_network_s_intervals_hold_what_they_state(
    noise: str, window_steps: float
) -> None:
    kinds = ("discs", "colony", "pads", "band", "fibres", "layer")
    found = coverage_of_kinds(
        {"vit": load("vit")},
        partial(simulate, n=2, seed=5, shape=(64, 64), window_steps=window_steps),
        kinds=kinds,
        noises=(noise,),
        seed=5,
    )["vit"]
    mean = Coverage.mean(list(found.values()))
    assert 0.62 < mean.held_68 < 0.8
    assert 0.92 < mean.held_95 < 0.99
    assert mean.above < 0.05


def test_they_do_on_unseen_fields() -> None:
    found = coverage_of_kinds(
        {"vit": load("vit")},
        partial(unseen.simulate, n=1, seed=3, shape=(64, 64)),
        kinds=tuple(unseen.KINDS),
        noises=("5%", "60%"),
        seed=3,
    )["vit"]
    mean = Coverage.mean(list(found.values()))
    assert 0.6 < mean.held_68 < 0.76
    assert 0.9 < mean.held_95 < 0.98
    assert mean.above < 0.05


class Half(ReconstructionMethod):
    """Finds half of the displacement, and says nothing about its error."""

    name = "half"

    def to(self, device: str | torch.device) -> Half:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        return displacement / 2

    def halfwidths(self, solved: Solved) -> Tensor:
        traction = solved.traction
        return torch.full((len(traction), 2, *traction.shape[1:]), 0.01)


def test_calibration_has_averages_over_windows() -> None:
    at_vectors = 0
    for number, field in enumerate(calibration_fields(8, seed=1, kinds=("pads",))):
        shape = (field.truth.shape[-2], field.truth.shape[-1])
        clean, _ = simulate("pads", 1, seed=1000 + number, shape=shape)
        # The first of each field has no noise.
        difference = (field.displacement[0] - to_tensor(clean)[0]).abs().max()
        at_vectors += bool(difference < 1e-6 * field.displacement[0].abs().max())
    assert 0 < at_vectors < 6


def test_calibration_makes_wrong_widths_right() -> None:
    method = Half()
    calibration = calibrate(method, calibration_fields(4, seed=1, kinds=("pads",)))
    held = []
    for field in calibration_fields(4, seed=1, kinds=("pads",)):
        traction = method.traction(field.displacement)
        solved = Solved.of(field.displacement, traction)
        widths = calibration.apply(solved, method.halfwidths(solved))
        inside = (traction - field.truth).abs()[:, None] <= widths
        has_traction = (field.truth[0] != 0).any(dim=0)
        held.append(inside[..., has_traction].float().mean(dim=(0, 2, 3)))
    narrow, wide = torch.stack(held).mean(dim=0).tolist()
    assert 0.6 < narrow < 0.75
    assert 0.9 < wide < 0.98


class Same(Half):
    """Takes the displacement for the traction."""

    def traction(self, displacement: Tensor) -> Tensor:
        return displacement


def test_few_nodes_without_traction_seem_to_have_one() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(1, 2, 64, 64)
    truth[..., :32] = 0.01
    # Errors are small where there is a traction, and large where there is none.
    size = torch.where(truth == 0, 0.005, 0.0005)
    found = truth + size * torch.randn(6, 2, 64, 64, generator=generator)
    method = Same()
    calibration = calibrate(method, [HeldOutFields(found, truth)])
    solved = Solved.of(found, found)
    wide = calibration.apply(solved, method.halfwidths(solved))[:, 1]
    above = found.square().sum(dim=1).sqrt() > wide.amin(dim=1)
    assert above[..., 32:].float().mean() < 0.05


def test_the_intervals_are_wide_on_fields_that_do_not_fit() -> None:
    found = coverage_of_kinds(
        {"vit": load("vit")},
        partial(
            simulate,
            n=2,
            seed=5,
            shape=(64, 64),
            misfit="response cut off at a quarter of the field",
        ),
        kinds=("discs", "colony", "pads", "band", "fibres", "layer"),
        noises=("5%",),
        seed=5,
    )["vit"]
    mean = Coverage.mean(list(found.values()))
    # Of a head that has not learnt from such fields, they hold 76%.
    assert mean.held_95 > 0.86
