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
    noise_of,
    relative_noise,
    save_intervals,
)
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig
from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.models.weights import load_network, save_network
from napari_vit_tfm.synthesis import synthesise

KNOTS = torch.tensor([-6.0, 0.0]), torch.tensor([-3.0, 0.0, 3.0])


def table(factors: torch.Tensor) -> Calibration:
    return Calibration(*KNOTS, factors)


def test_interpolation_between_knots_and_constant_beyond() -> None:
    weights = hat_weights(torch.tensor([-9.0, -3.0, 1.0, 9.0]), KNOTS[1])
    expected = [[1, 0, 0], [1, 0, 0], [0, 2 / 3, 1 / 3], [0, 0, 1]]
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float))


def test_factors_depend_on_traction_and_level() -> None:
    traction = torch.zeros(1, 2, 16, 16)
    traction[..., :8] = 1000.0
    widths = torch.ones(1, 2, 2, 16, 16)
    factors = torch.ones(2, 2, 3)
    factors[0, :, 0], factors[1, :, 2] = 5.0, 7.0
    narrow, wide = table(factors).apply(torch.zeros(1), traction, widths)[0]
    torch.testing.assert_close(narrow[..., 8:], torch.full((2, 16, 8), 5.0))
    torch.testing.assert_close(wide[..., :8], torch.full((2, 16, 8), 7.0))
    torch.testing.assert_close(narrow[..., :8], torch.ones(2, 16, 8))


def test_factors_depend_on_noise() -> None:
    made = synthesise(1, seed=0, shape=(48, 48))
    clean = to_tensor(made.displacement)
    noise = clean.std() * torch.randn(
        clean.shape, generator=torch.Generator().manual_seed(0)
    )
    factors = torch.stack([torch.ones(3), torch.full((3,), 4.0)]).expand(2, 2, 3)
    widths = torch.ones(2, 2, 2, 48, 48)
    both = torch.cat([clean, clean + 2 * noise])
    level = relative_noise(both, noise_of(both))
    found = table(factors).apply(level, torch.zeros_like(both), widths)
    assert found[0].max() < 2.5
    assert found[1].min() > 3.5


@pytest.fixture
def made() -> Intervals:
    torch.manual_seed(0)
    head = ScaleHead(ScaleHeadConfig(channels=4, layers=1))
    calibration = table(torch.ones(2, 2, 3))
    return Intervals("abc", head, {"vit": calibration, "fttc": calibration})


def test_round_trip(made: Intervals, tmp_path: Path) -> None:
    path = tmp_path / "intervals.safetensors"
    save_intervals(path, made, record={"seed": 1})
    read = load_intervals(path)
    assert read.network_sha256 == "abc"
    assert list(read.calibrations) == ["vit", "fttc"]
    torch.testing.assert_close(read.calibrations["fttc"].ratio, KNOTS[1])
    assert read.head.config == made.head.config
    for name, values in made.head.state_dict().items():
        torch.testing.assert_close(read.head.state_dict()[name], values)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_text("nothing")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_intervals(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ModelError, match="not a file of intervals"):
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
        method.halfwidths(nothing, nothing, noise_of(nothing))


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
            halfwidths(method, field, method.traction(field))[0, 1][has_traction].mean()
            for field in (clean + 0.01 * noise, clean + 0.3 * noise)
        )
    assert strong > 1.5 * weak
