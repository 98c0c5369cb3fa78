from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from napari.layers import Image, Layer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers import (
    KEY,
    arrow_stride,
    arrows,
    describe,
    displacement_layers,
    displacement_stack,
    field_layers,
    field_tag,
    frame_at,
    layer_stack,
    outline_layer,
    plane_geometry_of,
    show_tractions,
    tractions_of,
)

EVERY = DisplayConfig(arrow_stride=1)


def create(*args, **kwargs) -> list[Layer]:
    return [Layer.create(*data) for data in field_layers(*args, **kwargs)]


@pytest.mark.parametrize(
    ("vector", "direction"), [((1, 0), (0, 0, 1)), ((0, 1), (0, 1, 0))]
)
def test_x_points_along_columns_and_y_along_rows(one_vector, vector, direction):
    stack = DisplacementStack(one_vector(*vector, at=(3, 5)))
    drawn = arrows(stack, EVERY)
    (longest,) = np.flatnonzero(drawn.magnitude)
    start, projection = drawn.data[longest]
    np.testing.assert_array_equal(start, (0, 3, 5))
    np.testing.assert_allclose(projection / np.linalg.norm(projection), direction)


def test_arrows_start_where_the_magnitude_is(one_vector):
    stack = DisplacementStack(one_vector(2, -1, at=(3, 5)))
    image, vectors = create(stack, config=EVERY)
    (row,), (column,) = np.nonzero(image.data[0])
    longest = np.argmax(vectors.features["magnitude"])
    np.testing.assert_array_equal(vectors.data[longest, 0], (0, row, column))


def test_an_arrow_is_the_mean_of_its_block_at_its_middle():
    data = np.zeros((1, 16, 16, 2), dtype=np.float32)
    data[0, 0:3, 0:3, 0] = 1
    data[0, 15, 15, 1] = 5
    drawn = arrows(DisplacementStack(data), DisplayConfig(arrow_stride=3))
    np.testing.assert_array_equal(drawn.data[0, 0], (0, 1, 1))
    assert drawn.magnitude[0] == pytest.approx(1)
    # The last block of 16 = 5 * 3 + 1 is a single vector.
    np.testing.assert_array_equal(drawn.data[-1, 0], (0, 15, 15))
    assert drawn.magnitude[-1] == pytest.approx(5)


def test_an_adhesion_between_the_blocks_middles_has_an_arrow(one_vector):
    for at in ((3, 3), (4, 4), (5, 4)):
        stack = TractionStack(one_vector(9, 0, at=at))
        assert arrows(stack, DisplayConfig(arrow_stride=3)).magnitude.max() > 0


def test_arrows_lengths_compare_over_time_and_the_factor_is_said(traction):
    drawn = arrows(traction, DisplayConfig())
    lengths = np.linalg.norm(drawn.data[:, 1], axis=1)
    np.testing.assert_allclose(
        lengths, drawn.magnitude * drawn.grid_steps_per_unit, rtol=1e-5, atol=1e-6
    )
    assert lengths.max() == pytest.approx(DisplayConfig().longest_arrow * 3)
    _, vectors = create(traction)
    tag = field_tag(vectors)
    assert tag is not None
    assert tag.grid_steps_per_unit == drawn.grid_steps_per_unit


def test_long_time_lapses_have_fewer_arrows():
    short = TractionStack(np.zeros((2, 100, 100, 2)))
    long = TractionStack(np.zeros((200, 100, 100, 2)))
    config = DisplayConfig()
    assert arrow_stride(short, config) == config.arrow_stride
    assert len(arrows(long, config).data) <= config.max_arrows
    assert arrow_stride(long, config) == 4


def test_zero_fields_can_be_shown(viewer):
    viewer.layers.extend(create(TractionStack(np.zeros((2, 20, 20, 2)))))
    assert viewer.layers[0].contrast_limits == [0, 1]


def test_micrometres_where_the_spacing_is_known(displacement):
    image, vectors = create(displacement)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, (1, 0.5, 0.5))
        assert [str(unit) for unit in layer.units] == ["pixel", *["micrometer"] * 2]
        assert layer.axis_labels == ("frame", "y", "x")
    assert image.name == "displacement magnitude (µm)"
    assert vectors.name == "displacement arrows (µm)"


def test_grid_steps_where_it_is_not(displacement):
    unknown = dataclasses.replace(displacement, spacing=None, unit=None)
    image, _ = create(unknown)
    np.testing.assert_allclose(image.scale, (1, 1, 1))
    assert {str(unit) for unit in image.units} == {"pixel"}
    assert image.name == "displacement magnitude (unit not known)"


