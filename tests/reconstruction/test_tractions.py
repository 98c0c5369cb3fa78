"""What a method is given, and what becomes of its tractions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from echo import CPU, Echo, random_stack
from napari_vit_tfm.config import NoiseConfig, ReconstructionConfig
from napari_vit_tfm.errors import Cancelled, FieldError, ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.physics import Substrate, displacement_of
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import synthesise


def test_components_and_axes_reach_the_model_in_their_order() -> None:
    data = np.zeros((1, 16, 24, 2), dtype=np.float32)
    data[0, 3, 20] = [1.0, -2.0]
    seen = reconstruct(DisplacementStack(data, unit="field"), config=CPU, method=Echo())
    np.testing.assert_array_equal(seen.data, data)


def test_the_gpu_s_short_cut_in_precision_is_off_during_a_run_only() -> None:
    seen: list[bool] = []

    class Watch(Echo):
        def traction(self, displacement: Tensor) -> Tensor:
            seen.append(torch.backends.cudnn.allow_tf32)
            return displacement

    before = torch.backends.cudnn.allow_tf32
    reconstruct(random_stack(1), config=CPU, method=Watch())
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_model_tied_to_a_grid_gets_a_resampled_field_and_says_so() -> None:
    notices: list[str] = []
    y, x = np.mgrid[0:40, 0:40] / 39
    stack = DisplacementStack(np.stack([x, y], axis=-1), unit="field")
    traction = reconstruct(
        stack, config=CPU, method=Echo((104, 104)), on_notice=notices.append
    )
    assert "resampled" in notices[0]
    np.testing.assert_allclose(traction.data[0], stack.data[0], atol=1e-5)
    with pytest.raises(FieldError, match="square"):
        reconstruct(random_stack(), config=CPU, method=Echo((104, 104)))


def test_a_model_on_its_own_grid_is_left_alone() -> None:
    notices: list[str] = []
    stack = random_stack(1, (104, 104))
    reconstruct(stack, config=CPU, method=Echo((104, 104)), on_notice=notices.append)
    assert notices == []


def test_another_poisson_ratio_reaches_the_model_corrected() -> None:
    stack = random_stack(2)
    seen = reconstruct(
        stack, substrate=Substrate(Gel(poisson=0.3)), config=CPU, method=Echo()
    )
    expected = Substrate(Gel(poisson=0.3)).to_reference(stack.data)
    np.testing.assert_allclose(seen.data, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(seen.data, stack.data, rtol=0.01)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: random_stack(1, (3, 40)), "3 x 40 vectors; fttc needs at least 4 x 4"),
        (lambda: random_stack(unit=None), "unit is not known"),
        (lambda: random_stack(unit="um"), "spacing"),
    ],
)
def test_fields_that_cannot_be_used(
    make: Callable[[], DisplacementStack], reason: str
) -> None:
    with pytest.raises(FieldError, match=reason):
        reconstruct(make(), config=CPU)


@pytest.mark.parametrize(
    ("model", "least"), [("fttc", 4), ("bayesian-fttc", 4), ("vit", 8)]
)
def test_the_smallest_grid_of_each_method(model: str, least: int) -> None:
    config = dataclasses.replace(CPU, model=model)
    for shape in ((least, least), (least, 20), (20, least)):
        found = reconstruct(random_stack(2, shape), config=config)
        assert found.data.shape == (2, *shape, 2)
        assert found.data.any()
    for shape in ((least - 1, 20), (20, least - 1)):
        with pytest.raises(FieldError, match=f"{model} needs at least {least} x"):
            reconstruct(random_stack(2, shape), config=config)


class EchoOfParts(Echo):
    """Processes fields of more than 130 vectors along a side in windows."""

    max_whole_side = 130


def test_large_fields_go_through_in_windows_frame_by_frame() -> None:
    method, calls, notices = EchoOfParts(), [], []
    reconstruct(
        random_stack(2, (200, 40)),
        config=CPU,
        method=method,
        on_progress=lambda done, total: calls.append((done, total)),
        on_notice=notices.append,
    )
    # Two windows of 128 x 40 in each frame.
    assert method.batches == [2, 2]
    assert calls == [(1, 2), (2, 2)]
    assert notices == [
        "the field of 200 x 40 vectors is reconstructed in overlapping windows of up "
        "to 128 x 128"
    ]


def test_fields_up_to_the_largest_whole_side_are_not_cut() -> None:
    method, notices = EchoOfParts(), []
    stack = random_stack(1, (130, 40))
    found = reconstruct(stack, config=CPU, method=method, on_notice=notices.append)
    np.testing.assert_allclose(found.data, stack.data, rtol=1e-5)
    assert notices == []


def test_cancelling_between_windows() -> None:
    method = EchoOfParts()
    with pytest.raises(Cancelled):
        reconstruct(
            random_stack(1, (200, 40)),
            config=dataclasses.replace(CPU, batch_size=1),
            method=method,
            is_cancelled=lambda: bool(method.batches),
        )
    assert method.batches == [1]


def test_too_many_windows_at_once_are_halved() -> None:
    method, notices = EchoOfParts(), []
    method.fits = 1
    config = dataclasses.replace(CPU, batch_size=4)
    reconstruct(
        random_stack(1, (200, 40)),
        config=config,
        method=method,
        on_notice=notices.append,
    )
    assert method.batches == [1, 1]
    assert notices[1:] == [
        "out of GPU memory: continuing with batches of 2",
        "out of GPU memory: continuing with batches of 1",
    ]
    method.fits = 0
    with pytest.raises(FieldError, match="does not fit"):
        reconstruct(random_stack(1, (200, 40)), config=config, method=method)


@pytest.mark.parametrize("model", registered_methods())
def test_a_thin_gel_s_tractions_come_back_if_its_thickness_is_told(model: str) -> None:
    truth = synthesise(2, seed=1).traction.astype(float)
    # 2 um of gel at 0.5 um spacing.
    gel = Substrate(Gel(poisson=0.45, thickness_um=2.0))
    parts = displacement_of(
        truth[..., 0], truth[..., 1], response=gel.response(spacing_um=0.5)
    )
    stack = DisplacementStack(np.stack(parts, axis=-1), unit="grid", spacing_um=0.5)
    config = ReconstructionConfig(model=model, device="cpu")

    def error(substrate: Substrate) -> float:
        found = reconstruct(stack, substrate=substrate, config=config)
        assert found.gel == substrate.gel
        return float(np.square(found.data - truth).sum() / np.square(truth).sum())

    assert error(gel) < 0.015
    assert error(Substrate(Gel(poisson=0.45))) > 2 * error(gel)


def test_noise_that_is_given_is_told_for_the_reference_gel() -> None:
    field = synthesise(1, seed=2, shape=(32, 32))
    gel = Gel(poisson=0.3, thickness_um=1.5)
    spacing_um, sd = 2.0, 0.1
    noise = np.random.default_rng(0).normal(0, sd, field.displacement.shape)
    data = (62 * field.displacement + noise).astype(np.float32)
    stack = DisplacementStack(data, unit="um", spacing_um=spacing_um, gel=gel)
    substrate = Substrate(gel)
    factor = substrate.noise_in_reference(spacing_um=spacing_um)
    assert factor > 1.2
    on_reference = DisplacementStack(
        substrate.to_reference(data, spacing_um=spacing_um),
        unit="um",
        spacing_um=spacing_um,
    )
    found, expected = (
        reconstruct(
            one,
            config=ReconstructionConfig(
                model="bayesian-fttc",
                device="cpu",
                noise=NoiseConfig(sd=of_one, length=0.0),
            ),
        ).data
        for one, of_one in ((stack, sd), (on_reference, sd * factor))
    )
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_a_thickness_needs_the_spacing() -> None:
    with pytest.raises(FieldError, match="vector spacing"):
        reconstruct(
            random_stack(), substrate=Substrate(Gel(thickness_um=20.0)), config=CPU
        )


def test_tractions_that_are_not_finite_are_refused() -> None:
    class Overflow(Echo):
        def traction(self, displacement: torch.Tensor) -> torch.Tensor:
            return displacement * 1e30 * 1e30

    stack = random_stack(unit="um", spacing_um=0.5)
    with pytest.raises(
        FieldError,
        match=r"not finite: .*, up to \d.*, or the spacing of 0\.5 um is too small",
    ):
        reconstruct(stack, config=CPU, method=Overflow())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_damaged_weights_are_told(value: float) -> None:
    class Damaged(Echo):
        def traction(self, displacement: torch.Tensor) -> torch.Tensor:
            return displacement + value

    with pytest.raises(ModelError, match=r"echo .* its weights are damaged"):
        reconstruct(random_stack(), config=CPU, method=Damaged())
