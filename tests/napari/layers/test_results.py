"""The layers of a field and of its results."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from napari.layers import Image, Layer
from napari.layers._layer_actions import _duplicate_layer

from layers_of_fields import (
    add,
    all_results,
    create,
    describe,
    displacement_at,
    field_at,
    show_tractions,
    tractions_of,
)
from napari_vit_tfm.config import DisplayConfig, ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.layers import results
from napari_vit_tfm.napari.layers.arrows import ArrowField
from napari_vit_tfm.napari.layers.drawing import field_layers, with_outline
from napari_vit_tfm.napari.layers.reading import find_displacements, layer_stack
from napari_vit_tfm.napari.layers.results import differences, method_words


@pytest.fixture
def source(viewer, displacement) -> Layer:
    image, _ = create(displacement)
    image.scale = (2, 0.7, 0.7)
    image.translate = (4, -3, 12)
    viewer.layers.append(image)
    return image


def test_describing_changes_all_layers_of_the_field(viewer, displacement):
    unknown = dataclasses.replace(displacement, spacing_um=None, unit=None)
    viewer.layers.extend(create(unknown))
    viewer.layers[1].name = "mine"
    new = describe(viewer.layers, viewer.layers[1], unit="grid", spacing_um=0.8)
    for layer in viewer.layers:
        assert displacement_at(viewer.layers, layer) is new
        assert layer_stack(layer) is new
    assert (new.unit, new.spacing_um) == ("grid", 0.8)
    assert new.data is unknown.data
    assert viewer.layers[0].name == "displacement (grid steps)"
    assert viewer.layers[1].name == "mine"


def test_describing_does_not_change_other_fields(viewer, displacement, traction):
    other = dataclasses.replace(displacement, unit=None)
    viewer.layers.extend([*create(displacement), *create(other), *create(traction)])
    describe(viewer.layers, viewer.layers[2], unit="grid")
    assert layer_stack(viewer.layers[0]).unit == "um"
    assert layer_stack(viewer.layers[4]).unit == "Pa"


def test_layers_that_contradict_each_other_are_refused(viewer, displacement):
    viewer.layers.extend(create(displacement))
    image, vectors = viewer.layers
    image.scale = (1, 0.8, 0.8)
    with pytest.raises(FieldError, match=r"spacings of 0.8 µm and of 0.5 µm"):
        displacement_at(viewer.layers, image)
    # Layers in pixels are ignored.
    vectors.units = "pixel"
    assert displacement_at(viewer.layers, image).spacing_um == 0.8
    vectors.metadata["napari_vit_tfm.unit"] = "grid"
    with pytest.raises(FieldError, match="unit in their metadata: µm and grid steps"):
        displacement_at(viewer.layers, image)


def test_numbered_names_are_updated(viewer, displacement, traction):
    unknown = dataclasses.replace(displacement, unit=None)
    for _ in range(2):
        viewer.layers.extend(create(dataclasses.replace(unknown)))
    first, second = viewer.layers[0], viewer.layers[2]
    assert second.name == "displacement (unit not known) [1]"
    traction = dataclasses.replace(traction, model="vit")
    for source in (first, second):
        describe(viewer.layers, source, unit="grid")
        show_tractions(viewer.layers, traction, source)
    assert second.name == "displacement (grid steps) [1]"
    image, vectors = tractions_of(viewer.layers, second)
    assert image.name == "traction, ViT (Pa) [1]"
    other = TractionStack(traction.data / 2000, unit="1", model="vit")
    show_tractions(viewer.layers, other, second, update_last=True)
    assert image.name == "traction, ViT (t/E)"
    assert vectors.name == "traction arrows, ViT (t/E)"
    vectors.name = "traction arrows, ViT (t/E) of cell [1]"
    show_tractions(viewer.layers, traction, second, update_last=True)
    assert vectors.name == "traction arrows, ViT (t/E) of cell [1]"


@pytest.mark.parametrize("title", ["", "cell"])
def test_names_of_duplicates_are_updated(viewer, displacement, title):
    viewer.layers.extend(create(displacement, title=title))
    prefix = f"{title}: " if title else ""
    for number in range(3):
        # Two duplicates, and a duplicate of a duplicate.
        source = viewer.layers[0 if number < 2 else f"{prefix}displacement (µm) copy"]
        viewer.layers.selection = {source}
        _duplicate_layer(viewer.layers)
    mine = viewer.layers[f"{prefix}displacement (µm) copy [1]"]
    for layer in list(viewer.layers):
        if layer.name.endswith(("copy", "copy [1]")):
            describe(viewer.layers, layer, unit="grid")
    assert {layer.name for layer in viewer.layers} == {
        f"{prefix}displacement (µm)",
        f"{prefix}displacement arrows (µm)",
        f"{prefix}displacement (grid steps) copy",
        f"{prefix}displacement (grid steps) copy [1]",
        f"{prefix}displacement (grid steps) copy copy",
    }
    mine.name = "my copy (grid steps)"
    describe(viewer.layers, mine, unit="px")
    assert mine.name == "my copy (grid steps)"


def test_results_of_a_field_without_frames_are_shown_at_every_frame(viewer, traction):
    viewer.add_image(np.zeros((5, 60, 60)))
    for name in ("dx", "dy"):
        viewer.add_image(
            np.ones((27, 40)), name=name, scale=(0.5, 0.5), translate=(3, 4), rotate=30
        )
    source = viewer.layers["dx"]
    describe(viewer.layers, source, unit="grid")
    one = dataclasses.replace(traction, data=traction.data[:1])
    for update_last in (False, True):
        image, vectors = show_tractions(
            viewer.layers, one, source, update_last=update_last
        )
        assert (image.ndim, vectors.ndim) == (2, 2)
        for node in ((0, 0), (5, 7)):
            place = source.data_to_world(node)
            np.testing.assert_allclose(image.data_to_world(node), place)
            np.testing.assert_allclose(vectors.data_to_world(node), place)
        np.testing.assert_array_equal(layer_stack(image, vectors).data, one.data)
        describe(viewer.layers, source, spacing_um=0.8)
    viewer.dims.set_current_step(0, 4)
    np.testing.assert_array_equal(image._slice.image.raw, one.magnitude()[0])
    assert len(all_results(viewer.layers, source)) == 1
    # The field of the layers has frames now, which the layers of its result do not.
    for layer in (source, viewer.layers["dy"]):
        layer.data = np.ones((3, 27, 40))
    image, _ = show_tractions(viewer.layers, traction, source, update_last=True)
    assert image.ndim == 3
    assert len(all_results(viewer.layers, source)) == 2


def test_another_spacing_scales_all_layers_of_the_field(viewer, displacement, traction):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.0]])
    unknown = dataclasses.replace(displacement, spacing_um=None, outline=outline)
    outlined = [
        Layer.create(*one) for one in with_outline(unknown, field_layers(unknown))
    ]
    viewer.layers.extend([*outlined, *create(dataclasses.replace(unknown))])
    source, other = viewer.layers[0], viewer.layers[3]
    first = show_tractions(viewer.layers, traction, source)
    second = show_tractions(viewer.layers, traction, source)
    second[1].translate = (0, 5, 5)
    describe(viewer.layers, source, spacing_um=0.8)
    for layer in (*outlined, *first, second[0]):
        np.testing.assert_allclose(layer.scale[-2:], (0.8, 0.8))
        assert str(layer.units[-1]) == "micrometer"
    assert source.scale[0] == 1
    # A result that the user has moved, and a result of another field.
    np.testing.assert_allclose(second[1].scale, (1, 1, 1))
    np.testing.assert_allclose(other.scale, (1, 1, 1))
    # The spacing that a result was computed with is kept.
    assert layer_stack(first[0]).spacing_um == 0.5
    describe(viewer.layers, source, spacing_um=None)
    np.testing.assert_allclose(source.scale, (1, 1, 1))
    assert str(source.units[-1]) == "pixel"


def test_results_belong_to_the_field_if_a_layer_is_removed(
    viewer, displacement, traction
):
    viewer.layers.extend(create(displacement))
    magnitude, arrows_layer = viewer.layers
    computed = show_tractions(viewer.layers, traction, magnitude)
    viewer.layers.remove(magnitude)
    describe(viewer.layers, arrows_layer, unit="grid")
    assert [one.layers for one in find_displacements(viewer.layers)] == [
        (arrows_layer,)
    ]
    assert tractions_of(viewer.layers, arrows_layer) == computed


def test_tractions_have_the_transform_of_the_displacements(viewer, source, traction):
    image, vectors = show_tractions(viewer.layers, traction, source)
    for layer in (image, vectors):
        np.testing.assert_allclose(layer.scale, source.scale)
        np.testing.assert_allclose(layer.translate, source.translate)
        assert layer.units == source.units
        assert layer in viewer.layers
        assert layer_stack(layer).data is traction.data
    assert layer_stack(image) is layer_stack(vectors)
    assert image.colorbar.visible
    assert image.name == "traction, made for a test (Pa)"


def test_tractions_are_on_top(viewer, displacement, traction):
    layers = create(displacement)
    over = Image(np.zeros((4, 4)))
    viewer.layers.extend([*layers, over])
    first = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, over, *first]
    second = show_tractions(viewer.layers, traction, layers[0])
    assert list(viewer.layers) == [*layers, over, *first, *second]


def test_the_outline_is_above_the_result(viewer, displacement, traction):
    outline = np.array([[1.0, 2.0], [7.0, 2.0], [7.0, 9.5]])
    stack = dataclasses.replace(displacement, outline=outline)
    tuples = with_outline(stack, field_layers(stack))
    viewer.layers.extend([Layer.create(*one) for one in tuples])
    first = show_tractions(viewer.layers, traction, viewer.layers[0])
    assert [*viewer.layers[2:4]] == [*first]
    assert viewer.layers[4].name == "cell outline"


@pytest.fixture
def in_pixels(viewer, displacement):
    """Displacements in camera pixels, whose vectors are 8 pixels apart."""
    stack = dataclasses.replace(
        displacement, unit="px", spacing_um=None, spacing_in_unit=8.0
    )
    return add(viewer, stack)


def test_positions_and_a_pixel_size_set_the_spacing(viewer, in_pixels):
    assert displacement_at(viewer.layers, in_pixels).missing_lengths == ()
    for pixel_size_um in (0.1, 0.2):
        found = describe(viewer.layers, in_pixels, pixel_size_um=pixel_size_um)
        assert found.spacing_um == pytest.approx(8 * pixel_size_um)
        for layer in viewer.layers:
            np.testing.assert_allclose(layer.scale[1:], 8 * pixel_size_um)
    assert found.grid_steps_per_unit() == 1 / 8


def test_positions_and_a_spacing_give_the_pixel_size(viewer, in_pixels):
    for spacing_um in (0.8, 1.6):
        found = describe(viewer.layers, in_pixels, spacing_um=spacing_um)
        assert found.pixel_size_um == pytest.approx(spacing_um / 8)


def test_a_spacing_that_contradicts_the_positions_is_an_error(viewer, in_pixels):
    describe(viewer.layers, in_pixels, pixel_size_um=0.1)
    with pytest.raises(FieldError, match="8 px apart, which is"):
        describe(viewer.layers, in_pixels, spacing_um=0.9)
    # Without a spacing of its own, the field has the one of the positions.
    found = describe(viewer.layers, in_pixels, spacing_um=None)
    assert found.spacing_um == pytest.approx(0.8)


def test_a_chosen_unit_sets_the_spacing_if_the_positions_are_known(
    viewer, displacement
):
    stack = dataclasses.replace(
        displacement, unit=None, spacing_um=None, spacing_in_unit=8.0
    )
    source = add(viewer, stack)
    assert describe(viewer.layers, source, unit="um").spacing_um == 8
    np.testing.assert_allclose(source.scale, (1, 8, 8))
    assert describe(viewer.layers, source, unit="px").spacing_um is None
    np.testing.assert_allclose(source.scale, (1, 1, 1))


def test_earlier_results_are_hidden_and_kept(viewer, source, traction):
    first = show_tractions(viewer.layers, traction, source)
    again = dataclasses.replace(traction, data=traction.data * 2)
    second = show_tractions(viewer.layers, again, source)
    assert [one.layers for one in all_results(viewer.layers, source)] == [first, second]
    assert not any(layer.visible for layer in first)
    assert all(layer.visible for layer in second)
    assert layer_stack(first[0]).data is traction.data
    # The user may change the order of the layers.
    viewer.layers.reverse()
    assert tractions_of(viewer.layers, source) == second


def test_the_last_result_is_updated_in_place(viewer, source, traction):
    before = show_tractions(viewer.layers, traction, source)
    before[1].name = "mine"
    again = TractionStack(traction.data * 3 / 2000, unit="1", model="vit")
    after = show_tractions(viewer.layers, again, source, update_last=True)
    assert after == before
    assert len(viewer.layers) == 3
    image, vectors = after
    assert tractions_of(viewer.layers, source) == after
    np.testing.assert_allclose(image.data, again.magnitude())
    assert layer_stack(image).data is again.data
    assert image.contrast_limits[1] == pytest.approx(float(image.data.max()))
    assert image.name == "traction, ViT (t/E)"
    assert vectors.name == "mine"
    drawn = ArrowField(again, DisplayConfig()).in_all_frames()
    np.testing.assert_allclose(vectors.data, drawn.data)
    np.testing.assert_allclose(vectors.features["magnitude"], drawn.magnitude)
    assert vectors.edge_contrast_limits[1] == pytest.approx(drawn.magnitude.max())
    fresh = Layer.create(*field_layers(again)[1])
    np.testing.assert_allclose(vectors.edge_color, fresh.edge_color, atol=1e-6)


def turned(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


@pytest.mark.parametrize(
    "change",
    [
        {"translate": (4, 50, 60)},
        {"scale": (2, 0.3, 0.3)},
        {"rotate": turned(30)},
        {"affine": np.diag([1.0, 2.0, 2.0, 1.0])},
        {"units": ("pixel", "mm", "mm")},
    ],
)
def test_a_result_that_is_updated_lies_where_its_field_lies_now(
    viewer, source, traction, change
):
    image, vectors = show_tractions(viewer.layers, traction, source)
    vectors.translate = moved = (4, 0, 5)
    for name, value in change.items():
        setattr(source, name, value)
    show_tractions(viewer.layers, traction, source, update_last=True)
    for corner in ((0, 0, 0), (1, 26, 39)):
        place = source.data_to_world(corner)
        np.testing.assert_allclose(image.data_to_world(corner), place)
    assert image.units == source.units
    # Another spacing moves the result along, and is no move of the user.
    describe(viewer.layers, source, spacing_um=0.9)
    source.translate = (4, 8, 8)
    show_tractions(viewer.layers, traction, source, update_last=True)
    np.testing.assert_allclose(
        image.data_to_world(corner), source.data_to_world(corner)
    )
    # The user has moved the arrows.
    np.testing.assert_allclose(vectors.translate, moved)


@pytest.mark.parametrize("how", ["removed", "edited"])
def test_an_incomplete_or_changed_result_is_not_updated(viewer, source, traction, how):
    image, vectors = show_tractions(viewer.layers, traction, source)
    if how == "removed":
        viewer.layers.remove(image)
    else:
        image.data[0, 0, 0] += 1
    new = show_tractions(viewer.layers, traction, source, update_last=True)
    assert not set(new) & {image, vectors}


def test_every_displacement_layer_has_its_own_tractions(viewer, source, traction):
    other, _ = create(dataclasses.replace(layer_stack(source)))
    viewer.layers.append(other)
    first = show_tractions(viewer.layers, traction, source)
    second = show_tractions(viewer.layers, traction, other)
    assert not set(first) & set(second)
    assert tractions_of(viewer.layers, source) == first


def test_differences_of_settings(viewer, source, displacement, traction):
    show_tractions(viewer.layers, traction, source)
    (result,) = all_results(viewer.layers, source)
    stack = displacement_at(viewer.layers, field_at(viewer.layers, source).first)

    config = ReconstructionConfig(model=traction.model)

    def found(*, gel=traction.gel, **changes) -> list[str]:
        changed = dataclasses.replace(stack, **changes) if changes else stack
        return differences(result.description, changed, gel, config)

    # The result was computed with the spacing of the file.
    assert found() == ["computed for a spacing of 0.5 µm, now a spacing of 0.7 µm"]
    assert found(spacing_um=0.5) == []
    assert found(spacing_um=0.5, gel=Gel(poisson=0.3, thickness_um=9.0)) == [
        "computed for 2 kPa, now an unknown Young's modulus (t/E)",
        "computed for a Poisson ratio of 0.45, now a Poisson ratio of 0.3",
        "computed for a gel of infinite thickness, now a gel 9 µm thick",
    ]
    assert found(spacing_um=0.5, data=stack.data * 2) == [
        "computed before the displacements were changed"
    ]
    # A duplicate may be of another field's result.
    copied = dataclasses.replace(result.description, source_id=None)
    other = dataclasses.replace(stack, spacing_um=0.5, data=stack.data * 2)
    assert differences(copied, other, traction.gel, config) == [
        "computed from other displacements"
    ]


def test_names_of_methods():
    assert method_words(ReconstructionConfig()) == "ViT"
    assert method_words(ReconstructionConfig(model="/a/b/mine.pth", heads=4)) == (
        "mine, 4 heads"
    )
    for model, words in (
        ("vit", "ViT, 8 views"),
        ("/a/mine.safetensors", "mine, 8 views"),
        # These have no views.
        ("fttc", "FTTC"),
        ("/a/mine.pth", "mine"),
    ):
        assert method_words(ReconstructionConfig(model=model, n_views=8)) == words


@pytest.mark.parametrize(
    ("then", "now", "words"),
    [
        ({}, {"n_views": 4}, "computed with ViT, now ViT, 4 views"),
        (
            {"model": "/a/best.pth"},
            {"model": "/b/best.pth"},
            "computed with /a/best.pth, now /b/best.pth",
        ),
        (
            {"model": "fttc", "options": {"regularisation": 0.5}},
            {"model": "fttc", "options": {"regularisation": 0.5000000001}},
            "computed with other options of the method",
        ),
        ({"model": "fttc"}, {"model": "fttc", "n_views": 8}, None),
        ({}, {"device": "cpu", "batch_size": 3}, None),
    ],
)
def test_everything_about_the_method_is_compared(
    viewer, displacement, traction, then, now, words
):
    viewer.layers.extend(create(displacement))
    field = field_at(viewer.layers, viewer.layers[0])
    stack = displacement_at(viewer.layers, viewer.layers[0])
    result = results.show_tractions(
        viewer.layers,
        traction,
        field,
        source=stack,
        config=ReconstructionConfig(**then),
    ).description
    said = differences(result, stack, traction.gel, ReconstructionConfig(**now))
    assert said == ([] if words is None else [words])


def test_only_the_result_of_the_last_run_has_a_colour_bar(
    viewer, displacement, traction
):
    sources = add(viewer, displacement), add(viewer, displacement)
    first, second = (show_tractions(viewer.layers, traction, one)[0] for one in sources)

    def has_bar(image) -> tuple[bool, bool]:
        return image.colorbar.visible, image.name_overlay.visible

    assert has_bar(second) == (True, True)
    assert has_bar(first) == (False, False)
    assert first.visible