def test_the_arrows_of_the_frame_are_shown(viewer, displacement):
    _, vectors = create(displacement)
    viewer.layers.append(vectors)
    for frame in range(displacement.n_frames):
        viewer.dims.set_current_step(0, frame)
        shown = vectors.data[vectors._view_indices]
        assert set(shown[:, 0, 0]) == {frame}


def test_a_duplicate_shows_the_same_field(displacement):
    image, _ = create(displacement)
    data, options, kind = copy.deepcopy(image.as_layer_data_tuple())
    duplicate = Layer.create(data, options, kind)
    assert displacement_stack(duplicate) is displacement
    assert displacement_layers([image, duplicate]) == [image]


def test_other_layers_show_no_field():
    layer = Image(np.zeros((4, 4)), metadata={KEY: "something else"})
    assert field_tag(layer) is None
    with pytest.raises(KeyError, match="shows no field"):
        layer_stack(layer)


def test_describe_speaks_for_all_layers_of_the_field(viewer, displacement):
    unknown = dataclasses.replace(displacement, spacing=None, unit=None)
    viewer.layers.extend(create(unknown))
    viewer.layers[1].name = "mine"
    new = describe(viewer.layers, viewer.layers[1], unit="grid", spacing=0.8)
    assert [displacement_stack(layer) for layer in viewer.layers] == [new, new]
    assert (new.unit, new.spacing) == ("grid", 0.8)
    assert new.data is unknown.data
    assert viewer.layers[0].name == "displacement magnitude (grid steps)"
    assert viewer.layers[1].name == "mine"


def test_describe_leaves_other_fields_alone(viewer, displacement, traction):
    other = dataclasses.replace(displacement, unit=None)
    viewer.layers.extend([*create(displacement), *create(other), *create(traction)])
    describe(viewer.layers, viewer.layers[2], unit="grid")
    assert displacement_stack(viewer.layers[0]) is displacement
    assert layer_stack(viewer.layers[4]) is traction
    assert describe(viewer.layers, viewer.layers[4], unit="px") is None


def test_names_that_napari_numbered_still_tell_the_unit(viewer, displacement, traction):
    unknown = dataclasses.replace(displacement, unit=None)
    for _ in range(2):
        viewer.layers.extend(create(dataclasses.replace(unknown)))
    first, second = viewer.layers[0], viewer.layers[2]
    assert second.name == "displacement magnitude (unit not known) [1]"
    for source in (first, second):
        describe(viewer.layers, source, unit="grid")
        show_tractions(viewer.layers, traction, source)
    assert second.name == "displacement magnitude (grid steps) [1]"
    image, vectors = tractions_of(viewer.layers, second)
    assert image.name == "traction magnitude (Pa) [1]"
    without_young = TractionStack(traction.data / 2000, unit="1", spacing=0.5)
    show_tractions(viewer.layers, without_young, second)
    assert image.name == "traction magnitude (t/E)"
    assert vectors.name == "traction arrows (t/E)"
    vectors.name = "traction arrows (t/E) of cell [1]"
    show_tractions(viewer.layers, traction, second)
    assert vectors.name == "traction arrows (t/E) of cell [1]"


def test_another_spacing_moves_the_fields_layers(viewer, displacement, traction):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    unknown = dataclasses.replace(displacement, spacing=None, outline=outline)
    data = field_layers(unknown)
    outlined = [Layer.create(*one) for one in [*data, *outline_layer(data)]]
    viewer.layers.extend([*outlined, *create(dataclasses.replace(unknown))])
    source, other = viewer.layers[0], viewer.layers[3]
    computed = show_tractions(viewer.layers, traction, source)
    viewer.layers[1].scale = (1, 3, 3)
    describe(viewer.layers, source, spacing=0.8)
    for layer in (source, outlined[2], *computed):
        np.testing.assert_allclose(layer.scale[-2:], (0.8, 0.8))
        assert str(layer.units[-1]) == "micrometer"
    assert source.scale[0] == 1
    # The user's own, and another field's.
    np.testing.assert_allclose(viewer.layers[1].scale, (1, 3, 3))
    np.testing.assert_allclose(other.scale, (1, 1, 1))
    describe(viewer.layers, source, spacing=None)
    np.testing.assert_allclose(source.scale, (1, 1, 1))
    assert str(source.units[-1]) == "pixel"


def test_tractions_stay_with_the_field_that_lost_a_layer(
    viewer, displacement, traction
):
    viewer.layers.extend(create(displacement))
    magnitude, arrows_layer = viewer.layers
    computed = show_tractions(viewer.layers, traction, magnitude)
    viewer.layers.remove(magnitude)
    describe(viewer.layers, arrows_layer, unit="grid")
    assert displacement_layers(viewer.layers) == [arrows_layer]
    assert tractions_of(viewer.layers, arrows_layer) == computed
    assert show_tractions(viewer.layers, traction, arrows_layer) == computed


