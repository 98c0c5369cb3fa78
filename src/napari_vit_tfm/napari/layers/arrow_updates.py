"""`ArrowUpdates`: layers of arrows that show the frame of a viewer, to suit its zoom.

A layer with the arrows of all frames of a long time-lapse has few arrows in each frame,
and napari takes long to step to another frame. `follow_frame_and_zoom` makes the layers
of a viewer have the arrows of its frame only, at a nearly constant distance on the
canvas, in the visible part of the field.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from napari.layers import Layer, Vectors
from napari.utils.events import Event
from napari.viewer import Viewer

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.napari.layers.arrows import ArrowSource, Window
from napari_vit_tfm.napari.layers.drawn_arrows import draw, source_of, window_of
from napari_vit_tfm.napari.layers.placing import Matrix, WorldUnits, data_to_world
from napari_vit_tfm.napari.layers.registry import IdentityDict, without_proxy

_MOST_ARROWS = 4000
"""Most arrows of a window, for large canvases."""

_SLACK = 0.02
"""Part of the canvas by which a window is larger, so that the view can be moved."""

_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")
"""Events of a layer that change where its arrows are."""


class ArrowUpdates:
    """Draws the arrows of a viewer's frame again when its frame or its zoom changes.

    Where the frames are not stepped through, as in three dimensions, the layers have
    the arrows of all frames. A frame that a field does not have has none.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, to which the reference is weak.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._layers: weakref.WeakSet[Vectors] = weakref.WeakSet()
        self._to_world: WeakKeyDictionary[Vectors, tuple[WorldUnits, Matrix]]
        self._to_world = WeakKeyDictionary()
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            self._add(layer)
        self.update()

    def _on_inserted(self, event: Event) -> None:
        self._add(event.value)
        self.update()

    def _on_removed(self, event: Event) -> None:
        if event.value in self._layers:
            self._remove(event.value)

    def _add(self, layer: Layer) -> None:
        if not isinstance(layer, Vectors) or source_of(layer) is None:
            return
        if not self._layers:
            for emitter in self._emitters():
                # After napari has found no arrows in the new frame. It would draw them
                # one by one in the thumbnail, which takes longer than all the rest.
                emitter.connect(self.update, position="last")
        self._layers.add(layer)
        layer.events.visible.connect(self.update)
        for name in _PLACE:
            layer.events[name].connect(self._on_moved)

    def _remove(self, layer: Vectors) -> None:
        self._layers.remove(layer)
        layer.events.visible.disconnect(self.update)
        for name in _PLACE:
            layer.events[name].disconnect(self._on_moved)
        if not self._layers:
            for emitter in self._emitters():
                emitter.disconnect(self.update)

    def _emitters(self) -> list[Any]:
        """Events of the viewer after which other arrows may be visible."""
        viewer = self._viewer()
        if viewer is None:
            return []
        dims, camera = viewer.dims.events, viewer.scene.camera.events
        return [
            *(dims.point, dims.ndisplay, dims.order, dims.margin_left),
            *(dims.margin_right, camera.zoom, camera.center, viewer.canvas.events.size),
        ]

    def _on_moved(self) -> None:
        self._to_world.clear()
        self.update()

    def _matrix(self, layer: Vectors, units: WorldUnits) -> Matrix:
        """Matrix from data to world coordinates, which a step does not change."""
        known, matrix = self._to_world.get(layer, (None, None))
        if matrix is None or known != units:
            matrix = data_to_world(layer, units)
            self._to_world[layer] = units, matrix
        return matrix

    def update(self) -> None:
        """Draw the arrows that have to be drawn again."""
        viewer = self._viewer()
        if viewer is None:
            return
        for layer in list(self._layers):
            source = source_of(layer) if layer.visible else None
            if source is None:
                continue
            before = window_of(layer)
            if not _shows_one_frame(viewer):
                if before is not None:
                    draw(layer, None)
                continue
            to_world = self._matrix(layer, viewer.dims.units)
            view = _View.of(viewer, to_world, source)
            if view.frame is None or (before is not None and view.has_in(before)):
                continue
            draw(layer, view.window(before))


def _shows_one_frame(viewer: ViewerModel) -> bool:
    """Whether a viewer shows rows and columns of one frame, as fields are measured."""
    dims = viewer.dims
    rows_and_columns = {dims.ndim - 2, dims.ndim - 1}
    if dims.ndisplay != 2 or set(dims.displayed) != rows_and_columns:
        return False
    thickness = np.add(dims.margin_left, dims.margin_right)
    return dims.ndim == 2 or not thickness[dims.ndim - 3]


