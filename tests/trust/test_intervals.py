"""Intervals of reconstructed tractions: units, gels, holes, and methods without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm import ReconstructionConfig, reconstruct
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models import load
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.synthesis import synthesise
from napari_vit_tfm.trust.consistency import forward_consistency
from napari_vit_tfm.trust.intervals import traction_intervals
from napari_vit_tfm.trust.noise import FrameNoise, estimated_noise

CONFIG = ReconstructionConfig(device="cpu", uncertainty=True)


@pytest.fixture(scope="module")
def displacement() -> DisplacementStack:
    """Two frames with noise, on a gel of 10 kPa."""
    made = synthesise(2, seed=0, shape=(48, 64))
    found, _ = made.on_gel(young_pa=10_000, spacing_um=0.8)
    noise = np.random.default_rng(0).normal(0, 0.02, found.data.shape)
    return found.with_data(found.data + noise.astype(np.float32))


@pytest.mark.parametrize("model", ["vit", "fttc", "bayesian-fttc"])
def test_half_widths_belong_to_the_tractions(
    displacement: DisplacementStack, model: str
) -> None:
    found = reconstruct(displacement, config=replace(CONFIG, model=model))
    assert list(found.companions) == ["halfwidth_68", "halfwidth_95"]
    narrow, wide = found.companions.values()
    assert narrow.shape == found.data.shape
    assert (narrow < wide).all()
    assert (narrow > 0).all()


def test_half_widths_are_in_the_unit_of_the_tractions(
    displacement: DisplacementStack,
) -> None:
    in_pa = reconstruct(displacement, config=CONFIG)
    softer = replace(displacement, gel=Gel(young_pa=None))
    relative = reconstruct(softer, config=CONFIG)
    for name, values in in_pa.companions.items():
        np.testing.assert_allclose(
            values, 10_000 * relative.companions[name], rtol=1e-4, atol=0
        )


def test_nothing_is_told_unless_it_is_asked_for(
    displacement: DisplacementStack,
) -> None:
    config = replace(CONFIG, uncertainty=False, model="fttc")
    assert not reconstruct(displacement, config=config).companions


def test_holes_have_no_interval_and_frames_at_rest_have_none_of_any_width(
    displacement: DisplacementStack,
) -> None:
    data = displacement.data.copy()
    data[0, 10, 20:22] = np.nan
    data[1] = 0
    narrow, wide = reconstruct(
        displacement.with_data(data), config=CONFIG
    ).companions.values()
    assert np.isnan(narrow[0, 10, 20:22]).all()
    assert np.isnan(wide[0]).sum() == 4
    assert not wide[1].any()


def test_a_thin_layer_s_tractions_are_judged_as_on_the_reference_gel() -> None:
    truth = synthesise(1, seed=0, shape=(48, 48)).traction
    layer = Substrate(Gel(thickness_um=6.0))
    method = load("bayesian-fttc")
    rng = np.random.default_rng(0)
    widths = []
    for substrate in (Substrate(), layer):
        steps = surface_displacement(truth, substrate, spacing_um=1.0)
        steps += 0.05 * steps.std() * rng.standard_normal(steps.shape)
        widths.append(
            traction_intervals(
                steps.astype(np.float32),
                truth,
                substrate,
                spacing_um=1.0,
                method=method,
            )[1].mean()
        )
    assert widths[1] / widths[0] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("model", ["vit", "bayesian-fttc"])
@pytest.mark.parametrize("poisson", [0.49, 0.3])
def test_known_noise_and_model_are_as_good_as_computed_ones(
    displacement: DisplacementStack, model: str, poisson: float
) -> None:
    steps = displacement.in_grid_steps()
    traction = synthesise(2, seed=0, shape=(48, 64)).traction
    substrate = Substrate(Gel(poisson=poisson))
    method = load(model)
    computed = traction_intervals(steps, traction, substrate, method=method)
    given = traction_intervals(
        steps,
        traction,
        substrate,
        method=method,
        noise=FrameNoise(estimated_noise(steps)),
        model=forward_consistency(steps, traction, substrate).model,
    )
    np.testing.assert_allclose(given, computed, rtol=0.01)


def test_the_smallest_grid(displacement: DisplacementStack) -> None:
    part = displacement.with_data(displacement.data[:, 10:18, 20:28])
    _, wide = reconstruct(part, config=CONFIG).companions.values()
    assert wide.shape == (2, 8, 8, 2)
    assert np.isfinite(wide).all()


def test_another_network_gets_a_notice(
    displacement: DisplacementStack, tmp_path: Path
) -> None:
    config = PhysicsViTConfig(
        width=16, depth=1, heads=2, mlp_ratio=1, channels=4, stem_layers=0
    )
    path = tmp_path / "net.safetensors"
    save_network(path, PhysicsViT(config), training={})
    notices: list[str] = []
    found = reconstruct(
        displacement,
        config=replace(CONFIG, model=str(path)),
        on_notice=notices.append,
    )
    assert not found.companions
    assert any("the errors of net.safetensors are not known" in n for n in notices)
