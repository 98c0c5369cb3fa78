"""The physics-guided network: what holds exactly, whatever the weights."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.models import physics_vit
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.rollout import rollout
from napari_vit_tfm.physics.bayesian import posterior_gains
from napari_vit_tfm.physics.evidence import most_probable_prior
from napari_vit_tfm.physics.halfspace import filter_modes
from napari_vit_tfm.physics.noise import estimate_noise
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.spectrum import spectrum
from napari_vit_tfm.physics.tikhonov import fttc, periodic_component

SMALL = PhysicsViTConfig(
    width=16,
    depth=3,
    heads=2,
    mlp_ratio=2,
    channels=8,
    stem_layers=1,
    decoder_layers=1,
    refinements=1,
    refinement_layers=1,
)


@pytest.fixture
def network() -> PhysicsViT:
    torch.manual_seed(0)
    network = PhysicsViT(SMALL).eval()
    # Zero at the start of training, which would hide half of the network.
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def displacement(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.01 * torch.randn(*shape, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("factor", [1e-4, 7.0])
def test_traction_is_linear_in_the_displacement_s_amplitude(
    network: PhysicsViT, factor: float
) -> None:
    field = displacement(2, 2, 24, 32)
    torch.testing.assert_close(
        network(factor * field), factor * network(field), rtol=1e-4, atol=3e-7 * factor
    )


@torch.no_grad()
def test_fields_of_a_batch_do_not_touch_each_other(network: PhysicsViT) -> None:
    field = displacement(2, 2, 24, 32)
    together = network(field * torch.tensor([1.0, 1e3]).reshape(2, 1, 1, 1))
    torch.testing.assert_close(together[:1], network(field[:1]), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_no_displacement_no_traction(network: PhysicsViT) -> None:
    assert torch.all(network(torch.zeros(1, 2, 16, 16)) == 0)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(16, 16), (17, 23), (104, 104), (40, 256)])
def test_any_grid_at_its_own_resolution(
    network: PhysicsViT, shape: tuple[int, int]
) -> None:
    field = displacement(1, 2, *shape)
    assert network(field).shape == (1, 2, *shape)
    patches = -(-shape[0] // 8) * -(-shape[1] // 8)
    attention = network.attention(field)
    assert len(attention) == 3
    for weights in attention:
        assert weights.shape == (2, patches, patches)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, patches))
    np.testing.assert_allclose(rollout(attention).sum(-1), 1, rtol=1e-5)


@torch.no_grad()
def test_the_attention_shown_is_the_attention_used(network: PhysicsViT) -> None:
    field = displacement(1, 2, 24, 24)
    before, maps = network(field), network.attention(field)[1]
    # Make the second block attend elsewhere: both must notice.
    network.blocks[1].attn.qkv.weight.mul_(3)
    assert not torch.allclose(network(field), before)
    assert not torch.allclose(network.attention(field)[1], maps)


@torch.no_grad()
def test_reduced_precision_stays_in_the_blocks(
    network: PhysicsViT, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = displacement(2, 2, 24, 32)
    exact, exact_maps = network(field), network.attention(field[:1])

    def error_under_autocast() -> float:
        with torch.autocast("cpu", torch.bfloat16):
            mixed = network(field)
        assert mixed.dtype == torch.float32
        return float((mixed - exact).norm() / exact.norm())

    # Not zero: the blocks themselves are rounded.
    assert 0 < error_under_autocast() < 1e-4
    with torch.autocast("cpu", torch.bfloat16):
        maps = network.attention(field[:1])
    for rounded, exact_map in zip(maps, exact_maps, strict=True):
        torch.testing.assert_close(rounded.float(), exact_map, rtol=0, atol=0.01)
    monkeypatch.setattr(physics_vit, "without_autocast", lambda _: nullcontext())
    assert error_under_autocast() > 1e-3


def test_the_configuration_survives_json() -> None:
    import json

    values = json.loads(json.dumps(SMALL.to_dict()))
    assert PhysicsViTConfig.from_dict(values) == SMALL


@torch.no_grad()
def test_a_refinement_begins_as_no_correction_and_then_corrects() -> None:
    torch.manual_seed(0)
    refined = PhysicsViT(SMALL).eval()
    plain = PhysicsViT(replace(SMALL, refinements=0)).eval()
    plain.load_state_dict(refined.state_dict(), strict=False)
    field = displacement(1, 2, 24, 32)
    # All but a small share of what the Bayesian solution finds in the residual.
    before = plain(field)
    difference = (refined(field) - before).square().sum()
    assert difference < 0.01 * before.square().sum()
    refined.refinements[0].head[1].bias[12:] = -30.0
    torch.testing.assert_close(refined(field), before)
    refined.refinements[0].head[1].weight.add_(0.1)
    assert not torch.allclose(refined(field), plain(field), rtol=0.01)


@torch.no_grad()
def test_a_refinement_can_leave_a_node_without_traction() -> None:
    torch.manual_seed(0)
    network = PhysicsViT(replace(SMALL, refinements=1)).eval()
    field = displacement(1, 2, 24, 30)
    before = network(field)
    # The third output of the last node in each two by two says "outside".
    bias = network.refinements[0].head[1].bias
    bias[11] = -30.0
    after = network(field)
    assert torch.all(after[..., 1::2, 1::2].abs() < 1e-9)
    outside = torch.zeros(24, 30, dtype=torch.bool)
    outside[1::2, 1::2] = True
    torch.testing.assert_close(after[..., ~outside], before[..., ~outside])
    bias[8:] = 30.0
    bias[12:] = -30.0
    without_share = network(field)
    bias[8:12] = 0.0
    torch.testing.assert_close(without_share, (1 + np.exp(-2.0)) * network(field))


def in_steps(field: Tensor) -> Tensor:
    """Displacements in grid steps, without their mean."""
    steps = field * (field.shape[-1] - 1)
    return steps - steps.mean(dim=(2, 3), keepdim=True)


def size(field: Tensor) -> Tensor:
    return field.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()


@torch.no_grad()
def test_a_refinement_may_trust_the_bayesian_solution() -> None:
    network = PhysicsViT(replace(SMALL, refinements=1)).eval()
    # The largest factor, for the estimate and half of the solution alike.
    bias = network.refinements[0].head[1].bias
    bias[8:12], bias[12:] = 30.0, 3.0
    field = displacement(1, 2, 24, 30)
    plain = PhysicsViT(replace(SMALL, refinements=0)).eval()
    plain.load_state_dict(network.state_dict(), strict=False)
    estimate, steps = plain(field), in_steps(field)
    made = torch.stack(raster_displacement(*estimate.unbind(1)), dim=1)
    residual = steps - made
    residual = residual - residual.mean(dim=(2, 3), keepdim=True)
    # What is chosen for the displacement over its size holds for the residual.
    parts = (steps / size(steps)).unbind(1)
    noise = estimate_noise(*parts)
    prior = most_probable_prior(spectrum(*map(periodic_component, parts)), noise=noise)
    left = map(periodic_component, residual.unbind(1))
    found = filter_modes(*left, posterior_gains(noise, prior), pad=False)
    expected = (1 + np.exp(-2.0)) * (estimate + 0.5 * torch.stack(found, dim=1))
    torch.testing.assert_close(network(field), expected, atol=1e-6, rtol=1e-3)


@torch.no_grad()
def test_a_refinement_sees_what_the_estimate_leaves_unexplained(
    network: PhysicsViT,
) -> None:
    seen: list[Tensor] = []
    network.refinements[0].register_forward_pre_hook(
        lambda _module, inputs: seen.append(inputs[1])
    )
    field = displacement(2, 2, 27, 30) * torch.tensor([1.0, 0.1]).view(1, 2, 1, 1)
    network(field)
    (maps,) = seen
    # The field lies in the corner of what is padded to whole patches.
    assert maps.shape[-2:] == (32, 32)
    assert not maps[..., 27:, :].any()
    assert not maps[..., 30:].any()
    maps = maps[..., :27, :30]
    residual, estimate, inside = maps[:, :2], maps[:, -5:-3], maps[:, -3]
    assert (inside == 1).all()
    traction = SMALL.traction_scale * estimate
    made = torch.stack(raster_displacement(*traction.unbind(1)), dim=1)
    steps = in_steps(field)
    expected = steps / size(steps) - (made - made.mean(dim=(2, 3), keepdim=True))
    torch.testing.assert_close(residual, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    ("regularisations", "corrected"),
    [((0.5,), 0.5), ((0.01, 0.1, 1.0, 10.0), 1.0), ((0.01, 0.1, 1.0), 0.1)],
)
def test_what_is_corrected_begins_near_the_tikhonov_solution_in_the_middle(
    regularisations: tuple[float, ...], corrected: float
) -> None:
    config = replace(SMALL, refinements=0, regularisations=regularisations)
    network = PhysicsViT(config).eval()
    for parameter in network.head.parameters():
        parameter.zero_()
    field = displacement(2, 2, 24, 30) * torch.tensor([1.0, 0.1]).view(1, 2, 1, 1)
    steps = in_steps(field)
    parts = map(periodic_component, steps.unbind(1))
    found = torch.stack(fttc(*parts, regularisation=corrected), dim=1)
    difference = (network(field) - found).square().sum()
    assert difference < 0.01 * found.square().sum()
    # Four outputs for the two by two nodes of each of the five maps and more.
    middle = 2 + len(regularisations) // 2
    network.head[1].bias[4 * middle : 4 * middle + 4] = 40.0
    torch.testing.assert_close(network(field), found, atol=1e-6, rtol=1e-3)
    # A correction is in typical tractions of a displacement of that size.
    network.head[1].bias[:8] = 0.5
    expected = found + 0.5 * config.traction_scale * size(steps)
    torch.testing.assert_close(network(field), expected, atol=1e-6, rtol=1e-3)


@torch.no_grad()
def test_a_drift_changes_nothing() -> None:
    torch.manual_seed(0)
    network = PhysicsViT(SMALL).eval()
    field = displacement(2, 2, 24, 30)
    drift = 3 * field.abs().max() * torch.tensor([1.0, -2.0])[:, None, None]
    torch.testing.assert_close(
        network(field + drift), network(field), atol=1e-5, rtol=1e-3
    )


@torch.no_grad()
def test_the_bayesian_solution_may_be_what_is_corrected() -> None:
    torch.manual_seed(0)
    network = PhysicsViT(replace(SMALL, refinements=0)).eval()
    head = network.head[1]
    head.weight.zero_()
    head.bias.zero_()
    field = displacement(1, 2, 24, 30)
    amplitude, steps = network._normalised(field)
    parts = [periodic_component(part) for part in steps.unbind(1)]
    noise = estimate_noise(*steps.unbind(1))
    prior = most_probable_prior(spectrum(*parts), noise=noise)
    # Weights are of two by two nodes; the Bayesian solution is the last of five.
    head.bias[2 * 4 + 4 * 4 :] = 40.0
    bayesian = filter_modes(*parts, posterior_gains(noise, prior), pad=False)
    expected = amplitude * torch.stack(bayesian, dim=1)
    torch.testing.assert_close(network(field), expected, atol=1e-6, rtol=1e-3)
