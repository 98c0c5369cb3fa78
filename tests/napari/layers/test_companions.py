from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DISPLACEMENT_COMPANIONS, TractionStack
from napari_vit_tfm.napari.layers.arrows import ArrowField
from napari_vit_tfm.napari.layers.companions import (
    STYLES,
    can_show,
    cone_lines,
    show_companion,
)
from napari_vit_tfm.napari.layers.drawing import field_layers, show_colorbar
from napari_vit_tfm.napari.layers.reading import find_displacements, layer_stack
from napari_vit_tfm.trust.certainty import deviation_of_magnitude


@pytest.fixture
def traction() -> TractionStack:
    rng = np.random.default_rng(0)
    data, model, residual = rng.normal(size=(3, 2, 16, 24, 2)).astype(np.float32)
    halfwidth = rng.uniform(0.1, 1, size=data.shape).astype(np.float32)
    return TractionStack(
        data,
        unit="Pa",
        spacing_um=0.5,
        model="vit",
        companions={
            "displacement_model": model,
            "residual": residual,
            "halfwidth_68": halfwidth,
            "halfwidth_95": 2 * halfwidth,
        },
        displacement_unit="um",
    )


@pytest.fixture
def shown(traction: TractionStack) -> tuple[ViewerModel, Layer]:
    viewer = ViewerModel()
    layers = [
        Layer.create(*one)
        for one in field_layers(traction, title="cell", translate=(0, 3, 5))
    ]
    viewer.layers.extend(layers)
    return viewer, layers[0]


@pytest.mark.parametrize("name", DISPLACEMENT_COMPANIONS)
def test_companion_lies_over_its_tractions(name, traction, shown):
    viewer, field = shown
    image, arrows = show_companion(viewer.layers, traction, name, field)
    assert isinstance(image, Image)
    assert isinstance(arrows, Vectors)
    vectors = traction.companions[name]
    np.testing.assert_allclose(image.data, np.hypot(vectors[..., 0], vectors[..., 1]))
    for layer in (image, arrows):
        np.testing.assert_allclose(layer.scale, field.scale)
        np.testing.assert_allclose(layer.translate, field.translate)
        assert layer.units == field.units
    assert image.name == f"cell: {STYLES[name].words} (vit) (µm)"
    assert image.colorbar.visible


def test_colour_bars_of_tractions_and_of_one_companion_have_their_own_corners(
    traction, shown
):
    viewer, field = shown
    show_colorbar(field)
    residual, _ = show_companion(viewer.layers, traction, "residual", field)
    assert residual.colorbar.position != field.colorbar.position
    assert residual.name_overlay.position == residual.colorbar.position
    show_companion(viewer.layers, traction, "halfwidth_95", field)
    assert residual.colorbar.visible
    (deviation,) = show_companion(viewer.layers, traction, "halfwidth_68", field)
    bars = [one for one in (field, residual, deviation) if one.colorbar.visible]
    assert bars == [field, deviation]
    assert not residual.name_overlay.visible


def test_companion_is_no_displacement(traction, shown):
    viewer, field = shown
    image, arrows = show_companion(viewer.layers, traction, "residual", field)
    assert find_displacements(viewer.layers) == []
    for layer in (image, arrows):
        with pytest.raises(FieldError, match="shows no field"):
            layer_stack(layer)


def test_companion_is_replaced(traction, shown):
    viewer, field = shown
    show_companion(viewer.layers, traction, "residual", field)
    new = show_companion(viewer.layers, traction, "residual", field)
    assert list(viewer.layers)[2:] == new


def test_standard_deviation_is_an_image_with_unit_and_colour_bar(traction, shown):
    viewer, field = shown
    (image,) = show_companion(viewer.layers, traction, "halfwidth_68", field)
    expected = deviation_of_magnitude(
        traction.data, traction.companions["halfwidth_68"]
    )
    np.testing.assert_allclose(image.data, expected, rtol=1e-6)
    assert image.name == "cell: standard deviation (vit) (Pa)"
    assert image.colorbar.visible
    np.testing.assert_allclose(image.translate, field.translate)


def test_cones_lie_at_the_ends_of_the_intervals():
    data = np.full((1, 3, 3, 2), [4.0, 0.0], np.float32)
    halfwidth = np.full_like(data, 1)
    traction = TractionStack(data, unit="Pa", companions={"halfwidth_95": halfwidth})
    arrows = ArrowField(traction, DisplayConfig()).in_all_frames()
    up, down = cone_lines(arrows, "halfwidth_95")
    # 3 to the right and 1 up or down, as long as the arrow; rows point downwards.
    longest = DisplayConfig().longest_arrow * 3
    for line, sign in ((up, -1), (down, 1)):
        np.testing.assert_allclose(line[0], (0, 1, 1))
        _, row, column = line[1]
        assert np.hypot(row, column) == pytest.approx(longest, rel=1e-5)
        assert row / column == pytest.approx(sign / 3, rel=1e-5)


def test_no_cone_where_all_directions_are_possible(traction, shown):
    viewer, field = shown
    wide = {"halfwidth_95": np.full_like(traction.data, 100)}
    unsure = dataclasses.replace(traction, companions=wide)
    (cones,) = show_companion(viewer.layers, unsure, "halfwidth_95", field)
    assert len(cones.data) == 0
    (cones,) = show_companion(viewer.layers, traction, "halfwidth_95", field)
    assert len(cones.data) > 0
    assert cones.name == "cell: direction cones (vit)"


@pytest.mark.parametrize("name", STYLES)
def test_companion_follows_its_tractions(name, traction, shown, qtbot):
    viewer, field = shown
    new = show_companion(viewer.layers, traction, name, field)
    field.scale, field.translate = (1, 2, 2), (0, -1, 4)
    for layer in new:
        np.testing.assert_allclose(layer.scale, (1, 2, 2))
        np.testing.assert_allclose(layer.translate, (0, -1, 4))
    field.name = "renamed"
    viewer.layers.remove(field)
    qtbot.waitUntil(lambda: not set(new) & set(viewer.layers))


def test_companion_of_other_data_is_removed(traction, shown, qtbot):
    viewer, field = shown
    new = show_companion(viewer.layers, traction, "residual", field)
    field.data = field.data * 2
    qtbot.waitUntil(lambda: not set(new) & set(viewer.layers))


def test_tractions_and_companion_can_be_removed_together(traction, shown, qtbot):
    viewer, field = shown
    (image,) = show_companion(viewer.layers, traction, "halfwidth_68", field)
    viewer.layers.selection = {field, image}
    viewer.layers.remove_selected()
    qtbot.wait(1)
    assert len(viewer.layers) == 1


def test_share_explained_is_a_map_from_0_to_1(traction, shown):
    viewer, field = shown
    model = traction.companions["displacement_model"]
    companions = {
        "displacement_model": model,
        "residual": np.where(np.arange(24)[:, None] < 12, 0.0, model).astype(
            np.float32
        ),
    }
    half = dataclasses.replace(traction, companions=companions)
    (image,) = show_companion(viewer.layers, half, "explained", field)
    assert image.name == "cell: share explained (vit)"
    assert tuple(image.contrast_limits) == (0, 1)
    assert image.data.shape == (2, 16, 24)
    assert image.data[:, :, :3].min() > 0.95
    assert image.data[:, :, -3:].max() < 0.8
    assert can_show("explained", companions)
    assert not can_show("explained", {"residual"})
