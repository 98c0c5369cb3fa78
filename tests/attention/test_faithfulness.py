"""Hiding patches: what takes their place, and what curves come of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.attention.callbacks import Callbacks
from napari_vit_tfm.attention.faithfulness import Faithfulness, faithfulness, hide
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.errors import Cancelled, FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.models.methods.fttc import FTTCMethod, FTTCOptions

CPU = ReconstructionConfig(device="cpu", batch_size=4)


class Toy(ReconstructionMethod):
    """The traction of the first patch is another patch's displacement."""

    name = "toy"

    def __init__(self, row: int, column: int) -> None:
        self.rows = slice(8 * row, 8 * row + 8)
        self.columns = slice(8 * column, 8 * column + 8)
        self.batches: list[int] = []

    def to(self, device: str | torch.device) -> Toy:
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        self.batches.append(len(displacement))
        out = torch.zeros_like(displacement)
        out[:, :, :8, :8] = displacement[:, :, self.rows, self.columns]
        return out


def prepared(stack: DisplacementStack, method: ReconstructionMethod) -> PreparedFrame:
    return prepare_frame(stack, 0, config=CPU, method=method)


@pytest.fixture
def stack() -> DisplacementStack:
    """Noise on 4 x 3 patches."""
    data = np.random.default_rng(0).normal(size=(1, 32, 24, 2))
    return DisplacementStack(data, unit="grid")


def in_order(order: list[int], n: int) -> np.ndarray:
    """A map of 4 x 3 patches that ranks some before all others."""
    map_ = np.zeros(n)
    map_[order] = np.arange(len(order), 0, -1)
    return map_.reshape(4, 3)


def test_the_curve_jumps_when_the_patch_that_matters_is_hidden(
    stack: DisplacementStack,
) -> None:
    # One patch more per point: the squares of equal steps, rounded, are not.
    inspection = InspectionConfig(n_shares=40)
    matters = 7
    maps = {
        "first": in_order([matters, 3], 12),
        "third": in_order([3, 5, matters, 8], 12),
        "itself first": in_order([0, matters], 12),
    }
    frame = prepared(stack, Toy(2, 1))
    found = faithfulness(frame, (0, 0), maps, inspection=inspection)
    hidden = np.rint(found.shares * 11)
    np.testing.assert_array_equal(hidden, np.arange(12))
    for name, jump in (("first", 1), ("third", 3), ("itself first", 1)):
        changes = found.changes[name]
        assert not changes[:jump].any()
        assert np.all(changes[jump:] > 0.5)
    assert found.changes["first"].max() < 2
    # There is no traction anywhere else.
    assert found.strength == 1
    # A map that knows is better than chance, one that puts it last is worse.
    assert found.advantage("first") > found.spread > 0
    last = in_order([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11], 12)
    worst = faithfulness(
        *(frame, (0, 0), {"last": last}),
        inspection=inspection,
        random=found.random,
    )
    assert worst.random is found.random
    assert worst.advantage("last") < 0
    assert not worst.changes["last"][:-1].any()


def test_random_orders_are_the_same_again_and_a_flat_map_is_one_of_them(
    stack: DisplacementStack,
) -> None:
    frame = prepared(stack, FTTCMethod(FTTCOptions(regularisation=0.1)))

    def curves(seed: int) -> Faithfulness:
        return faithfulness(
            *(frame, (1, 1), {"flat": np.ones((4, 3))}),
            inspection=InspectionConfig(n_shares=6, n_random=4, seed=seed),
        )

    first, again, other = curves(0), curves(0), curves(1)
    np.testing.assert_array_equal(first.random, again.random)
    np.testing.assert_array_equal(first.changes["flat"], again.changes["flat"])
    assert not np.array_equal(first.random, other.random)
    assert first.random.shape == (4, len(first.shares))
    # All begin with nothing hidden and end with everything hidden.
    assert not first.random[:, 0].any()
    assert np.ptp(first.random[:, -1]) == 0
    assert abs(first.advantage("flat")) < 4 * first.spread


def test_the_strength_is_the_patch_s_part_of_the_largest_traction(
    stack: DisplacementStack,
) -> None:
    method = FTTCMethod(FTTCOptions(regularisation=0.1))
    frame = prepared(stack, method)
    found = faithfulness(
        *(frame, (1, 1), {"flat": np.ones((4, 3))}),
        inspection=InspectionConfig(n_shares=3, n_random=1),
    )
    traction = method.traction(frame.inputs)[0].double().numpy()
    squares = np.square(traction).sum(axis=0).reshape(4, 8, 3, 8).sum(axis=(1, 3))
    expected = np.sqrt(squares[1, 1] / squares.max())
    assert 0 < expected < 1
    assert found.strength == pytest.approx(expected, rel=1e-5)


