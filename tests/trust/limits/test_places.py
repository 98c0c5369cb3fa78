"""The smallest forces that could have been found, at places of all frames."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.trust.limits import DetectionMap, detection_map, grid_of_places
from two_adhesions import SIDE, inverted, measured

FEW = LimitsConfig(n_without=40)


def stacks(young_pa: float | None) -> tuple[DisplacementStack, TractionStack]:
    steps, traction = measured(0.01)
    displacement = DisplacementStack(
        steps[None].astype(np.float32) * 0.5, unit="um", spacing_um=0.5
    )
    return displacement, TractionStack(
        traction[None].astype(np.float32) * (young_pa or 1.0),
        unit="1" if young_pa is None else "Pa",
        spacing_um=0.5,
        gel=Gel(young_pa=young_pa),
        model="fttc",
    )


def map_of(
    young_pa: float | None,
    config: LimitsConfig,
    *,
    hole: bool = False,
    **options: Any,
) -> DetectionMap:
    """The map of a stack of one frame on a gel."""
    displacement, traction = stacks(young_pa)
    if hole:
        traction.data[0, :8] = np.nan

    def reconstruct(stack: DisplacementStack) -> TractionStack:
        found = inverted(stack.in_grid_steps().astype(np.float64))
        data = found.astype(np.float32) * np.float32(young_pa or 1.0)
        return replace(traction, data=data, records={})

    return detection_map(
        displacement, traction, reconstruct=reconstruct, config=config, **options
    )


def test_map_is_in_nanonewtons() -> None:
    config = LimitsConfig(step_patches=2, n_without=40)
    plain, physical = map_of(None, config), map_of(10_000.0, config)
    assert plain.smallest_force.shape == (1, 3, 3)
    assert plain.in_known_units()[1] != "nN"
    force, unit = physical.in_known_units()
    assert unit == "nN"
    # E h^2 = 10 kPa x (0.5 um)^2 = 2.5 nN.
    np.testing.assert_allclose(force, 2.5 * plain.smallest_force, rtol=0.02)
    assert "nN" in physical.sentence()
    assert "2 \N{MICRO SIGN}m in diameter" in physical.sentence()


def test_kept_reconstructions_change_nothing() -> None:
    config = LimitsConfig(n_without=40)
    kept: dict[int, np.ndarray] = {}
    first = map_of(None, config, place=(12, 20), kept=kept)
    assert kept[0].shape == (40, SIDE, SIDE, 2)
    seen: list[int] = []
    again = map_of(
        None,
        config,
        place=(12, 20),
        kept=kept,
        on_progress=lambda _, total: seen.append(total),
    )
    # 34 reconstructions, and 6 in a further round, if one is needed.
    assert set(seen) == {40}
    np.testing.assert_array_equal(again.smallest_force, first.smallest_force)
    np.testing.assert_array_equal(again.resolution_steps, first.resolution_steps)


def test_one_place_has_a_sentence_of_its_own() -> None:
    config = LimitsConfig(n_without=40, direction_deg=90.0)
    found = map_of(10_000.0, config, place=(30, 20))
    assert (found.row.tolist(), found.column.tolist()) == ([30], [20])
    assert "median" not in found.sentence()
    assert "at 90\N{DEGREE SIGN} to x" in found.sentence()


def test_exceptions_are_named() -> None:
    found = map_of(10_000.0, LimitsConfig(n_without=40, step_patches=2))
    assert "no force" not in found.sentence()
    assert "noise" not in found.sentence()
    force = found.smallest_force.copy()
    force[0, 1] = np.inf
    some = replace(found, smallest_force=force)
    assert "median of 6 places" in some.sentence()
    assert "At 3 more places, no force would have been found." in some.sentence()
    clean = replace(found, noise_share=np.array([1e-5]))
    assert "hardly any noise" in clean.sentence()
    assert "hardly any noise" in clean.in_short()
    none = replace(found, smallest_force=np.full_like(force, np.inf))
    assert none.sentence() == "No force would have been found."


@pytest.mark.parametrize("size_um", [0.4, 11.0])
def test_size_must_suit_the_field(size_um: float) -> None:
    with pytest.raises(ConfigError, match="must have 1 to 20"):
        map_of(None, LimitsConfig(size_um=size_um))


def test_no_limits_in_holes() -> None:
    config = LimitsConfig(step_patches=2, n_without=40)
    found = map_of(10_000.0, config, hole=True)
    assert np.isnan(found.smallest_force[0, 0]).all()
    assert np.isfinite(found.smallest_force[0, 1:]).all()


def test_size_in_um_needs_a_spacing() -> None:
    displacement, traction = stacks(None)
    displacement = DisplacementStack(displacement.data, unit="grid")
    traction = replace(traction, spacing_um=None)
    with pytest.raises(ConfigError, match="spacing"):
        detection_map(
            displacement,
            traction,
            reconstruct=lambda _: traction,
            config=LimitsConfig(size_um=2.0),
        )


def test_no_limits_in_a_frame_without_displacement() -> None:
    displacement, traction = stacks(10_000.0)
    still = displacement.with_data(np.zeros_like(displacement.data))
    found = detection_map(
        still,
        replace(traction, data=np.zeros_like(traction.data)),
        reconstruct=lambda _: pytest.fail("nothing is reconstructed"),
        config=FEW,
    )
    assert np.isnan(found.smallest_force).all()


def test_a_chosen_place_must_have_room_for_the_adhesion() -> None:
    with pytest.raises(ConfigError, match="beyond the border"):
        map_of(None, LimitsConfig(size_um=4.0), place=(4, 20))


def test_whole_adhesions_are_in_the_field() -> None:
    # Sides of which the places would be at the border without a margin.
    for n in (33, 65):
        row, column = grid_of_places((n, n + 1), 16, margin=3)
        for places, side in ((row, n), (column, n + 1)):
            assert places.min() >= 3
            assert places.max() <= side - 4
    # Adhesions of eight steps reach five steps far.
    config = LimitsConfig(step_patches=2, n_without=40, size_um=4.0)
    assert map_of(None, config).row.tolist() == [11, 27]


def test_places_are_inside() -> None:
    for n in (8, 40, 104):
        row, column = grid_of_places((n, n + 3), 16)
        assert row.min() >= 0
        assert row.max() < n
        assert column.max() < n + 3
