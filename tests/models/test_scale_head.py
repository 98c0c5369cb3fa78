"""The scale head: any grid, any amplitude, no field."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.models.scale_head import ScaleHead, ScaleHeadConfig, inputs_of
from napari_vit_tfm.models.solved import Solved
from napari_vit_tfm.models.tensors import to_tensor, with_weights


@pytest.fixture
def head() -> ScaleHead:
    torch.manual_seed(0)
    return ScaleHead(ScaleHeadConfig(channels=4, layers=1)).eval()


def field(shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    displacement = 0.01 * torch.randn(2, 2, *shape, generator=generator)
    return displacement, 0.1 * torch.randn(2, 2, *shape, generator=generator)


def widths(head: ScaleHead, displacement: Tensor, traction: Tensor) -> Tensor:
    found: Tensor = head(Solved.of(displacement, traction))
    return found


@pytest.mark.parametrize("shape", [(8, 8), (9, 13), (40, 32)])
def test_any_grid(head: ScaleHead, shape: tuple[int, int]) -> None:
    with torch.no_grad():
        narrow, wide = widths(head, *field(shape)).unbind(dim=1)
    assert narrow.shape == (2, 2, *shape)
    assert (narrow > 0).all()
    assert (wide > narrow).all()


def test_constants_are_where_the_field_is() -> None:
    # In the precision of the field, and on its device: a GPU refuses others, too.
    displacement, traction = field((24, 32))
    constants = inputs_of(Solved.of(displacement.double(), traction.double()))[2]
    assert constants.dtype == torch.float64
    expected = inputs_of(Solved.of(displacement, traction))[2]
    torch.testing.assert_close(constants.float(), expected, rtol=1e-3, atol=1e-3)


def test_the_order_of_axes_is_kept_when_weights_are_loaded() -> None:
    made = ScaleHead()
    read = with_weights(ScaleHead, made.state_dict())
    assert read.embed[1].weight.stride() == made.embed[1].weight.stride()
    assert not read.embed[1].weight.is_contiguous()
    torch.testing.assert_close(read.state_dict(), made.state_dict(), rtol=0, atol=0)


def test_opposite_vectors_have_opposite_maps() -> None:
    displacement, traction = field((24, 32))
    both = torch.cat([displacement, -displacement]), torch.cat([traction, -traction])
    one, other = inputs_of(Solved.of(*both))[1].chunk(2)
    signed = slice(8)  # components of traction, Tikhonov's difference, both residuals
    assert (one[:, signed] < 0).any(dim=(2, 3)).all()
    torch.testing.assert_close(other[:, signed], -one[:, signed])
    torch.testing.assert_close(other[:, 8:], one[:, 8:])


def test_maps_are_compressed_by_asinh() -> None:
    solved = Solved.of(*field((24, 32)))
    maps = inputs_of(solved)[1]
    residual = maps[:, 4:6].sinh()
    ratio = residual / solved.residual
    torch.testing.assert_close(
        ratio,
        ratio.mean(dim=(1, 2, 3), keepdim=True).expand_as(ratio),
        rtol=1e-3,
        atol=0,
    )


def test_half_widths_are_proportional_to_the_displacement(head: ScaleHead) -> None:
    displacement, traction = field((24, 32))
    with torch.no_grad():
        once = widths(head, displacement, traction)
        more = widths(head, 1000 * displacement, 1000 * traction)
    torch.testing.assert_close(more, 1000 * once, rtol=1e-3, atol=0)


def test_a_drift_changes_nothing(head: ScaleHead) -> None:
    displacement, traction = field((24, 32))
    drift = torch.tensor([0.02, -0.01])[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(
            widths(head, displacement + drift, traction),
            widths(head, displacement, traction),
            rtol=1e-3,
            atol=1e-6,
        )


def test_each_field_for_itself(head: ScaleHead) -> None:
    displacement, traction = field((24, 32))
    with torch.no_grad():
        together = widths(head, displacement, traction)
        alone = widths(head, displacement[1:], traction[1:])
    torch.testing.assert_close(together[1:], alone)


@pytest.mark.parametrize(("cycles", "band"), [(2, 0), (6, 1), (10, 2), (31, 6)])
def test_it_knows_how_fine_a_field_is(cycles: int, band: int) -> None:
    x = torch.arange(64) * 2 * torch.pi * cycles / 64
    wave = torch.sin(x + 0.3).expand(1, 2, 64, 64)
    # A periodic field, without its mean; the displacement is not quite periodic.
    constants = inputs_of(Solved.of(0.01 * wave, wave))[2][0, 4:].reshape(2, 7)
    shares = (7 * (constants - 1)).exp()
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2), rtol=0, atol=1e-4)
    assert shares[0, band] > 0.99
    assert int(shares[1].argmax()) == band


def test_averages_over_windows_are_seen() -> None:
    (at_vectors, _), (averaged, truth) = (
        map(to_tensor, simulate("discs", 1, seed=0, shape=(64, 64), window_steps=width))
        for width in (0.0, 3.0)
    )
    fine, coarse = (
        inputs_of(Solved.of(displacement, truth))[2][0]
        for displacement in (at_vectors, averaged)
    )
    # Of waves of three steps, the window leaves nothing.
    assert coarse[4 + 7 + 4] < fine[4 + 7 + 4] - 1 / 7


def test_a_field_without_displacement_has_no_width(head: ScaleHead) -> None:
    nothing = torch.zeros(1, 2, 16, 16)
    with torch.no_grad():
        assert not widths(head, nothing, nothing).any()
    for part in inputs_of(Solved.of(nothing, nothing)):
        assert torch.isfinite(part).all()
