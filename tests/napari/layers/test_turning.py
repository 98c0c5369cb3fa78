"""The direction of y of a field that is open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from layers_of_fields import displacement_at, field_at, show_tractions
from napari_vit_tfm import io
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.napari.layers.reading import layer_stack
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.layers.results import differences
from napari_vit_tfm.napari.layers.turning import set_y_direction
from napari_vit_tfm.reconstruction import reconstruct

OUTLINE = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.5]])


@pytest.fixture
def path(tmp_path, displacement, traction):
    """A file with displacements, tractions and an outline."""
    path = tmp_path / "cell.h5"
    arrays = {
        "displacement": displacement.data,
        "traction": traction.data,
        "outline": OUTLINE,
    }
    said = {"displacement": {"units": "um"}, "traction": {"units": "Pa"}}
    io.write_arrays(path, arrays, said)
    return str(path)


@pytest.fixture
def layers(viewer, path):
    """Its layers: tractions, displacement, outline, arrows."""
    viewer.open(path, plugin="napari-vit-tfm")
    return viewer.layers


def turn(layers, y) -> None:
    set_y_direction(layers, field_at(layers, layers[2]), y)


def test_a_field_that_is_turned_over_is_as_if_read_so(layers, path):
    turn(layers, "up")
    read = io.read_displacement(path, y="up")
    magnitude, outline, arrows = layers[2:]
    stack = displacement_at(layers, magnitude)
    np.testing.assert_array_equal(stack.data, read.data)
    np.testing.assert_array_equal(stack.outline, read.outline)
    np.testing.assert_array_equal(magnitude.data, read.magnitude())
    np.testing.assert_array_equal(outline.data[0], read.outline[:, ::-1])
    # The longest arrow is where the largest displacements are.
    start, projection = arrows.data[np.argmax(arrows.features["magnitude"])]
    frame, row, column = start.astype(int)
    assert np.sign(projection[1]) == np.sign(stack.data[frame, row, column, 1])
    colours = arrows.edge_colormap.map(
        arrows.features["magnitude"].to_numpy() / arrows.edge_contrast_limits[1]
    )
    np.testing.assert_allclose(arrows.edge_color, colours, atol=0.01)
    # So are the tractions of the same file.
    turned = io.read_traction(path, y="up")
    np.testing.assert_array_equal(layer_stack(*layers[:2]).data, turned.data)


def test_turning_twice_is_the_field_as_it_was(layers, path):
    before = displacement_at(layers, layers[2]).data
    for y in ("up", "up", "down", "up", None):
        turn(layers, y)
    np.testing.assert_array_equal(displacement_at(layers, layers[2]).data, before)
    np.testing.assert_allclose(layers[3].data[0], OUTLINE[:, ::-1])
    assert description_of(layers[2]).y is None


def test_earlier_results_belong_to_other_displacements(layers, traction):
    image, _ = show_tractions(layers, traction, layers[2])
    before = layer_stack(image).data
    turn(layers, "up")
    np.testing.assert_array_equal(layer_stack(image).data, before)
    description = description_of(image)
    found = differences(
        description,
        displacement_at(layers, layers[2]),
        description.gel,
        ReconstructionConfig(model=traction.model),
    )
    assert "computed before the displacements were changed" in found


def test_the_provenance_has_the_direction(layers, path):
    config = ReconstructionConfig(model="fttc", device="cpu")
    for y in ("up", "down", "up", None):
        turn(layers, y)
        stack = displacement_at(layers, layers[2])
        expected = io.read_displacement(path, y=y)
        np.testing.assert_array_equal(stack.data, expected.data)
        assert stack.metadata["y"] == expected.metadata["y"]
        found, read = (
            reconstruct(replace(one, spacing_um=0.5), config=config)
            .metadata["provenance"]
            .parameters
            for one in (stack, expected)
        )
        assert found["reading"] == read["reading"]
        assert found["reading"]["y"] == y
