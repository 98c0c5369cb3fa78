"""Arrows that follow the frame and the zoom of a viewer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Vectors

from layers_of_fields import create
from napari_vit_tfm import io
from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari import _samples
from napari_vit_tfm.napari._writer import write_field
from napari_vit_tfm.napari.layers import arrow_updates
from napari_vit_tfm.napari.layers.arrow_updates import follow_frame_and_zoom
from napari_vit_tfm.napari.layers.companions import show_companion
from napari_vit_tfm.napari.layers.drawing import field_layers, redraw
from napari_vit_tfm.napari.layers.drawn_arrows import is_being_drawn, window_of
from napari_vit_tfm.napari.layers.fading import fade, unfade
from napari_vit_tfm.napari.layers.reading import layer_stack
from napari_vit_tfm.napari.layers.registry import entry_of

N_FRAMES, SIDE = 4, 48


@pytest.fixture
def film() -> DisplacementStack:
    """Vectors that are longer in every frame, and turn."""
    angle = np.linspace(0, 3, SIDE)[None, :, None] + np.arange(N_FRAMES)[:, None, None]
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    length = np.arange(1, N_FRAMES + 1)[:, None, None, None]
    data = np.broadcast_to(unit * length, (N_FRAMES, SIDE, SIDE, 2))
    return DisplacementStack(data.astype(np.float32), unit="um", spacing_um=0.5)


@pytest.fixture
def viewer(plugin: None) -> ViewerModel:
    viewer = ViewerModel()
    follow_frame_and_zoom(viewer)
    return viewer


def show(viewer: ViewerModel, stack, **options) -> tuple[Image, Vectors]:
    image, arrows = create(stack, **options)
    viewer.layers.extend([image, arrows])
    viewer.fit_to_view()
    return image, arrows


def visible(arrows: Vectors) -> np.ndarray:
    """The arrows that napari shows, without those of length zero."""
    shown = arrows.data[arrows._view_indices]
    return shown[shown[:, 1].any(axis=-1)]


def duplicate(viewer: ViewerModel, layer: Layer) -> Layer:
    """A copy, as by napari's *Duplicate Layer*."""
    data, options, kind = layer.as_layer_data_tuple()
    copy = Layer.create(data.copy(), {**options, "name": "copy"}, kind)
    viewer.layers.append(copy)
    return copy


def test_only_the_arrows_of_the_frame_are_there(viewer, film):
    _, arrows = show(viewer, film)
    n_arrows = len(arrows.data)
    for frame in (0, 3, 1):
        viewer.dims.set_current_step(0, frame)
        shown = visible(arrows)
        assert set(shown[:, 0, 0]) == {frame}
        assert len(shown) == len(arrows.data) - 2
        assert len(arrows.data) == n_arrows


def test_arrows_can_be_compared_over_time(viewer, film):
    _, arrows = show(viewer, film)
    limits, lengths = arrows.edge_contrast_limits, []
    for frame in range(N_FRAMES):
        viewer.dims.set_current_step(0, frame)
        lengths.append(np.linalg.norm(visible(arrows)[:, 1], axis=-1).max())
        assert arrows.features["magnitude"].max() == pytest.approx(frame + 1, rel=0.02)
        assert arrows.edge_contrast_limits == limits
        assert arrows.edge_color_mode == "colormap"
    np.testing.assert_allclose(lengths, lengths[0] * np.arange(1, N_FRAMES + 1), 1e-5)


def test_density_follows_the_zoom(viewer, film):
    _, arrows = show(viewer, film)
    wanted = DisplayConfig().arrow_distance_px
    widths = []
    for zoom in (8.0, 20.0, 40.0, 80.0):
        viewer.scene.camera.zoom = zoom
        stride = window_of(arrows).stride
        widths.append(arrows.edge_width / stride)
        # Pixels between neighbouring arrows; no stride is below one vector.
        distance = stride * zoom * 0.5
        assert stride == 1 or wanted / 1.5 < distance < wanted * 1.5
        starts = np.unique(visible(arrows)[:, 0, 1])
        np.testing.assert_allclose(np.diff(starts), stride)
    np.testing.assert_allclose(widths, 0.15)


def test_small_places_have_visible_arrows_at_large_strides(viewer, film):
    data = np.zeros_like(film.data)
    data[:, 20:23, 20:23, 1] = 1
    _, arrows = show(viewer, DisplacementStack(data, unit="um", spacing_um=0.5))
    extents = []
    for zoom, stride in ((40.0, 1), (14.0, 3), (7.0, 6), (3.0, 12)):
        viewer.scene.camera.zoom = zoom
        assert window_of(arrows).stride == stride
        longest = np.linalg.norm(visible(arrows)[:, 1], axis=-1).max()
        wanted = DisplayConfig().longest_arrow * min(stride, 3)
        assert longest == pytest.approx(wanted, rel=1e-5)
        extents.append(arrows.extent.world)
    np.testing.assert_allclose(extents[1:], extents[:1] * 3, rtol=1e-5)