class _View:
    """What a viewer shows of the vectors of a layer.

    Parameters
    ----------
    source : ArrowSource
        Where the arrows of the layer come from.
    frame : int, optional
        The frame; None if the field does not have it.
    stride : int
        The stride that suits the zoom.
    box : array of shape (2, 2)
        First and last row and column on the canvas.
    """

    def __init__(
        self,
        source: ArrowSource,
        frame: int | None,
        stride: int,
        box: npt.NDArray[np.float64],
    ) -> None:
        self._source = source
        self.frame = frame
        self._stride = stride
        self._box = box

    @classmethod
    def of(cls, viewer: ViewerModel, to_world: Matrix, source: ArrowSource) -> _View:
        """What a viewer shows of a layer now; the matrix is that of `data_to_world`."""
        dims, camera = viewer.dims, viewer.scene.camera
        half = np.array(viewer.canvas.viewbox_size(viewer.layers)) / camera.zoom / 2
        point = np.array([0.0, 0.0, *dims.point])
        shown = [axis + 2 for axis in dims.displayed[-2:]]
        corners = []
        for signs in itertools.product((-1, 1), repeat=2):
            point[shown] = np.array(camera.center[-2:]) + signs * half
            corners.append(np.linalg.solve(to_world, [*point[-3:], 1.0])[:3])
        places = np.array(corners)
        frame = round(float(places[0, 0])) if source.has_frames else 0
        n_frames, *_ = source.field.shape
        # A step of one vector on the canvas, of rows and columns that may be turned.
        px = camera.zoom * np.sqrt(abs(np.linalg.det(to_world[1:3, 1:3])))
        wanted = DisplayConfig().arrow_distance_px / max(px, 1e-9)
        box = np.stack([places[:, 1:].min(axis=0), places[:, 1:].max(axis=0)])
        known = frame if 0 <= frame < n_frames else None
        stride = _nearest(source.field.strides, wanted)
        view = cls(source, known, stride, box)
        while view._n_arrows() > _MOST_ARROWS:
            view = cls(source, known, 2 * view._stride, box)
        return view

    def _n_arrows(self) -> int:
        rows, columns = self._spans(_SLACK)
        return (rows[1] - rows[0]) * (columns[1] - columns[0]) // self._stride**2

    def has_in(self, window: Window) -> bool:
        """Whether all that is visible is in a window, at the right stride."""
        if (window.frame, window.stride) != (self.frame, self._stride):
            return False
        return self._is_within(window)

    def _is_within(self, window: Window) -> bool:
        spans = self._spans(0.0)
        return all(
            has[0] <= wants[0] and wants[1] <= has[1]
            for has, wants in zip((window.rows, window.columns), spans, strict=True)
        )

    def window(self, before: Window | None) -> Window:
        """The window to draw: in the region of the one before, if that is enough."""
        assert self.frame is not None
        stride = self._stride
        if before is not None and before.stride == stride and self._is_within(before):
            return Window(self.frame, stride, before.rows, before.columns)
        rows, columns = self._spans(_SLACK)
        return Window(self.frame, stride, rows, columns)

    def _spans(self, slack: float) -> tuple[tuple[int, int], tuple[int, int]]:
        """The visible rows and columns, in whole blocks, with a part of them more."""
        size = self._box[1] - self._box[0]
        # Arrows outside the canvas may reach into it.
        beyond = slack * size + DisplayConfig().longest_arrow * self._stride
        low, high = self._box[0] - beyond, self._box[1] + beyond
        _, *shape = self._source.field.shape
        rows, columns = (
            _whole_blocks(low[axis], high[axis], n, self._stride)
            for axis, n in enumerate(shape)
        )
        return rows, columns


def _nearest(strides: tuple[int, ...], wanted: float) -> int:
    """The stride with the smallest ratio to the one that is wanted."""
    return min(strides, key=lambda stride: abs(np.log(stride / wanted)))


def _whole_blocks(low: float, high: float, n: int, stride: int) -> tuple[int, int]:
    """First vector and the one after the last of the blocks in a span; at least one.

    Their number does not depend on where the span begins, apart from the border: layers
    whose number of arrows changes take longer to draw.
    """
    last = (n - 1) // stride
    first_block = int(np.floor(low / stride))
    last_block = first_block + int(np.ceil((high - low) / stride))
    first_block, last_block = np.clip((first_block, last_block), 0, last)
    return int(first_block) * stride, min((int(last_block) + 1) * stride, n)


_UPDATES = IdentityDict[ArrowUpdates]()
"""By viewer, with which they end."""


def follow_frame_and_zoom(viewer: ViewerModel) -> None:
    """Let the arrows in a viewer, now and later, follow its frame and its zoom.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer. Nothing happens if its arrows already do.
    """
    viewer = without_proxy(viewer)
    if _UPDATES.get(viewer) is None:
        _UPDATES.put(viewer, ArrowUpdates(viewer))


def follow_where_layers_arrive() -> None:
    """Let arrows follow frame and zoom in the viewer to which a reader's layers go.

    Readers and sample data are not told the viewer for which they are called, and it
    need not be that of the current window. So all viewers with a window are watched
    until arrows are added to one of them.
    """
    _ARRIVALS.watch(viewer for viewer in _open_viewers() if not _UPDATES.get(viewer))


def _open_viewers() -> list[ViewerModel]:
    """All viewers that have a window; napari has no public list of them."""
    return list(Viewer._instances)


class _Arrivals:
    """Waits for the arrows that a reader has made."""

    def __init__(self) -> None:
        self._viewers: weakref.WeakSet[ViewerModel] = weakref.WeakSet()

    def watch(self, viewers: Iterable[ViewerModel]) -> None:
        """Wait until arrows are added to one of some viewers."""
        for viewer in viewers:
            if viewer not in self._viewers:
                self._viewers.add(viewer)
                inserted = viewer.layers.events.inserted
                # After napari has made the new dimensions.
                inserted.connect(self._on_inserted, position="last")

    def _on_inserted(self, event: Event) -> None:
        if not isinstance(event.value, Vectors) or source_of(event.value) is None:
            return
        for viewer in list(self._viewers):
            viewer.layers.events.inserted.disconnect(self._on_inserted)
            if event.value in viewer.layers:
                follow_frame_and_zoom(viewer)
        self._viewers.clear()


_ARRIVALS = _Arrivals()
