"""Effects and map of knock-out, for a patch of a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_vit_tfm.attention.callbacks import Callbacks
from napari_vit_tfm.attention.changes import PatchTraction
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.knockout import (
    KnockoutEffects,
    knockout_effects,
    knockout_map,
)
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import Cancelled, FieldError, ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.models.knockout import Knockout
from napari_vit_tfm.models.methods.fttc import FTTCMethod
from napari_vit_tfm.models.original import (
    OriginalMethod,
    OriginalViT,
    OriginalViTConfig,
)
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import PhysicsViTMethod

# Four variants at once: batches of 4, 4 and 1 for the 9 patches.
CPU = ReconstructionConfig(device="cpu", batch_size=4)
PATCH = (2, 1)


def physics() -> PhysicsViTMethod:
    torch.manual_seed(0)
    network = PhysicsViT(PhysicsViTConfig(width=16, depth=2, heads=4, channels=8))
    return PhysicsViTMethod(network, name="small", sha256="")


def original() -> OriginalMethod:
    torch.manual_seed(0)
    config = OriginalViTConfig(16, 2, 4, 24, 8, 3, form="linear", qkv_bias=True)
    network = OriginalViT(config)
    return OriginalMethod(network, name="original.pth", sha256="")


def prepared(
    method: ReconstructionMethod, shape: tuple[int, int] = (20, 24), factor: float = 1
) -> PreparedFrame:
    data = factor * np.random.default_rng(0).normal(size=(1, *shape, 2))
    stack = DisplacementStack(data, unit="grid")
    return prepare_frame(stack, 0, config=CPU, method=method)


def by_hand(frame: PreparedFrame) -> tuple[Knockout, PatchTraction]:
    field = frame.method.tokenised(frame.inputs)
    knockout = Knockout(field, frame.grid.index(*PATCH))
    # The network whose attention is shown, without averaging over mirror images.
    traction = frame.method.differentiable_at(frame.inputs)(frame.inputs)
    return knockout, PatchTraction.of(traction[0].double().numpy(), frame.grid, PATCH)


@pytest.mark.parametrize(
    ("make", "shape"), [(physics, (20, 24)), (original, (24, 24)), (original, (30, 30))]
)
@torch.no_grad()
def test_changes_are_relative_to_the_traction_in_the_patch(
    make: Callable[[], ReconstructionMethod], shape: tuple[int, int]
) -> None:
    # The field of 30 x 30 vectors is resampled to the grid of the checkpoint.
    frame = prepared(make(), shape)
    knockout, traction = by_hand(frame)
    found = knockout_effects(frame, PATCH)
    assert found.traction_rms == pytest.approx(traction.rms, rel=1e-5)
    assert found.strength == pytest.approx(traction.strength, rel=1e-5)
    close = {"rtol": 1e-3, "atol": 1e-6}
    for block in range(2):
        tractions = knockout.with_uniform(block, [0, 1, 2, 3, None]).double().numpy()
        *heads, whole = map(traction.relative_change, tractions)
        np.testing.assert_allclose(found.heads[block], heads, **close)
        np.testing.assert_allclose(found.blocks[block], whole, **close)
    map_ = knockout_map(frame, PATCH)
    assert map_.shape == (3, 3)
    for block, one in ((None, map_), (1, knockout_map(frame, PATCH, block=1))):
        blocks = None if block is None else [block]
        tractions = knockout.without(range(9), blocks=blocks).double().numpy()
        changes = [traction.relative_change(one) for one in tractions]
        np.testing.assert_allclose(one.ravel(), changes, **close)
    assert map_.min() > 1e-5


def test_the_changes_do_not_depend_on_the_amplitude_or_on_views() -> None:
    method = physics()
    map_ = knockout_map(prepared(method), PATCH)
    method.n_views = 4
    again = knockout_map(prepared(method, factor=1e3), PATCH)
    np.testing.assert_allclose(again, map_, rtol=1e-2)


def test_progress_and_cancelling() -> None:
    frame = prepared(physics())
    steps: list[tuple[str, int, int]] = []
    callbacks = Callbacks(lambda *step: steps.append(step))
    knockout_effects(frame, PATCH, callbacks=callbacks)
    knockout_map(frame, PATCH, callbacks=callbacks)
    assert steps == [
        *(("knocking out heads", block, 2) for block in (1, 2)),
        *(("knocking out patches", done, 9) for done in (4, 8, 9)),
    ]
    for compute, last in ((knockout_effects, 1), (knockout_map, 4)):
        steps.clear()
        answers = iter([False, True])
        callbacks = Callbacks(
            lambda *step: steps.append(step), lambda answers=answers: next(answers)
        )
        with pytest.raises(Cancelled):
            compute(frame, PATCH, callbacks=callbacks)
        assert [done for _, done, _ in steps] == [last]


def test_what_has_no_knockout() -> None:
    frame = prepared(physics())
    with pytest.raises(IndexError, match="3 rows and 3 columns"):
        knockout_effects(frame, (3, 0))
    with pytest.raises(IndexError, match=r"no block 2 \(counted from 0\)"):
        knockout_map(frame, PATCH, block=2)
    with pytest.raises(FieldError, match="no traction in patch 2,1"):
        knockout_map(prepared(physics(), factor=0), PATCH)
    with pytest.raises(FieldError, match="only one patch"):
        knockout_map(prepared(physics(), (8, 8)), (0, 0))
    with pytest.raises(ModelError, match="fttc has no attention"):
        knockout_effects(prepared(FTTCMethod()), PATCH)
    with pytest.raises(ModelError, match="fttc has no attention"):
        knockout_map(prepared(FTTCMethod()), PATCH)


def test_the_only_patch_attends_uniformly_to_itself() -> None:
    found = knockout_effects(prepared(physics(), (8, 8)), (0, 0))
    np.testing.assert_allclose(found.blocks, 0, atol=1e-6)


def test_the_strongest_block_and_head() -> None:
    heads = np.array([[0.1, 0.2, 0.1], [0.0, 0.1, 0.3]])
    effects = KnockoutEffects(np.array([0.5, 0.4]), heads, 1.0, 1.0)
    assert effects.strongest_block == 0
    assert effects.strongest_head == (1, 2)
