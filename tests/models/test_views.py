"""Mirror images of fields, and what a network makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.views import mean_over_views, mirrored, transposed
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import synthesise

AXES = [(), (-1,), (-2,), (-1, -2)]


def known_fields(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Displacements of a grid of 24 x 32, and the tractions that make them."""
    traction = torch.randn(n, 2, 24, 32, generator=torch.Generator().manual_seed(0))
    made = torch.stack(raster_displacement(*traction.unbind(1)), dim=1)
    return made / 31, traction


@pytest.mark.parametrize("axes", AXES)
def test_a_mirrored_traction_makes_the_mirrored_displacement(
    axes: tuple[int, ...],
) -> None:
    displacement, traction = known_fields(2)
    found = torch.stack(raster_displacement(*mirrored(traction, axes).unbind(1)), dim=1)
    torch.testing.assert_close(
        found / 31, mirrored(displacement, axes), atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(mirrored(mirrored(traction, axes), axes), traction)


def test_a_transposed_traction_makes_the_transposed_displacement() -> None:
    displacement, traction = known_fields(2)
    found = torch.stack(raster_displacement(*transposed(traction).unbind(1)), dim=1)
    assert found.shape == (2, 2, 32, 24)
    torch.testing.assert_close(
        found / 31, transposed(displacement), atol=1e-6, rtol=1e-4
    )
    assert torch.equal(transposed(transposed(traction)), traction)


def test_the_first_column_becomes_the_last_and_x_turns_around() -> None:
    field = torch.zeros(1, 2, 3, 4)
    field[0, :, 1, 0] = torch.tensor([5.0, 7.0])
    assert mirrored(field, (-1,))[0, :, 1, 3].tolist() == [-5, 7]
    assert mirrored(field, (-2,))[0, :, 1, 0].tolist() == [5, -7]


def lopsided(displacement: torch.Tensor) -> torch.Tensor:
    """Not symmetric at all."""
    return displacement.cumsum(-1).square() + displacement[..., :1, :]


@pytest.mark.parametrize("n_views", [4, 8])
def test_views_obey_the_symmetry_and_one_is_the_network_itself(n_views: int) -> None:
    field = torch.randn(2, 2, 8, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        mean_over_views(lopsided, field, n_views=1), lopsided(field)
    )
    mean = mean_over_views(lopsided, field, n_views=n_views)
    assert not torch.allclose(mean, lopsided(field))
    for axes in AXES:
        torch.testing.assert_close(
            mean_over_views(lopsided, mirrored(field, axes), n_views=n_views),
            mirrored(mean, axes),
        )


def test_what_is_right_in_every_view_stays_right_in_their_mean() -> None:
    displacement, traction = known_fields(1)

    def known(view: torch.Tensor) -> torch.Tensor:
        """The traction, for whoever asks in a displacement that it makes."""
        candidates = [traction, transposed(traction)]
        candidates = [mirrored(t, axes) for t in candidates for axes in AXES]
        for t in candidates:
            made = torch.stack(raster_displacement(*t.unbind(1)), dim=1)
            made = made / (made.shape[-1] - 1)
            if made.shape == view.shape and torch.allclose(made, view, atol=1e-6):
                return t
        raise AssertionError("a displacement that no mirror image of the field has")

    torch.testing.assert_close(
        mean_over_views(known, displacement, n_views=8), traction
    )


def test_the_views_are_those_of_the_configuration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    size = PhysicsViTConfig(
        width=16, depth=1, heads=2, mlp_ratio=1, channels=8, refinement_layers=1
    )
    save_network(tmp_path / "net.safetensors", PhysicsViT(size), training={})
    field = synthesise(1, seed=0, shape=(24, 32)).displacement
    upside_down = field[:, ::-1] * np.float32([1, -1])

    def solved(displacement: np.ndarray, n_views: int) -> np.ndarray:
        config = ReconstructionConfig(
            model=str(tmp_path / "net.safetensors"), device="cpu", n_views=n_views
        )
        return reconstruct(
            DisplacementStack(displacement, unit="field"), config=config
        ).data

    def asymmetry(n_views: int) -> float:
        back = solved(upside_down, n_views)[:, ::-1] * np.float32([1, -1])
        one = solved(field, n_views)
        return float(np.abs(back - one).max() / np.abs(one).max())

    assert asymmetry(4) < 1e-4
    assert asymmetry(1) > 1e-3
    assert not np.allclose(solved(field, 1), solved(field, 4), rtol=1e-3)