def test_arrows_are_drawn_where_the_camera_looks(viewer, film):
    _, arrows = show(viewer, film)
    viewer.scene.camera.zoom = 200
    for row in (2.0, 20.0):
        viewer.scene.camera.center = (0, row, 12)
        window = window_of(arrows)
        assert window.rows[0] <= row / 0.5 <= window.rows[1]
        assert window.rows[1] - window.rows[0] < SIDE
    # All that is on the canvas has arrows.
    half = np.array(viewer.canvas.size) / 200 / 2 / 0.5
    assert window.rows[0] <= 40 - half[0]
    assert window.columns[0] <= 24 - half[1]
    assert window.columns[1] >= 24 + half[1]
    n_arrows = len(arrows.data)
    viewer.dims.set_current_step(0, 2)
    assert window_of(arrows).rows == window.rows
    assert len(arrows.data) == n_arrows


def test_small_moves_of_the_camera_draw_nothing(viewer, film):
    _, arrows = show(viewer, film)
    window = window_of(arrows)
    viewer.scene.camera.zoom *= 1.02
    viewer.scene.camera.center = (0, 11.9, 12.1)
    assert window_of(arrows) is window


def test_arrows_alone_can_be_stepped_through(viewer, film):
    image, arrows = show(viewer, film)
    viewer.layers.remove(image)
    viewer.scene.camera.zoom = 100
    viewer.dims.set_current_step(0, 2)
    arrows.scale = (1, 0.25, 0.25)
    viewer.layers.append(Image(np.zeros((2, 2))))
    assert viewer.dims.nsteps[0] == N_FRAMES
    viewer.dims.set_current_step(0, 3)
    assert set(visible(arrows)[:, 0, 0]) == {3}


def test_extent_does_not_depend_on_frame_and_zoom(viewer, film):
    _, arrows = show(viewer, film)
    extents = []
    for frame, zoom in ((0, 15.0), (3, 15.0), (3, 100.0)):
        viewer.dims.set_current_step(0, frame)
        viewer.scene.camera.zoom = zoom
        extents.append(arrows.extent.world)
    np.testing.assert_allclose(extents[1:], extents[:1] * 2, rtol=1e-5, atol=1e-5)


def test_the_registry_knows_the_field_in_every_frame(viewer, film, tmp_path):
    _, arrows = show(viewer, film)
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom = 60
    assert layer_stack(arrows).data is film.data
    target = tmp_path / "field.h5"
    write_field(str(target), [arrows.as_layer_data_tuple()])
    np.testing.assert_array_equal(io.read_displacement(target).data, film.data)


def test_edited_data_are_left_alone(viewer, film):
    _, arrows = show(viewer, film)
    viewer.dims.set_current_step(0, 1)
    arrows.data[5:, 1] *= 2
    edited = arrows.data.copy()
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom = 100
    np.testing.assert_array_equal(arrows.data, edited)
    with pytest.raises(FieldError, match="were changed"):
        layer_stack(arrows)


def test_who_listens_to_edits_can_tell_that_it_is_none(viewer, film):
    _, arrows = show(viewer, film)
    seen = []
    arrows.events.set_data.connect(lambda _: seen.append(is_being_drawn(arrows)))
    arrows.events.data.connect(lambda _: seen.append(False))
    viewer.scene.camera.zoom = 60
    assert seen
    assert all(seen)
    arrows.refresh()
    assert not seen[-1]


def test_replaced_data_are_left_alone(viewer, film):
    _, arrows = show(viewer, film)
    arrows.data = np.ones((3, 2, 3))
    viewer.dims.set_current_step(0, 2)
    np.testing.assert_array_equal(arrows.data, 1)


def test_three_dimensions_show_all_frames(viewer, film):
    _, arrows = show(viewer, film)
    viewer.dims.ndisplay = 3
    assert set(visible(arrows)[:, 0, 0]) == set(range(N_FRAMES))
    assert layer_stack(arrows).data is film.data
    viewer.dims.ndisplay = 2
    viewer.dims.set_current_step(0, 1)
    assert set(arrows.data[2:, 0, 0]) == {1}


def test_frames_along_the_canvas_show_all_frames(viewer, film):
    _, arrows = show(viewer, film)
    viewer.dims.order = (1, 0, 2)
    assert set(arrows.data[:, 0, 0]) == set(range(N_FRAMES))


