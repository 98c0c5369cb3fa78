"""Layers of a field."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Layer

from layers_of_fields import create
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.arrows import ArrowField, Arrows
from napari_vit_tfm.napari.layers.drawing import field_layers, with_outline
from napari_vit_tfm.napari.layers.metadata import Stack

EVERY = DisplayConfig(arrow_stride=1)


def in_all_frames(stack: Stack, config: DisplayConfig | None = None) -> Arrows:
    return ArrowField(stack, config or DisplayConfig()).in_all_frames()


@pytest.mark.parametrize(
    ("vector", "direction"), [((1, 0), (0, 0, 1)), ((0, 1), (0, 1, 0))]
)
def test_x_points_along_columns_and_y_along_rows(one_vector, vector, direction):
    stack = DisplacementStack(one_vector(*vector, at=(3, 5)))
    drawn = in_all_frames(stack, EVERY)
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


def test_an_arrow_is_the_mean_of_its_block_at_its_centre():
    data = np.zeros((1, 16, 16, 2), dtype=np.float32)
    data[0, 0:3, 0:3, 0] = 1
    data[0, 15, 15, 1] = 5
    drawn = in_all_frames(DisplacementStack(data))
    np.testing.assert_array_equal(drawn.data[0, 0], (0, 1, 1))
    assert drawn.magnitude[0] == pytest.approx(1)
    # The last block of 16 = 5 * 3 + 1 is a single vector.
    np.testing.assert_array_equal(drawn.data[-1, 0], (0, 15, 15))
    assert drawn.magnitude[-1] == pytest.approx(5)


def test_holes_have_no_arrows(viewer, displacement):
    data = displacement.data.copy()
    data[:, :7, :7] = np.nan
    holes = DisplacementStack(data, unit="um")
    drawn = in_all_frames(holes)
    assert np.isfinite(drawn.data).all()
    assert np.isfinite(drawn.magnitude).all()
    starts = {tuple(start) for start in drawn.data[:, 0]}
    assert (0, 4, 4) not in starts
    # A block with some vectors has the mean of these.
    (partial,) = np.flatnonzero((drawn.data[:, 0] == (0, 7, 7)).all(axis=1))
    block = data[0, 6:9, 6:9].reshape(-1, 2)
    mean = np.nanmean(block, axis=0)
    assert drawn.magnitude[partial] == pytest.approx(np.hypot(*mean), rel=1e-5)
    image, vectors = create(holes)
    assert np.isnan(image.data[:, :7, :7]).all()
    assert np.isfinite(image.contrast_limits).all()
    assert np.isfinite(vectors.edge_contrast_limits).all()
    viewer.layers.append(image)
    image.reset_contrast_limits()
    assert np.isfinite(image.contrast_limits).all()


def test_an_adhesion_between_the_block_centres_has_an_arrow(one_vector):
    for at in ((3, 3), (4, 4), (5, 4)):
        stack = TractionStack(one_vector(9, 0, at=at))
        assert in_all_frames(stack).magnitude.max() > 0


def test_all_frames_have_the_same_arrow_scale(traction):
    drawn = in_all_frames(traction)
    lengths = np.linalg.norm(drawn.data[:, 1], axis=1)
    np.testing.assert_allclose(
        lengths, drawn.magnitude * drawn.grid_steps_per_unit, rtol=1e-5, atol=1e-6
    )
    assert lengths.max() == pytest.approx(DisplayConfig().longest_arrow * 3)


def test_long_time_lapses_have_fewer_arrows():
    short = TractionStack(np.zeros((2, 100, 100, 2)))
    long = TractionStack(np.zeros((200, 100, 100, 2)))
    config = DisplayConfig()
    assert ArrowField(short, config).stride == config.arrow_stride
    assert len(in_all_frames(long).data) <= config.max_arrows
    assert ArrowField(long, config).stride == 4


def test_zero_fields_can_be_shown(viewer):
    viewer.layers.extend(create(TractionStack(np.zeros((2, 20, 20, 2)))))
    assert viewer.layers[0].contrast_limits == [0, 1]


def test_layers_are_in_micrometres_if_the_spacing_is_known(displacement):
    image, vectors = create(displacement)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, (1, 0.5, 0.5))
        assert [str(unit) for unit in layer.units] == ["pixel", *["micrometer"] * 2]
        assert layer.axis_labels == ("frame", "y", "x")
    assert image.name == "displacement (µm)"
    assert vectors.name == "displacement arrows (µm)"


def test_layers_are_in_grid_steps_if_the_spacing_is_not_known(displacement):
    unknown = dataclasses.replace(displacement, spacing_um=None, unit=None)
    image, _ = create(unknown)
    np.testing.assert_allclose(image.scale, (1, 1, 1))
    assert {str(unit) for unit in image.units} == {"pixel"}
    assert image.name == "displacement (unit not known)"


def test_the_arrows_of_the_frame_are_shown(viewer, displacement):
    _, vectors = create(displacement)
    viewer.layers.append(vectors)
    for frame in range(displacement.n_frames):
        viewer.dims.set_current_step(0, frame)
        shown = vectors.data[vectors._view_indices]
        assert set(shown[:, 0, 0]) == {frame}


def test_the_outline_is_drawn_in_rows_and_columns(displacement):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    stack = dataclasses.replace(displacement, outline=outline)
    _, (data, options, kind), _ = with_outline(stack, field_layers(stack))
    shapes = Layer.create(data, options, kind)
    np.testing.assert_array_equal(shapes.data[0], outline[:, ::-1])
    np.testing.assert_allclose(shapes.scale, (0.5, 0.5))
    assert len(with_outline(displacement, field_layers(displacement))) == 2


def test_names_include_file_quantity_method_and_unit(displacement, traction):
    described = {"method": "ViT"}
    shown = create(displacement, title="cell_07")
    shown += create(traction, title="cell_07", attributes=described)
    assert [layer.name for layer in shown] == [
        "cell_07: displacement (µm)",
        "cell_07: displacement arrows (µm)",
        "cell_07: traction, ViT (Pa)",
        "cell_07: traction arrows, ViT (Pa)",
    ]


def test_metadata_are_plain(displacement, traction):
    for layer in [*create(displacement), *create(traction)]:
        assert all(isinstance(v, str | float) for v in layer.metadata.values())