@pytest.fixture
def source(viewer, displacement) -> Layer:
    image, _ = create(displacement)
    image.scale = (2, 0.7, 0.7)
    image.translate = (4, -3, 12)
    viewer.layers.append(image)
    return image


def test_tractions_lie_where_their_displacements_lie(viewer, source, traction):
    image, vectors = show_tractions(viewer.layers, traction, source)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, source.scale)
        np.testing.assert_allclose(layer.translate, source.translate)
        assert layer.units == source.units
        assert layer in viewer.layers
        assert layer_stack(layer) is traction
    assert image.colorbar.visible
    assert image.name == "traction magnitude (Pa)"


def test_tractions_lie_above_their_field_and_below_what_lies_over_it(
    viewer, displacement, traction
):
    layers = create(displacement)
    over = Image(np.zeros((4, 4)))
    viewer.layers.extend([*layers, over])
    computed = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, *computed, over]
    viewer.layers.remove(computed[0])
    image, vectors = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, image, vectors, over]


def test_tractions_are_updated_in_place(viewer, source, traction):
    before = show_tractions(viewer.layers, traction, source)
    before[1].name = "mine"
    again = TractionStack(traction.data * 3 / 2000, unit="1", spacing=0.5)
    after = show_tractions(viewer.layers, again, source)
    assert after == before
    assert len(viewer.layers) == 3
    image, vectors = after
    assert tractions_of(viewer.layers, source) == after
    np.testing.assert_allclose(image.data, again.magnitude())
    assert image.contrast_limits[1] == pytest.approx(float(image.data.max()))
    assert image.name == "traction magnitude (t/E)"
    assert vectors.name == "mine"
    drawn = arrows(again, DisplayConfig())
    np.testing.assert_allclose(vectors.data, drawn.data)
    np.testing.assert_allclose(vectors.features["magnitude"], drawn.magnitude)
    assert vectors.edge_contrast_limits[1] == pytest.approx(drawn.magnitude.max())
    fresh = Layer.create(*field_layers(again)[1])
    np.testing.assert_allclose(vectors.edge_color, fresh.edge_color, atol=1e-6)


def test_the_traction_layer_that_is_missing_is_made_anew(viewer, source, traction):
    image, vectors = show_tractions(viewer.layers, traction, source)
    viewer.layers.remove(image)
    new_image, same_vectors = show_tractions(viewer.layers, traction, source)
    assert new_image is not image
    assert same_vectors is vectors
    assert new_image in viewer.layers


def test_every_displacement_layer_has_its_own_tractions(viewer, source, traction):
    (other, _) = create(dataclasses.replace(layer_stack(source)))
    viewer.layers.append(other)
    first = show_tractions(viewer.layers, traction, source)
    second = show_tractions(viewer.layers, traction, other)
    assert not set(first) & set(second)


def test_the_frame_is_the_layers_own(viewer, source):
    # Frames lie 2 apart, from 4 on.
    assert frame_at(source, (4, 0, 0)) == 0
    assert frame_at(source, (6.4, 0, 0)) == 1
    assert frame_at(source, (8.9, 0, 0)) == 2
    # Another field may be longer.
    assert frame_at(source, (100, 0, 0)) is None
    assert frame_at(source, (-7, 0, 0)) is None


@pytest.mark.parametrize("rotate", [0.0, 30.0])
def test_a_plane_lies_where_the_field_lies(viewer, displacement, rotate):
    image, _ = create(displacement)
    image.scale, image.translate = (2, 0.7, 0.9), (4, -3, 12)
    if rotate:
        turn = np.eye(3)
        c, s = np.cos(np.deg2rad(rotate)), np.sin(np.deg2rad(rotate))
        turn[1:, 1:] = [[c, -s], [s, c]]
        image.rotate = turn
    plane = Image(image.data[0], **plane_geometry_of(image))
    for corner in ((0, 0), (26, 0), (0, 39), (26, 39), (3.5, 7.25)):
        np.testing.assert_allclose(
            plane.data_to_world(corner), image.data_to_world((1, *corner))[1:]
        )


def test_the_outline_is_drawn_in_rows_and_columns(displacement):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    stack = dataclasses.replace(displacement, outline=outline)
    ((data, options, kind),) = outline_layer(field_layers(stack))
    shapes = Layer.create(data, options, kind)
    np.testing.assert_array_equal(shapes.data[0], outline[:, ::-1])
    np.testing.assert_allclose(shapes.scale, (0.5, 0.5))
    assert outline_layer(field_layers(displacement)) == []