def test_a_patch_that_is_cut_is_as_strong_as_its_traction() -> None:
    class Even(Toy):
        def traction(self, displacement: Tensor) -> Tensor:
            return torch.ones_like(displacement)

    data = np.random.default_rng(0).normal(size=(1, 27, 20, 2))
    frame = prepared(DisplacementStack(data, unit="grid"), Even(0, 0))
    found = faithfulness(
        *(frame, (3, 2), {"flat": np.ones((4, 3))}),
        inspection=InspectionConfig(n_shares=3, n_random=1),
    )
    assert found.strength == pytest.approx(1)


def test_the_advantage_is_an_area() -> None:
    shares = np.array([0.0, 0.5, 1.0])
    random = np.array([[0.0, 0.2, 1.0], [0.0, 0.4, 1.0]])
    found = Faithfulness(shares, {"map": np.array([0.0, 0.9, 1.0])}, random, 1.0)
    # A triangle over the mean, 0.3, at the middle.
    assert found.advantage("map") == pytest.approx(0.6 / 2)
    assert found.spread == pytest.approx(np.std([-0.05, 0.05], ddof=1))
    assert np.isnan(Faithfulness(shares, {}, random[:1], 1.0).spread)


def test_batches_progress_and_cancelling(stack: DisplacementStack) -> None:
    method = Toy(2, 1)
    seen: list[tuple[int, int]] = []
    inspection = InspectionConfig(n_shares=5, n_random=2)

    def run(is_cancelled: Callable[[], bool] | None = None) -> None:
        faithfulness(
            *(prepared(stack, method), (0, 0), {"map": np.ones((4, 3))}),
            inspection=inspection,
            callbacks=Callbacks(lambda _, *count: seen.append(count), is_cancelled),
        )

    run()
    # Both ends once, three points between for each of three orders.
    assert method.batches == [4, 4, 3]
    assert seen == [(4, 11), (8, 11), (11, 11)]
    answers = iter([False, True])
    seen.clear()
    with pytest.raises(Cancelled):
        run(lambda: next(answers))
    assert seen == [(4, 11)]


def test_without_traction_there_is_nothing_to_measure() -> None:
    nothing = DisplacementStack(np.zeros((16, 16, 2)), unit="grid")
    frame = prepared(nothing, FTTCMethod(FTTCOptions(regularisation=1.0)))
    with pytest.raises(FieldError, match="no traction in patch 0,1"):
        faithfulness(frame, (0, 1), {"map": np.ones((2, 2))})
    with pytest.raises(IndexError):
        faithfulness(frame, (2, 0), {})


def test_a_field_of_one_patch_has_no_others_to_hide() -> None:
    random = np.random.default_rng(0).normal(size=(8, 5, 2))
    frame = prepared(DisplacementStack(random, unit="grid"), FTTCMethod())
    with pytest.raises(FieldError, match="only one patch"):
        faithfulness(frame, (0, 0), {"map": np.ones((1, 1))})


@pytest.mark.parametrize("shape", [(16, 16), (17, 30)])
def test_what_is_hidden_continues_its_surroundings(shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    # Harmonic between nodes, too, so that it comes back.
    field = np.stack([1 + 2 * x - y, x**2 - y**2], axis=-1)
    hidden = np.zeros(shape, dtype=bool)
    hidden[3:11, 4:12] = True
    np.testing.assert_allclose(hide(field, hidden), field, atol=1e-8)
    np.testing.assert_array_equal(hide(field, np.zeros(shape, dtype=bool)), field)


def test_every_hidden_node_is_the_mean_of_its_neighbours_at_the_border_too() -> None:
    field = np.random.default_rng(0).normal(size=(20, 27, 2))
    hidden = np.zeros((20, 27), dtype=bool)
    # Two corners, and a part of every border.
    hidden[:8, :8] = hidden[-4:, -3:] = True
    hidden[12:, 3:6] = hidden[9:12, -2:] = True
    filled = hide(field, hidden)
    # A node beyond the border is like the one at it, and pulls nowhere.
    around = np.pad(filled, ((1, 1), (1, 1), (0, 0)), mode="edge")
    neighbours = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2]
    pull = neighbours + around[1:-1, 2:] - 4 * filled
    np.testing.assert_allclose(pull[hidden], 0, atol=1e-9)


def test_what_is_hidden_never_goes_beyond_what_is_seen() -> None:
    field = np.random.default_rng(0).normal(size=(24, 32, 2))
    hidden = np.ones((24, 32), dtype=bool)
    hidden[8:16, 8:16] = False
    filled = hide(field, hidden)
    seen = field[~hidden]
    np.testing.assert_array_equal(filled[~hidden], seen)
    assert np.all(filled >= seen.min(axis=0) - 1e-9)
    assert np.all(filled <= seen.max(axis=0) + 1e-9)
    # Nothing of what was there is left.
    field[hidden] = 1000
    np.testing.assert_allclose(hide(field, hidden), filled, atol=1e-9)
