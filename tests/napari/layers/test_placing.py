"""Spacing and transforms of fields, read from layers and set on them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Layer

from layers_of_fields import create, displacement_at
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.napari.layers.placing import (
    frame_at,
    geometry_of,
    node_at,
    plane_geometry_of,
    set_spacing,
    spacing_of,
    world_at,
)
from napari_vit_tfm.napari.layers.registry import Grid

FRAME = Grid((None, 0, 1))


def turned(degrees: float, size: int) -> np.ndarray:
    turn = np.eye(size)
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turn[-2:, -2:] = [[c, -s], [s, c]]
    return turn


@pytest.mark.parametrize(
    ("units", "scale", "spacing_um"),
    [
        ("um", 0.65, 0.65),
        ("nm", 650, 0.65),
        ("mm", 0.5, 500),
        ("m", 2e-6, 2),
        ("pixel", 0.65, None),
    ],
)
def test_the_spacing_is_the_scale_in_the_layers_units(units, scale, spacing_um):
    layer = Image(np.zeros((20, 30)), scale=(scale, scale), units=units)
    expected = spacing_um if spacing_um is None else pytest.approx(spacing_um)
    assert spacing_of(layer, FRAME) == expected


def test_the_spacing_includes_the_grid_step():
    layer = Image(np.zeros((20, 30)), scale=(0.1, 0.2), units="um")
    grid = Grid((None, 0, 1), step=(1, 16, 8))
    assert spacing_of(layer, grid) == pytest.approx(1.6)


def test_a_rotated_grid_has_the_same_spacing():
    layer = Image(np.zeros((20, 30)), scale=(0.65, 0.65), units="um")
    layer.rotate = turned(30, 2)
    layer.affine = np.block(
        [[2 * turned(10, 2), np.ones((2, 1))], [np.zeros((1, 2)), 1]]
    )
    assert spacing_of(layer, FRAME) == pytest.approx(1.3)
    set_spacing(layer, FRAME, 0.4)
    assert spacing_of(layer, FRAME) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scale": (0.5, 0.6), "units": "um"}, "0.5 µm between rows and of 0.6 µm"),
        ({"scale": (1, 2)}, "1 pixels between rows"),
        ({"shear": [0.2], "units": "um"}, "sheared"),
        ({"affine": [[1, 0.3, 0], [0, 1, 0], [0, 0, 1]]}, "sheared"),
        ({"units": ("um", "pixel")}, "have the units micrometer and pixel"),
    ],
)
def test_a_grid_that_is_not_square_is_refused(options, words):
    layer = Image(np.zeros((20, 30)), **options)
    with pytest.raises(FieldError, match=words):
        spacing_of(layer, FRAME)


def test_axes_may_have_different_units_of_length():
    layer = Image(np.zeros((20, 30)), scale=(0.5, 500), units=("um", "nm"))
    assert spacing_of(layer, FRAME) == pytest.approx(0.5)


def test_layers_of_unknown_spacing_are_in_pixels():
    layer = Image(np.zeros((20, 30)), scale=(0.5, -0.5), units="um")
    set_spacing(layer, FRAME, 0.3)
    np.testing.assert_allclose(layer.scale, (0.3, -0.3))
    set_spacing(layer, FRAME, None)
    np.testing.assert_allclose(layer.scale, (1, -1))
    assert {str(unit) for unit in layer.units} == {"pixel"}


def test_a_layer_stays_where_it_is_when_its_unit_is_another_length():
    layer = Image(
        np.zeros((20, 30)), scale=(5e-4, 5e-4), translate=(0.1, 0), units="mm"
    )
    layer.affine = [[1, 0, 0.002], [0, 1, 0], [0, 0, 1]]
    set_spacing(layer, FRAME, 0.5)
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 2
    np.testing.assert_allclose(layer.data_to_world((4, 6)), (102 + 2, 3))


@pytest.fixture
def source(displacement) -> Layer:
    image, _ = create(displacement)
    image.scale = (2, 0.7, 0.7)
    image.translate = (4, -3, 12)
    return image


def test_the_frame_depends_on_the_transform_of_the_layer(source):
    # Frames are at 4, 6, 8, ...
    assert frame_at(source, (4, 0, 0), 3, None) == 0
    assert frame_at(source, (6.4, 0, 0), 3, None) == 1
    assert frame_at(source, (8.9, 0, 0), 3, None) == 2
    # Another field may have more frames.
    assert frame_at(source, (100, 0, 0), 3, None) is None
    assert frame_at(source, (-7, 0, 0), 3, None) is None


@pytest.mark.parametrize("rotate", [0.0, 30.0])
def test_planes_and_nodes_have_the_transform_of_the_field(source, rotate):
    if rotate:
        source.rotate = turned(rotate, 3)
    plane = Image(source.data[0], **plane_geometry_of(source))
    other = Image(source.data, **geometry_of(source))
    for corner in ((0, 0), (26, 0), (0, 39), (26, 39), (3.5, 7.25)):
        place = source.data_to_world((1, *corner))
        np.testing.assert_allclose(plane.data_to_world(corner), place[1:])
        np.testing.assert_allclose(other.data_to_world((1, *corner)), place)
        np.testing.assert_allclose(world_at(source, (1, *corner), None), place)
        np.testing.assert_allclose(
            node_at(source, place, None), (1, *corner), atol=1e-12
        )


def test_positions_are_in_the_units_of_the_viewer(viewer, displacement):
    image, _ = create(displacement)
    image.translate = (2, 1, 0)
    image.units = ("minute", "um", "um")
    movie = Image(np.zeros((300, 8, 8)), units=("second", "nm", "nm"))
    viewer.layers.extend([image, movie])
    assert [str(unit) for unit in viewer.dims.units] == ["second", *["nanometer"] * 2]
    units = viewer.dims.units
    place = (180, 6000, 5000)
    np.testing.assert_allclose(node_at(image, place, units), (1, 10, 10))
    np.testing.assert_allclose(world_at(image, (1, 10, 10), units), place)
    viewer.dims.set_point(0, 180)
    assert frame_at(image, viewer.dims.point, 3, units) == 1
    # napari shows the same frame.
    np.testing.assert_array_equal(image._slice.image.view, image.data[1])
    # Without the image, its own units are those of the viewer.
    viewer.layers.remove(movie)
    assert node_at(image, (3, 6, 5), viewer.dims.units) == pytest.approx((1, 10, 10))


def test_an_axis_that_the_layer_does_not_have_is_not_converted(viewer):
    options = {"scale": (0.5, 0.5), "units": "um"}
    layer, other = (Image(np.zeros((20, 30)), name=name, **options) for name in "uv")
    movie = Image(np.zeros((9, 8, 8)), units=("second", "nm", "nm"))
    viewer.layers.extend([layer, other, movie])
    displacement_at(viewer.layers, layer)
    units = viewer.dims.units
    assert node_at(layer, (4, 5000, 2500), units) == pytest.approx((0, 10, 5))
