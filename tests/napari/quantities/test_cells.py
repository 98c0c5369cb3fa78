from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels, Shapes

from layers_of_fields import add, create
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.quantities.cells import cells_at_vectors

FRAMES, SHAPE = 3, (27, 40)


@pytest.fixture
def field(viewer, traction):
    """The tractions' magnitude: vectors every 0.5 um."""
    return add(viewer, traction)


@pytest.fixture
def at_vectors(viewer, field):
    def read(layer):
        viewer.layers.append(layer)
        return cells_at_vectors(
            layer,
            field,
            n_frames=FRAMES,
            grid_shape=SHAPE,
            world_units=viewer.dims.units,
        )

    return read


def rectangle(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def test_labels_on_the_grid_of_the_field(at_vectors):
    numbers = np.zeros(SHAPE, dtype=int)
    numbers[5:9, 10:14] = 7
    layer = Labels(numbers, scale=(0.5, 0.5), units="um")
    np.testing.assert_array_equal(at_vectors(layer), numbers)


def test_labels_of_every_frame(at_vectors):
    numbers = np.zeros((FRAMES, *SHAPE), dtype=int)
    numbers[1, 5:9, 10:14] = 7
    layer = Labels(numbers, scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    np.testing.assert_array_equal(at_vectors(layer), numbers)


def test_labels_with_fewer_frames_than_the_field(at_vectors):
    numbers = np.ones((2, *SHAPE), dtype=int)
    layer = Labels(numbers, scale=(1, 0.5, 0.5), units=("pixel", "um", "um"))
    assert [frame.any() for frame in at_vectors(layer)] == [True, True, False]


def test_labels_on_a_microscope_image_of_another_scale_and_unit(at_vectors):
    # Pixels of 100 nm; the image begins at y 2 um and x 5 um. The cell covers y 4 to
    # 6 um, x 7 to 10 um, so the vectors from row 8 to 12 and from column 14 to 20.
    numbers = np.zeros((100, 120), dtype=int)
    numbers[20:41, 20:51] = 3
    layer = Labels(numbers, scale=(100, 100), translate=(2000, 5000), units="nm")
    expected = np.zeros(SHAPE, dtype=int)
    expected[8:13, 14:21] = 3
    np.testing.assert_array_equal(at_vectors(layer), expected)


def test_a_vector_belongs_to_the_label_that_napari_shows_there(at_vectors, field):
    # Vectors every 0.5 um lie anywhere in pixels of 0.83 um.
    numbers = np.arange(1, 17 * 25 + 1).reshape(17, 25)
    layer = Labels(numbers, scale=(0.83, 0.83), translate=(0.1, -0.3), units="um")
    found = at_vectors(layer)
    for row, column in ((0, 0), (1, 1), (5, 8), (13, 22), (26, 39)):
        place = field.data_to_world((0, row, column))
        assert found[row, column] == layer.get_value(place, world=True)


def test_labels_over_tractions_that_are_moved_and_turned(at_vectors, field):
    field.translate = (0, 7, -2)
    field.rotate = 90
    numbers = np.zeros(SHAPE, dtype=int)
    numbers[5, 10] = 1
    layer = Labels(
        numbers[None].repeat(FRAMES, axis=0),
        scale=field.scale,
        translate=field.translate,
        rotate=90,
        units=field.units,
    )
    np.testing.assert_array_equal(at_vectors(layer), layer.data)


def test_labels_in_several_resolutions(at_vectors):
    numbers = np.zeros(SHAPE, dtype=int)
    numbers[6:12, 10:20] = 2
    layer = Labels([numbers, numbers[::2, ::2]], scale=(0.5, 0.5), units="um")
    np.testing.assert_array_equal(at_vectors(layer), numbers)


def test_every_shape_is_a_cell(at_vectors):
    # Micrometres; the field has a vector every 0.5 um.
    layer = Shapes(
        [rectangle(1.9, 2.9, 4.1, 5.1), rectangle(6.9, 7.9, 10.1, 12.1)],
        shape_type=["polygon", "rectangle"],
        units="um",
    )
    expected = np.zeros(SHAPE, dtype=int)
    expected[4:9, 6:11] = 1
    expected[14:21, 16:25] = 2
    np.testing.assert_array_equal(at_vectors(layer), expected)


def test_an_ellipse_is_a_cell_and_a_line_is_not(at_vectors):
    layer = Shapes(
        [[[0, 0], [10, 10]], rectangle(2.0, 4.0, 10.0, 16.0)],
        shape_type=["line", "ellipse"],
        units="um",
    )
    numbers = at_vectors(layer)
    y, x = np.indices(SHAPE) * 0.5
    inside = ((y - 6) / 4) ** 2 + ((x - 10) / 6) ** 2
    assert (numbers[inside < 0.97] == 1).all()
    assert not numbers[inside > 1.03].any()


def test_shapes_of_a_frame_are_in_this_frame(at_vectors):
    corners = rectangle(1.9, 2.9, 4.1, 5.1)
    frames = [np.column_stack([np.full(4, frame), corners]) for frame in (0, 2, 2)]
    frames[2][:, 1:] += 6
    layer = Shapes(frames, shape_type="polygon", units=("pixel", "um", "um"))
    numbers = at_vectors(layer)
    assert [sorted(np.unique(one)) for one in numbers] == [[0, 1], [0], [0, 1, 2]]
    np.testing.assert_array_equal(numbers[0] == 1, numbers[2] == 1)


def test_a_layer_without_cells_on_the_field_is_an_error(at_vectors):
    far = Labels(
        np.ones((4, 4), dtype=int), translate=(500, 500), units="um", name="far"
    )
    with pytest.raises(FieldError, match="“far” has no cell at any vector"):
        at_vectors(far)


def test_a_layer_with_too_many_axes_is_an_error(at_vectors):
    with pytest.raises(FieldError, match="has 4 axes"):
        at_vectors(Labels(np.ones((2, 2, 4, 4), dtype=int)))


def test_tractions_without_frames(viewer):
    stack = TractionStack(np.ones((1, 16, 20, 2)), unit="Pa", spacing_um=2.0)
    field, _ = create(stack, has_frames=False)
    numbers = np.zeros((16, 20), dtype=int)
    numbers[3, 5] = 1
    found = cells_at_vectors(
        Labels(numbers, scale=(2, 2), units="um"),
        field,
        n_frames=1,
        grid_shape=(16, 20),
        world_units=None,
    )
    np.testing.assert_array_equal(found, numbers)