def test_thick_slices_show_all_frames(viewer, film):
    _, arrows = show(viewer, film)
    viewer.dims.margin_left = (1, 0, 0)
    assert set(arrows.data[:, 0, 0]) == set(range(N_FRAMES))


def test_frames_that_the_field_does_not_have_show_none(viewer, film):
    _, arrows = show(viewer, film)
    viewer.layers.append(Image(np.zeros((9, SIDE, SIDE))))
    viewer.dims.set_current_step(0, 7)
    assert len(visible(arrows)) == 0
    viewer.dims.set_current_step(0, 2)
    assert set(visible(arrows)[:, 0, 0]) == {2}


def test_frames_of_a_layer_that_was_moved_in_time(viewer, film):
    _, arrows = show(viewer, film, translate=(5, 0, 0))
    viewer.layers.append(Image(np.zeros((9, SIDE, SIDE))))
    viewer.dims.set_point(0, 6)
    assert set(visible(arrows)[:, 0, 0]) == {1}


def test_hidden_arrows_are_drawn_when_they_are_shown(viewer, film):
    _, arrows = show(viewer, film)
    arrows.visible = False
    before = arrows.data.copy()
    viewer.dims.set_current_step(0, 3)
    np.testing.assert_array_equal(arrows.data, before)
    arrows.visible = True
    assert set(visible(arrows)[:, 0, 0]) == {3}


def test_a_copy_follows_the_frame(viewer, film):
    _, arrows = show(viewer, film)
    viewer.dims.set_current_step(0, 2)
    copy = duplicate(viewer, arrows)
    viewer.dims.set_current_step(0, 3)
    for layer in (arrows, copy):
        assert set(visible(layer)[:, 0, 0]) == {3}
    assert layer_stack(copy).data is film.data
    assert entry_of(copy).description.copied_from is not None


def test_a_copy_has_the_colours_of_its_frame(viewer, film):
    _, arrows = show(viewer, film)
    copy = duplicate(viewer, arrows)
    viewer.layers.remove(arrows)
    viewer.dims.set_current_step(0, 3)
    for zoom in (viewer.scene.camera.zoom, 60.0):
        viewer.scene.camera.zoom = zoom
        whole = copy.edge_colormap.map(
            np.interp(copy.features["magnitude"], copy.edge_contrast_limits, (0, 1))
        )
        np.testing.assert_allclose(copy.edge_color[2:], whole[2:], atol=1e-6)
        assert copy.edge_color[2:, 3].min() > 0.9


def test_a_copy_is_that_of_its_own_field(viewer, film):
    twice = DisplacementStack(2 * film.data, unit="um", spacing_um=0.5)
    (_, arrows), (_, longer) = show(viewer, film), show(viewer, twice)
    np.testing.assert_array_equal(arrows.data, longer.data)
    copies = [duplicate(viewer, layer) for layer in (longer, arrows)]
    viewer.dims.set_current_step(0, 3)
    for copy, layer in zip(copies, (longer, arrows), strict=True):
        magnitudes = (one.features["magnitude"] for one in (copy, layer))
        np.testing.assert_array_equal(*magnitudes)


def test_a_copy_of_faded_arrows_fades(viewer, traction):
    _, arrows = show(viewer, traction)
    fade(viewer.layers, arrows, entry_of(arrows).arrays)
    copy = duplicate(viewer, arrows)
    for frame in (3, 0):
        viewer.dims.set_current_step(0, frame)
        np.testing.assert_array_equal(copy.edge_color, arrows.edge_color)
    assert copy.edge_color[2:, 3].max() == 0


def test_a_single_frame_without_an_axis(viewer, film):
    one = DisplacementStack(film.data[:1], unit="um", spacing_um=0.5)
    _, arrows = show(viewer, one, has_frames=False)
    viewer.scene.camera.zoom = 40
    assert arrows.ndim == 2
    assert window_of(arrows).stride == 1
    assert layer_stack(arrows).data.shape[0] == 1


def test_holes_have_no_visible_arrows(viewer, film):
    data = film.data.copy()
    data[1, :12, :12] = np.nan
    _, arrows = show(viewer, DisplacementStack(data, unit="um", spacing_um=0.5))
    counts = []
    for frame in (0, 1):
        viewer.dims.set_current_step(0, frame)
        counts.append(len(visible(arrows)))
        assert np.isfinite(arrows.data).all()
    assert counts[1] < counts[0]


def test_the_colour_of_the_user_is_kept(viewer, film):
    _, arrows = show(viewer, film)
    arrows.edge_color = "red"
    viewer.dims.set_current_step(0, 1)
    viewer.scene.camera.zoom = 60
    np.testing.assert_allclose(arrows.edge_color, [[1, 0, 0, 1]] * len(arrows.data))


