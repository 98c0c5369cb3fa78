"""Influence, physical reference and rank correlation against known truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.attention.callbacks import Callbacks
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.influence import (
    influence_map,
    physical_reference,
    rank_correlation,
)
from napari_vit_tfm.attention.patches import PatchGrid
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.errors import Cancelled, ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod, load
from napari_vit_tfm.models.methods.fttc import FTTCMethod, FTTCOptions
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import PhysicsViTMethod
from napari_vit_tfm.physics.raster import square_displacement

CPU = ReconstructionConfig(device="cpu")
EXACT = InspectionConfig(n_projections=1000)


class Toy(ReconstructionMethod):
    """A method given by a function of tensors."""

    name = "toy"

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        grid: tuple[int, int] | None = None,
    ) -> None:
        self.function = function
        self.grid = grid

    def to(self, device: str | torch.device) -> Toy:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        return self.function(displacement)


def prepared(stack: DisplacementStack, method: ReconstructionMethod) -> PreparedFrame:
    return prepare_frame(stack, 0, config=CPU, method=method)


def random_stack(shape: tuple[int, int], **values: object) -> DisplacementStack:
    data = np.random.default_rng(0).normal(size=(1, *shape, 2))
    return DisplacementStack(data, **{"unit": "grid", **values})


def test_fttc_s_influence_is_the_norm_of_its_impulse_responses() -> None:
    shape, patch = (16, 20), (1, 0)
    method = FTTCMethod(FTTCOptions(regularisation=0.5))
    impulses = torch.eye(2 * 16 * 20, dtype=torch.float64).reshape(-1, 2, *shape)
    # An impulse of one grid step, in fractions of the width.
    responses = method.traction(impulses / 19)[:, :, 8:16, 0:8].numpy()
    squared = np.square(responses).sum(axis=(1, 2, 3)).reshape(2, *shape).sum(axis=0)
    truth = np.sqrt(
        [[squared[r : r + 8, c : c + 8].sum() for c in (0, 8, 16)] for r in (0, 8)]
    )
    frame = prepared(random_stack(shape), method)
    found = influence_map(frame, patch, inspection=EXACT)
    np.testing.assert_allclose(found, truth, rtol=1e-4)
    # A few directions come near, and are the same again.
    few = [influence_map(frame, patch) for _ in range(2)]
    np.testing.assert_array_equal(few[0], few[1])
    np.testing.assert_allclose(few[0], truth, rtol=0.5)
    assert not np.allclose(few[0], truth, rtol=1e-3)


def test_few_directions_are_right_on_average() -> None:
    method = FTTCMethod(FTTCOptions(regularisation=0.5))
    frame = prepared(random_stack((16, 16)), method)

    def squared(inspection: InspectionConfig) -> np.ndarray:
        return influence_map(frame, (0, 1), inspection=inspection) ** 2

    estimates = [squared(InspectionConfig(2, seed=seed)) for seed in range(60)]
    np.testing.assert_allclose(np.mean(estimates, axis=0), squared(EXACT), rtol=0.15)


@pytest.mark.parametrize("model", ["fttc", "bayesian-fttc"])
def test_what_is_chosen_for_a_field_is_held(model: str) -> None:
    # The choices made, the method is linear.
    method, field = load(model), torch.randn(1, 2, 16, 24).double()
    solve = method.differentiable_at(field)
    torch.testing.assert_close(solve(field), method.traction(field))
    torch.testing.assert_close(solve(3 * field), 3 * solve(field))
    other = torch.randn(1, 2, 16, 24).double()
    torch.testing.assert_close(solve(field + other), solve(field) + solve(other))


def test_only_the_patch_that_matters_has_influence() -> None:
    def from_lower_right(u: Tensor) -> Tensor:
        out = torch.zeros_like(u)
        out[:, :, :8, :8] = 3 * u[:, :, 8:16, 16:24]
        return out

    frame = prepared(random_stack((16, 24)), Toy(from_lower_right))
    found = influence_map(frame, (0, 0))
    truth = np.zeros((2, 3))
    # 128 derivatives of 3 per field width, which is 23 grid steps.
    truth[1, 2] = np.sqrt(128) * 3 / 23
    np.testing.assert_allclose(found > 0, truth > 0)
    np.testing.assert_allclose(found, truth, rtol=0.25)


@pytest.mark.parametrize("shape", [(16, 16), (17, 30)])
def test_a_network_s_influence_at_odd_sizes_and_at_the_cut_patch(
    shape: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    network = PhysicsViT(PhysicsViTConfig(width=16, depth=1, heads=2, channels=8))
    method = PhysicsViTMethod(network, name="small", sha256="")
    grid = PatchGrid(shape)
    patch = (grid.rows - 1, grid.columns - 1)
    stack = random_stack(shape)
    counts: list[tuple[int, int]] = []
    callbacks = Callbacks(lambda _, *count: counts.append(count))
    found = influence_map(prepared(stack, method), patch, callbacks=callbacks)
    assert found.shape == (grid.rows, grid.columns)
    assert np.isfinite(found).all()
    assert np.unravel_index(found.argmax(), found.shape) == patch
    assert counts == [(done, 8) for done in range(1, 9)]
    # Amplitude is divided out and multiplied back: the derivative is the same.
    scaled = DisplacementStack(100 * stack.data, unit="grid")
    larger = influence_map(prepared(scaled, method), patch)
    np.testing.assert_allclose(larger, found, rtol=1e-3)
    nothing = DisplacementStack(np.zeros((*shape, 2)), unit="grid")
    with pytest.raises(ModelError, match="no derivative"):
        influence_map(prepared(nothing, method), patch)


def test_a_resampled_field_has_the_patches_of_the_method_s_grid() -> None:
    frame = prepared(random_stack((30, 30)), Toy(lambda u: u, (40, 40)))
    found = influence_map(frame, (3, 1))
    assert found.shape == (5, 5)
    assert np.flatnonzero(found) == [3 * 5 + 1]


def test_it_can_be_cancelled_and_has_to_be_a_patch() -> None:
    answers = iter([False, False, True])
    done: list[int] = []
    frame = prepared(random_stack((16, 16)), Toy(lambda u: 2 * u))
    callbacks = Callbacks(lambda _, now, __: done.append(now), lambda: next(answers))
    with pytest.raises(Cancelled):
        influence_map(frame, (0, 0), callbacks=callbacks)
    assert done == [1, 2]
    with pytest.raises(IndexError, match="2 rows and 2 columns"):
        influence_map(frame, (2, 0))


def test_the_physical_reference_is_the_sum_over_squares_of_traction() -> None:
    grid = PatchGrid((19, 16))
    found = physical_reference(grid, (0, 1))
    y, x = np.mgrid[:19, :16]
    total = np.zeros((3, 19, 16))
    for row in range(8):
        for column in range(8, 16):
            total += square_displacement(x - column, y - row)
    xx, yy, xy = np.square(total)
    squared = xx + yy + 2 * xy
    truth = [[squared[r : r + 8, c : c + 8].sum() for c in (0, 8)] for r in (0, 8, 16)]
    np.testing.assert_allclose(found, np.sqrt(truth), rtol=1e-6)
    assert np.unravel_index(found.argmax(), found.shape) == (0, 1)


def test_rank_correlation() -> None:
    generator = np.random.default_rng(0)
    map_ = generator.random((4, 5))
    assert rank_correlation(map_, np.exp(9 * map_)) == pytest.approx(1)
    assert rank_correlation(map_, -map_) == pytest.approx(-1)
    assert abs(rank_correlation(map_, generator.random((4, 5)))) < 0.6
    assert np.isnan(rank_correlation(map_, np.full((4, 5), 0.05)))
    assert np.isnan(rank_correlation(map_[:1, :1], map_[:1, :1], patch=(0, 0)))
    # Whatever the chosen patch has does not count.
    other = map_.copy()
    other[2, 3] = -100
    assert rank_correlation(map_, other) < 1
    assert rank_correlation(map_, other, patch=(2, 3)) == pytest.approx(1)
