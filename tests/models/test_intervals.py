"""Calibrated intervals: the table of factors, its file, and what has none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_vit_tfm import ReconstructionConfig, load_method
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models import load
from napari_vit_tfm.models.intervals import (
    Calibration,
    Intervals,
    bundled_intervals,
    halfwidths,
    has_intervals,
    hat_weights,
    load_intervals,
    save_intervals,
)
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig
from napari_vit_tfm.models.solved import Solved
from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.models.weights import load_network, save_network
from napari_vit_tfm.physics import raster_displacement
from napari_vit_tfm.synthesis import synthesise

KNOTS = (
    torch.tensor([-6.0, 0.0]),
    torch.tensor([-4.0, -1.0]),
    torch.tensor([-3.0, 0.0, 3.0]),
)


def table(factors: torch.Tensor) -> Calibration:
    return Calibration(*KNOTS, factors)


def test_interpolation_between_knots_and_constant_beyond() -> None:
    weights = hat_weights(torch.tensor([-9.0, -3.0, 1.0, 9.0]), KNOTS[2])
    expected = [[1, 0, 0], [1, 0, 0], [0, 2 / 3, 1 / 3], [0, 0, 1]]
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float))


def test_factors_depend_on_traction_and_level() -> None:
    traction = torch.zeros(1, 2, 16, 16)
    traction[..., :8] = 1000.0
    widths = torch.ones(1, 2, 2, 16, 16)
    factors = torch.ones(2, 2, 2, 3)
    factors[0, ..., 0], factors[1, ..., 2] = 5.0, 7.0
    solved = Solved.of(torch.zeros(1, 2, 16, 16), traction)
    narrow, wide = table(factors).apply(solved, widths)[0]
    torch.testing.assert_close(narrow[..., 8:], torch.full((2, 16, 8), 5.0))
    torch.testing.assert_close(wide[..., :8], torch.full((2, 16, 8), 7.0))
    torch.testing.assert_close(narrow[..., :8], torch.ones(2, 16, 8))


def test_factors_depend_on_noise() -> None:
    made = synthesise(1, seed=0, shape=(48, 48))
    clean = to_tensor(made.displacement)
    noise = clean.std() * torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0)
    )
    factors = torch.ones(2, 2, 2, 3)
    factors[:, 1] = 4.0
    widths = torch.ones(2, 2, 2, 48, 48)
    both = torch.cat([clean, clean + 2 * noise])
    solved = Solved.of(both, torch.zeros_like(both))
    found = table(factors).apply(solved, widths)
    assert found[0].max() < 2.5
    assert found[1].min() > 3.5


def test_factors_depend_on_what_is_left_unexplained() -> None:
    truth = to_tensor(synthesise(1, seed=0, shape=(48, 48)).traction)
    steps = torch.stack(raster_displacement(*truth.unbind(dim=1)), dim=1)
    displacement = steps / 47
    factors = torch.ones(2, 2, 2, 3)
    factors[:, :, 1] = 4.0
    widths = torch.ones(1, 2, 2, 48, 48)
    explained, half = (
        table(factors).apply(Solved.of(displacement, share * truth), widths).max()
        for share in (1.0, 0.5)
    )
    assert explained < 1.3
    assert half > 3.0


def test_what_is_known_of_a_field_is_not_computed_again() -> None:
    made = synthesise(1, seed=0, shape=(24, 32))
    displacement, truth = to_tensor(made.displacement), to_tensor(made.traction)
    computed = Solved.of(displacement, truth)
    given = Solved.of(
        displacement,
        truth,
        noise=computed.noise,
        model=displacement - computed.residual,
    )
    assert given.noise is computed.noise
    torch.testing.assert_close(given.residual, computed.residual, atol=1e-8, rtol=1e-4)


@pytest.fixture
def made() -> Intervals:
    torch.manual_seed(0)
    head = ScaleHead(ScaleHeadConfig(channels=4, layers=1))
    calibration = table(torch.ones(2, 2, 2, 3))
    return Intervals("abc", head, {"vit": calibration, "fttc": calibration})


def test_round_trip(made: Intervals, tmp_path: Path) -> None:
    path = tmp_path / "intervals.safetensors"
    save_intervals(path, made, record={"seed": 1})
    read = load_intervals(path)
    assert read.network_sha256 == "abc"
    assert list(read.calibrations) == ["vit", "fttc"]
    torch.testing.assert_close(read.calibrations["fttc"].ratio, KNOTS[2])
    assert read.head.config == made.head.config
    for name, values in made.head.state_dict().items():
        torch.testing.assert_close(read.head.state_dict()[name], values)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_text("nothing")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_intervals(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="but not a file of intervals"):
        load_intervals(path)


def test_the_bundled_head_belongs_to_the_bundled_network() -> None:
    method = load("vit")
    assert bundled_intervals().network_sha256 == method.sha256
    assert has_intervals(method)


def test_another_network_has_no_intervals(tmp_path: Path) -> None:
    config = PhysicsViTConfig(
        width=16, depth=1, heads=2, mlp_ratio=1, channels=4, stem_layers=0
    )
    path = tmp_path / "net.safetensors"
    save_network(path, PhysicsViT(config), training={})
    method = load_network(path)
    assert not has_intervals(method)
    nothing = torch.zeros(1, 2, 16, 16)
    with pytest.raises(ModelError, match="does not tell how sure"):
        method.halfwidths(Solved.of(nothing, nothing))


@pytest.mark.parametrize("n_views", [1, 4, 8])
def test_any_number_of_views_has_intervals(n_views: int) -> None:
    method = load_method(ReconstructionConfig(n_views=n_views))
    assert has_intervals(method)


def test_a_regularisation_of_the_user_s_has_no_intervals() -> None:
    assert has_intervals(load("fttc"))
    assert not has_intervals(load("fttc", options={"regularisation": 0.5}))


def test_more_noise_makes_the_intervals_wider() -> None:
    made = synthesise(1, seed=3, shape=(64, 64))
    clean = to_tensor(made.displacement)
    noise = clean.std() * torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0)
    )
    method = load("vit")
    has_traction = to_tensor(made.traction)[0] != 0
    with torch.inference_mode():
        weak, strong = (
            halfwidths(method, Solved.of(field, method.traction(field)))[0, 1][
                has_traction
            ].mean()
            for field in (clean + 0.01 * noise, clean + 0.3 * noise)
        )
    assert strong > 1.5 * weak


def test_what_does_not_fit_makes_the_intervals_wider() -> None:
    made = synthesise(1, seed=3, shape=(64, 64))
    clean = to_tensor(made.displacement)
    y, x = torch.meshgrid(*[torch.linspace(-3, 3, 64)] * 2, indexing="ij")
    wave = torch.stack([torch.sin(x + 1) * torch.cos(y), torch.cos(x) * torch.sin(y)])
    method = load("vit")
    has_traction = to_tensor(made.traction)[0] != 0
    with torch.inference_mode():
        fitting, other = (
            halfwidths(method, Solved.of(field, method.traction(field)))[0, 1][
                has_traction
            ].mean()
            for field in (clean, clean + 0.5 * clean.std() * wave)
        )
    assert other > 1.2 * fitting