@pytest.fixture
def traction(film) -> TractionStack:
    halfwidth = np.full_like(film.data, 2)
    return TractionStack(
        film.data,
        unit="Pa",
        spacing_um=0.5,
        model="vit",
        companions={
            "halfwidth_68": halfwidth,
            "halfwidth_95": halfwidth / 2,
            "residual": film.data / 10,
        },
        displacement_unit="um",
    )


def test_uncertain_arrows_fade_in_every_frame(viewer, traction):
    _, arrows = show(viewer, traction)
    fade(viewer.layers, arrows, entry_of(arrows).arrays)
    alphas = []
    for frame in (0, 3):
        viewer.dims.set_current_step(0, frame)
        alphas.append(arrows.edge_color[2:, 3].max())
    # Half a standard deviation, and two of them.
    assert alphas[0] == 0
    assert alphas[1] > 0.9
    unfade(viewer.layers, arrows)
    viewer.dims.set_current_step(0, 0)
    assert arrows.edge_color[2:, 3].max() > 0


@pytest.mark.parametrize("name", ["residual", "halfwidth_95"])
def test_layers_over_tractions_follow_too(name, viewer, traction):
    image, arrows = show(viewer, traction)
    *_, over = show_companion(viewer.layers, traction, name, image)
    viewer.dims.set_current_step(0, 3)
    viewer.scene.camera.zoom = 60
    shown = visible(over)
    assert set(shown[:, 0, 0]) == {3}
    starts = {tuple(start) for start in visible(arrows)[:, 0]}
    assert {tuple(start) for start in shown[:, 0]} <= starts


def test_new_vectors_are_drawn_in_the_same_window(viewer, film):
    image, arrows = show(viewer, film)
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom = 60
    before, window, width = arrows.data.copy(), window_of(arrows), arrows.edge_width
    turned = DisplacementStack(-film.data, unit="um", spacing_um=0.5)
    for layer, new in zip((image, arrows), field_layers(turned), strict=True):
        redraw(layer, new)
    assert window_of(arrows) == window
    assert arrows.edge_width == width
    np.testing.assert_allclose(arrows.data[2:, 1], -before[2:, 1], atol=1e-6)
    assert (layer_stack(arrows).data == turned.data).all()


def test_a_removed_layer_is_not_followed(viewer, film):
    emitters = (viewer.dims.events.point, viewer.scene.camera.events.zoom)
    before = [len(emitter.callbacks) for emitter in emitters]
    _, arrows = show(viewer, film)
    callbacks = len(arrows.events.scale.callbacks)
    assert [len(emitter.callbacks) for emitter in emitters] > before
    viewer.layers.remove(arrows)
    assert [len(emitter.callbacks) for emitter in emitters] == before
    assert len(arrows.events.scale.callbacks) < callbacks


def test_without_a_known_viewer_all_frames_have_arrows(film):
    viewer = ViewerModel()
    _, arrows = show(viewer, film)
    for frame in range(N_FRAMES):
        viewer.dims.set_current_step(0, frame)
        assert set(visible(arrows)[:, 0, 0]) == {frame}
    assert window_of(arrows) is None


@pytest.fixture
def two_viewers(plugin, monkeypatch) -> tuple[ViewerModel, ViewerModel]:
    """Two viewers, as if they had windows."""
    both = ViewerModel(), ViewerModel()
    monkeypatch.setattr(arrow_updates, "_open_viewers", lambda: list(both))
    return both


def follows(viewer: ViewerModel, film) -> bool:
    """Whether new arrows in a viewer are those of its frame."""
    image, arrows = show(viewer, film)
    viewer.dims.set_current_step(0, 0)
    is_window = window_of(arrows) is not None
    viewer.layers.remove(image)
    viewer.layers.remove(arrows)
    return is_window


@pytest.mark.parametrize("chosen", [0, 1])
def test_layers_of_a_reader_follow_the_viewer_to_which_they_are_added(
    two_viewers, film, chosen
):
    viewer, other = two_viewers[chosen], two_viewers[1 - chosen]
    layers = [Layer.create(*one) for one in _samples.discs()]
    # Other layers may come in between.
    other.add_image(np.zeros((4, 4)))
    viewer.layers.extend(layers)
    assert window_of(viewer.layers[-1]) is not None
    assert follows(viewer, film)
    assert not follows(other, film)


def test_the_viewer_on_which_open_is_called_follows(
    make_napari_viewer, plugin, tmp_path, film
):
    path = tmp_path / "film.h5"
    io.write_displacement(path, film)
    first, second = make_napari_viewer(), make_napari_viewer()
    _, arrows = first.open(str(path), plugin="napari-vit-tfm")
    assert window_of(arrows) is not None
    assert not second.layers
    assert not follows(second, film)
